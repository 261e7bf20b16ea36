"""Gathers what `init()` would do; reads the record, the files and the calendar's API."""

from __future__ import annotations

from enoslib_nxc import artifacts as sources
from enoslib_nxc import deploy, flavours, prepare, state
from enoslib_nxc.boots import Boot
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import StateError
from enoslib_nxc.flavours import Flavour, Source
from enoslib_nxc.model import Artifacts, Deployment, Identity, Node, Plan
from enoslib_nxc.outlook import Outlook, Seat
from enoslib_nxc.plan import make_plan
from enoslib_nxc.platforms import Platform
from enoslib_nxc.preview.fate import fate
from enoslib_nxc.preview.model import Build, Group, Host, Preview, Then
from enoslib_nxc.preview.reach import Reach, reach


def preview(settings: Settings, source: Source) -> Preview:
    """Return what `init()` would do, without doing anything of it.

    Nothing is built, reserved or started, no machine is asked, and no lock is taken.

    Args:
        settings: the checked configuration.
        source: where the machines come from.

    Raises:
        NxcError: the configuration cannot be carried out.
    """
    flavour = flavours.on(settings.flavour, source)
    platform, boot = flavour.platform(source), flavour.boot()
    previous, refusal = _recorded(settings, source)
    settings = flavour.effective(sources.effective(settings))
    built = sources.at_hand(settings, previous.artifacts if previous else None)
    plan = make_plan(
        settings,
        built.roles if built else tuple(settings.roles),
        built.roles_distribution if built else {},
        previous=previous.plan if previous else None,
    )
    outlook = platform.foresee(settings, plan, previous)
    wanted = _wanted(settings, plan, built, previous, boot)
    held = previous.machines if previous else {}

    def host(node: Node) -> Host:
        seat = outlook.seats[node.host]
        known = held.get(node.host), wanted.get(node.host)
        return _host(node, flavour, seat, *fate(*known, seat.address, built=built is not None))

    return Preview(
        job_name=settings.job_name,
        groups=(_group(flavour, platform, boot, settings),),
        builds=(_build(settings, built, previous),),
        hosts=tuple(map(host, plan.nodes)),
        networks=outlook.networks,
        reach=_reach(settings, plan, outlook),
        reservations=(outlook.reservation,) if outlook.reservation else (),
        ends=_ends(plan, previous),
        notes=(*outlook.notes, *_undecided(settings, built)),
        refusal=refusal,
    )


def _recorded(settings: Settings, source: Source) -> tuple[Deployment | None, str]:
    """Return the record that `init()` would go on from, and why it would not."""
    home = state.find(settings.job_name)
    if home is None or home.load() is None:
        return None, ""
    try:
        return prepare.recorded(settings, home, lent=source.lent), ""
    except StateError as error:
        return None, str(error)


def _reach(settings: Settings, plan: Plan, outlook: Outlook) -> tuple[Reach, ...]:
    return reach(
        {role: plan.hosts_of(role) for role in settings.roles},
        {host: seat.networks for host, seat in outlook.seats.items()},
        outlook.networks,
    )


def _group(flavour: Flavour, platform: Platform, boot: Boot, settings: Settings) -> Group:
    return Group(
        flavour=flavour.name,
        platform=_module(platform),
        boot=_module(boot),
        description=flavour.description,
        roles=tuple(settings.roles),
    )


def _module(part: object) -> str:
    """Return the word for a platform or a boot: the name of its module."""
    return type(part).__module__.rpartition(".")[2]


def _build(settings: Settings, built: Artifacts | None, previous: Deployment | None) -> Build:
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
        composition=settings.composition,
        flavour=settings.flavour,
        state="to build" if built is None else "built already",
        reason=reason,
        compose_info=str(built.compose_info) if built else "",
    )


def _wanted(
    settings: Settings,
    plan: Plan,
    built: Artifacts | None,
    previous: Deployment | None,
    boot: Boot,
) -> dict[str, Identity]:
    """Return what the hosts that are on record should run, as far as it is known."""
    if previous is None:
        return {}
    known = built or previous.artifacts
    nodes = tuple(
        n for n in plan.nodes if n.host in previous.machines and n.role in known.roles
    )
    update = {"plan": Plan(nodes=nodes), "artifacts": known}
    return deploy.identities(settings, previous.model_copy(update=update), boot)


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


def _undecided(settings: Settings, built: Artifacts | None) -> tuple[str, ...]:
    """Name what only the build will tell."""
    if built is not None:
        return ()
    free = [role for role, given in settings.roles.items() if given.machines is None]
    return tuple(
        f"role {role}: 1 machine, unless the composition's rolesDistribution says otherwise"
        for role in free
    )
