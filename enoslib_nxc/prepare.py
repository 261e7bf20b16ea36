"""What comes before machines, which are dear: the checks, the build, the plan, the booking."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from enoslib_nxc import artifacts as sources
from enoslib_nxc import flavours, keys, node, plays, ssh
from enoslib_nxc.boots import Boot
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import StateError
from enoslib_nxc.events import Phase, Reporter, step
from enoslib_nxc.flavours import Source
from enoslib_nxc.g5k import foresight
from enoslib_nxc.model import Artifacts, Deployment, Plan
from enoslib_nxc.plan import make_plan
from enoslib_nxc.platforms import Platform
from enoslib_nxc.state import Home


@dataclass(frozen=True)
class Ready:
    """A deployment that is built and planned, before any machine is asked for.

    Args:
        settings: the configuration, with what the build decided.
        platform: gives the machines.
        boot: starts them.
        user_keys: public keys of the user.
        built: what was built.
        plan: roles bound to host names.
        previous: the record as it stood.
    """

    settings: Settings
    platform: Platform
    boot: Boot
    user_keys: tuple[str, ...]
    built: Artifacts
    plan: Plan
    previous: Deployment | None


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
    flavour = flavours.on(settings.flavour, source)
    platform, boot = flavour.platform(source), flavour.boot()
    previous = recorded(settings, home, lent=source.lent)
    with step(report, Phase.CHECK, "check this machine") as checking:
        for script in node.replaced():
            checking.progress(f"{script} takes the place of ours")
        platform.check(settings)
        boot.require()
        plays.check(settings.playbooks)
        settings = flavour.effective(sources.effective(settings))
        user_keys = keys.public_keys(settings.ssh.key, agent=ssh.agent_keys())
    known = previous.artifacts if previous else None
    built = sources.obtain(settings, known, report, keep=home.gc_root)
    with step(report, Phase.PLAN, "plan"):
        plan = make_plan(
            settings,
            built.roles,
            built.roles_distribution,
            previous=previous.plan if previous else None,
        )
        if flavour.calendar:
            foresight.check(settings, built, plan, user_keys)
    return Ready(settings, platform, boot, tuple(user_keys), built, plan, previous)


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
    if ready.platform.keeps:
        home.save(deployment)
    try:
        held = ready.platform.reserve(ready.settings, ready.plan, previous, force=force)
    except Exception:
        if previous is None:
            home.record.unlink(missing_ok=True)
        raise
    deployment = deployment.model_copy(update={"jobs": held.jobs, "login": held.login})
    if held.jobs:
        home.save(deployment)
    return deployment


def _deployment(ready: Ready, home: Home) -> Deployment:
    """Return the record as it stands before anything is reserved."""
    previous, settings = ready.previous, ready.settings
    return Deployment(
        job_name=home.job_name,
        token=previous.token if previous else secrets.token_hex(8),
        flavour=settings.flavour,
        artifacts=ready.built,
        plan=ready.plan,
        machines=previous.machines if previous else {},
        networks=previous.networks if previous else (),
        lent=previous.lent if previous else False,
        ours_to_end=previous.ours_to_end if previous else False,
        ssh_user=settings.ssh.user,
        ssh_key=settings.ssh.key.expanduser() if settings.ssh.key else home.key,
        created=previous.created if previous else time.time(),
        jobs=previous.jobs if previous else (),
        login=previous.login if previous else "",
        site_networks=previous.site_networks if previous else (),
    )


def recorded(settings: Settings, home: Home, *, lent: bool) -> Deployment | None:
    """Return the record of the same name; another flavour's machines are not ours to touch.

    Args:
        settings: the configuration.
        home: the deployment's directory.
        lent: whether another provider gives the machines.

    Raises:
        StateError: it cannot be read, or is that of other machines.
    """
    previous = home.load()
    if previous and previous.lent != lent:
        runs = "hosts of another provider" if previous.lent else "machines of its own"
        raise StateError(
            f"deployment {home.job_name} runs on {runs}",
            resolution="give the provider as hosts=, as when it was made; or destroy() it first"
            if previous.lent
            else "leave hosts= out, destroy() it first, or use another job_name",
        )
    if previous and previous.flavour != settings.flavour:
        raise StateError(
            f"deployment {home.job_name} runs with flavour {previous.flavour}, "
            f"not {settings.flavour}",
            resolution="destroy() it first, or give this configuration another job_name",
        )
    return previous
