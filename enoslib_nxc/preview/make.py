"""Gathers what `init()` would do; reads the record, the files and the calendar's API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from enoslib_nxc import artifacts as sources
from enoslib_nxc import deploy, flavours, prepare, state
from enoslib_nxc.boots import Boot
from enoslib_nxc.built import Artifacts, nothing
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import StateError
from enoslib_nxc.flavours import Flavour, Source
from enoslib_nxc.model import Deployment, Identity, Node, Plan
from enoslib_nxc.outlook import Outlook, Seat, joined
from enoslib_nxc.plan import make_plan
from enoslib_nxc.prepare import Side
from enoslib_nxc.preview.fate import AS_IT_IS, fate
from enoslib_nxc.preview.model import Build, Group, Host, Preview, Then
from enoslib_nxc.preview.reach import Reach, reach


@dataclass(frozen=True)
class _Part:
    """What is known beforehand of the roles that run with one flavour."""

    row: Flavour
    boot: Boot
    settings: Settings
    built: Artifacts | None
    previous: Deployment | None

    @classmethod
    def of(cls, row: Flavour, settings: Settings, previous: Deployment | None) -> _Part:
        settings = row.effective(settings.only(row.name))
        before = previous.only(row.name) if previous else None
        if row.stock:
            built: Artifacts | None = nothing(row.name, settings.build.system, settings.roles)
        else:
            built = sources.at_hand(settings, before.artifacts if before else None)
        return cls(row, row.boot(), settings, built, before)


def preview(settings: Settings, source: Source) -> Preview:
    """Return what `init()` would do, without doing anything of it.

    Nothing is built, reserved or started, no machine is asked, and no lock is taken.

    Args:
        settings: the checked configuration.
        source: where the machines come from.

    Raises:
        NxcError: the configuration cannot be carried out.
    """
    rows = flavours.rows(settings, source)
    previous, refusal = _recorded(settings, source)
    settings = sources.effective(settings)
    parts = {name: _Part.of(row, settings, previous) for name, row in rows.items()}
    plan = _planned(settings, parts.values(), previous)
    platforms = flavours.platforms(rows, source)
    outlooks = {
        names: platform.foresee(
            settings.only(*names),
            plan.of(settings.only(*names).roles),
            previous.only(*names) if previous else None,
        )
        for platform, names in platforms.items()
    }
    outlook = joined(outlooks)
    named = {name: _module(platform) for platform, names in platforms.items() for name in names}
    return Preview(
        job_name=settings.job_name,
        groups=tuple(_group(part, named[name]) for name, part in parts.items()),
        builds=tuple(_build(part) for part in parts.values() if not part.row.stock),
        hosts=tuple(_hosts(settings, parts, plan, outlook)),
        networks=outlook.networks,
        reach=_reach(settings, plan, outlook),
        reservations=tuple(o.reservation for o in outlooks.values() if o.reservation),
        ends=_ends(plan, previous),
        notes=(*outlook.notes, *(note for part in parts.values() for note in _undecided(part))),
        refusal=refusal,
    )


def _planned(settings: Settings, parts: Iterable[_Part], previous: Deployment | None) -> Plan:
    """Bind roles to host names, as far as what is built tells."""
    roles: set[str] = set()
    distribution: dict[str, int | tuple[str, ...]] = {}
    for part in parts:
        roles |= set(part.built.roles if part.built else part.settings.roles)
        distribution |= part.built.roles_distribution if part.built else {}
    before = previous.plan if previous else None
    return make_plan(settings, sorted(roles), distribution, previous=before)


def _recorded(settings: Settings, source: Source) -> tuple[Deployment | None, str]:
    """Return the record that `init()` would go on from, and why it would not."""
    home = state.find(settings.job_name)
    if home is None or home.load() is None:
        return None, ""
    try:
        return prepare.recorded(settings, home, source), ""
    except StateError as error:
        return None, str(error)


def _hosts(
    settings: Settings, parts: Mapping[str, _Part], plan: Plan, outlook: Outlook
) -> Iterator[Host]:
    wanted = {name: _wanted(part, plan) for name, part in parts.items()}
    for node in plan.nodes:
        name = settings.flavour_of(node.role)
        part, seat = parts[name], outlook.seats[node.host]
        held = part.previous.machines if part.previous else {}
        known = held.get(node.host), wanted[name].get(node.host)
        if part.row.stock:
            then, reason = AS_IT_IS
        else:
            then, reason = fate(*known, seat.address, built=part.built is not None)
        yield _host(node, part.row, seat, then, reason)


def _reach(settings: Settings, plan: Plan, outlook: Outlook) -> tuple[Reach, ...]:
    return reach(
        {role: plan.hosts_of(role) for role in settings.roles},
        {host: seat.networks for host, seat in outlook.seats.items()},
        outlook.networks,
    )


def _group(part: _Part, platform: str) -> Group:
    return Group(
        flavour=part.row.name,
        platform=platform,
        boot=_module(part.boot),
        description=part.row.description,
        roles=tuple(part.settings.roles),
    )


def _module(part: object) -> str:
    """Return the word for a platform or a boot: the name of its module."""
    return type(part).__module__.rpartition(".")[2]


def _build(part: _Part) -> Build:
    built, previous = part.built, part.previous
    if built is not None:
        reason = (
            "unchanged since the last build"
            if previous and built is previous.artifacts
            else "a compose info is given"
        )
    elif previous is None:
        reason = "no deployment of this name; what Nix's store has is not built again"
    else:
        reason = "changed since the last build, or only Nix can tell"
    return Build(
        composition=part.settings.composition,
        flavour=part.row.name,
        state="to build" if built is None else "built already",
        reason=reason,
        compose_info=str(built.compose_info) if built else "",
    )


def _wanted(part: _Part, plan: Plan) -> dict[str, Identity]:
    """Return what the hosts that are on record should run, as far as it is known."""
    if part.previous is None:
        return {}
    known = part.built or part.previous.artifacts
    held = part.previous.machines
    nodes = tuple(
        node
        for node in plan.nodes
        if node.host in held and node.role in known.roles and node.role in part.settings.roles
    )
    side = Side(part.settings, part.boot, known)
    deployment = part.previous.model_copy(update={"plan": Plan(nodes=nodes)})
    return deploy.identities(side, deployment)


def _host(node: Node, flavour: Flavour, seat: Seat, then: Then, reason: str) -> Host:
    return Host(
        host=node.host,
        role=node.role,
        tags=node.tags,
        flavour=flavour.name,
        place=seat.place,
        address=seat.address,
        networks=seat.networks,
        size=seat.size,
        then=then,
        reason=reason,
    )


def _ends(plan: Plan, previous: Deployment | None) -> tuple[str, ...]:
    planned = {node.host for node in plan.nodes}
    return tuple(host for host in previous.machines if host not in planned) if previous else ()


def _undecided(part: _Part) -> tuple[str, ...]:
    """Name what only the build will tell."""
    if part.built is not None:
        return ()
    free = [role for role, given in part.settings.roles.items() if given.machines is None]
    return tuple(
        f"role {role}: 1 machine, unless the composition's rolesDistribution says otherwise"
        for role in free
    )
