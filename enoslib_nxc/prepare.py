"""What comes before machines, which are dear: the checks, the build, the plan, the booking."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from enoslib_nxc import artifacts as sources
from enoslib_nxc import flavours, keys, node, plays, ssh
from enoslib_nxc.boots import Boot
from enoslib_nxc.built import Artifacts, nothing
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import StateError
from enoslib_nxc.events import Phase, Reporter, step
from enoslib_nxc.flavours import Source
from enoslib_nxc.g5k import foresight
from enoslib_nxc.model import Deployment, Part, Plan
from enoslib_nxc.plan import make_plan
from enoslib_nxc.platforms import Platform
from enoslib_nxc.platforms.vm_hosts import VM_RAMDISK
from enoslib_nxc.state import Home


@dataclass(frozen=True)
class Side:
    """The roles of a deployment that run with one flavour.

    Args:
        settings: the configuration of these roles, with what the flavour takes for granted.
        boot: starts their machines.
        built: what was built for them.
        stock: whether their machines keep the system that they have.
    """

    settings: Settings
    boot: Boot
    built: Artifacts
    stock: bool = False


@dataclass(frozen=True)
class Ready:
    """A deployment that is built and planned, before any machine is asked for.

    Args:
        settings: the configuration, with what the build decided.
        platforms: who gives machines -> the flavours that they are for.
        sides: flavour -> its roles.
        user_keys: public keys of the user.
        plan: roles bound to host names.
        previous: the record as it stood.
    """

    settings: Settings
    platforms: dict[Platform, tuple[str, ...]]
    sides: dict[str, Side]
    user_keys: tuple[str, ...]
    plan: Plan
    previous: Deployment | None

    def plan_of(self, given: tuple[str, ...]) -> Plan:
        """Return the plan of the roles that run with some flavours."""
        return self.plan.of(self.settings.only(*given).roles)

    def before(self, given: tuple[str, ...]) -> Deployment | None:
        """Return the record as it stood, of some flavours."""
        return self.previous.only(*given) if self.previous else None


def prepare(settings: Settings, home: Home, report: Reporter, source: Source) -> Ready:
    """Check, build and plan: all that comes before machines, which are dear.

    Args:
        settings: the checked configuration.
        home: the deployment's directory, held by this process.
        report: where events go.
        source: where the machines come from.

    Raises:
        NxcError: what was wrong, and what to do.
    """
    rows = flavours.rows(settings, source)
    platforms = flavours.platforms(rows, source)
    boots = {name: row.boot() for name, row in rows.items()}
    previous = recorded(settings, home, source)
    with step(report, Phase.CHECK, "check this machine") as checking:
        for script in node.replaced():
            checking.progress(f"{script} takes the place of ours")
        for platform, names in platforms.items():
            platform.check(settings.only(*names))
        for boot in boots.values():
            boot.require()
        plays.check(settings.playbooks)
        settings = sources.effective(settings)
        user_keys = keys.public_keys(settings.ssh.key, agent=ssh.agent_keys())
    wishes = {name: row.effective(settings.only(name)) for name, row in rows.items()}
    known = {part.flavour: part.artifacts for part in previous.parts} if previous else {}
    sides = {
        name: Side(
            wish,
            boots[name],
            nothing(name, wish.build.system, wish.roles)
            if rows[name].stock
            else sources.obtain(wish, known.get(name), report, keep=home.gc_root(name)),
            stock=rows[name].stock,
        )
        for name, wish in wishes.items()
    }
    with step(report, Phase.PLAN, "plan"):
        plan = _planned(settings, sides, previous)
        for name, side in sides.items():
            if rows[name].calendar and not side.stock:
                foresight.check(side.settings, side.built, plan, user_keys)
    return Ready(settings, platforms, sides, tuple(user_keys), plan, previous)


def _planned(
    settings: Settings, sides: Mapping[str, Side], previous: Deployment | None
) -> Plan:
    """Bind roles to host names: each as the composition has it that was built for it."""
    built = {role for side in sides.values() for role in side.built.roles}
    for side in sides.values():
        built -= side.settings.roles.keys() - side.built.roles.keys()
    distribution = {
        role: side.built.roles_distribution[role]
        for side in sides.values()
        for role in side.settings.roles
        if role in side.built.roles_distribution
    }
    return make_plan(
        settings, built, distribution, previous=previous.plan if previous else None
    )


def reserve(ready: Ready, home: Home, *, force: bool = False) -> Deployment:
    """Reserve the machines, and put the reservation on record; nothing is waited for.

    Where there is a calendar, the record is there before the reservation is: a program that
    is killed in between is told from one that finds a job which another computer made.

    Args:
        ready: what `prepare` gave.
        home: the deployment's directory, held by this process.
        force: take machines over whatever they run.

    Raises:
        NxcError: they cannot be had.
        EnosError: EnOSlib's, on dates.
    """
    previous = ready.previous
    deployment = _deployment(ready, home)
    if any(platform.keeps for platform in ready.platforms):
        home.save(deployment)
    for platform, names in ready.platforms.items():
        wish, plan = ready.settings.only(*names), ready.plan_of(names)
        try:
            held = platform.reserve(wish, plan, ready.before(names), force=force)
        except Exception:
            if previous is None:
                home.record.unlink(missing_ok=True)
            raise
        if held.jobs:
            update = {"jobs": held.jobs, "login": held.login}
            deployment = deployment.model_copy(update=update)
            home.save(deployment)
    return deployment


def _deployment(ready: Ready, home: Home) -> Deployment:
    """Return the record as it stands before anything is reserved."""
    settings = ready.settings
    before = ready.previous or Deployment(
        job_name=home.job_name,
        token=secrets.token_hex(8),
        parts=(),
        plan=ready.plan,
        created=time.time(),
    )
    known = {part.flavour: part for part in before.parts}
    parts = []
    for name, side in ready.sides.items():
        part = known.get(name) or Part(flavour=name, roles=(), artifacts=side.built)
        update = {"roles": tuple(side.settings.roles), "artifacts": side.built}
        parts.append(part.model_copy(update=update))
    return before.model_copy(
        update={
            "parts": tuple(parts),
            "plan": ready.plan,
            "ssh_user": settings.ssh.user,
            "ssh_key": settings.ssh.key.expanduser() if settings.ssh.key else home.key,
        }
    )


def recorded(settings: Settings, home: Home, source: Source) -> Deployment | None:
    """Return the record of the same name; another flavour's machines are not ours to touch.

    Args:
        settings: the configuration.
        home: the deployment's directory.
        source: where the machines come from.

    Raises:
        StateError: it cannot be read, or is that of other machines.
    """
    previous = home.load()
    if previous is None:
        return None
    # what was only reserved so far is not known yet to be lent, or on whose hosts
    given = bool(previous.machines)
    lent = any(part.lent for part in previous.parts)
    if given and lent != source.lent:
        runs = "hosts of another provider" if lent else "machines of its own"
        raise StateError(
            f"deployment {home.job_name} runs on {runs}",
            resolution="give the provider as hosts=, as when it was made; or destroy() it first"
            if lent
            else "leave hosts= out, destroy() it first, or use another job_name",
        )
    hosted = any(part.vm_hosts for part in previous.parts)
    if given and hosted != (VM_RAMDISK in settings.flavours and source.elsewhere(settings)):
        ours = "hosts that run virtual machines" if hosted else "this computer"
        raise StateError(
            f"machines of deployment {home.job_name} run on {ours}",
            resolution="give them (vm_hosts=, vm.on) as when it was made; or destroy() it first"
            if hosted
            else "leave vm_hosts= and vm.on out, destroy() it first, or use another job_name",
        )
    if set(previous.flavours) != set(settings.flavours):
        raise StateError(
            f"deployment {home.job_name} runs with flavour {' and '.join(previous.flavours)}, "
            f"not {' and '.join(settings.flavours)}",
            resolution="destroy() it first, or give this configuration another job_name",
        )
    return previous
