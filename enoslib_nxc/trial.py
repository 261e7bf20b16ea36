"""Runs the test script of a composition against a deployment of it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from enoslib_nxc import deploy, driver, history, prepare, reach, standing, state
from enoslib_nxc.config import Settings
from enoslib_nxc.driver import SCRIPT_SECONDS, Machine, Remote
from enoslib_nxc.errors import NxcError
from enoslib_nxc.events import Reporter
from enoslib_nxc.flavours import Source
from enoslib_nxc.model import Deployment
from enoslib_nxc.reporters import tee
from enoslib_nxc.state import Home
from enoslib_nxc.wait import Deadline


def run(
    settings: Settings,
    report: Reporter,
    *,
    script: Path | None = None,
    keep: bool = False,
    timeout: float = SCRIPT_SECONDS,
) -> None:
    """Bring a deployment up where it is not there, and run its test script.

    The script is checked before any machine is asked for. What this call brought up is
    destroyed at the end, whether the script failed or not; what was there stays.

    Args:
        settings: the checked configuration.
        report: where events go.
        script: file to run instead of the composition's script.
        keep: leave the deployment in any case.
        timeout: seconds for the script.

    Raises:
        ScriptError: there is no script, or it failed.
        NxcError: the deployment could not be brought up.
    """
    ours = False
    try:
        with (
            state.claim(settings.job_name) as home,
            history.kept(home, settings, call="test") as noted,
        ):
            ours = home.load() is None and not keep
            _tried(settings, home, tee(report, noted), script, timeout)
    except BaseException:
        # why it could not be destroyed either is in the events; the first error counts
        with suppress(NxcError):
            _destroyed(settings, report, ours=ours)
        raise
    _destroyed(settings, report, ours=ours)


def _tried(
    settings: Settings, home: Home, report: Reporter, script: Path | None, timeout: float
) -> None:
    """Build, check the script, deploy, and run it."""
    given = driver.from_file(script) if script else None
    ready = prepare.prepare(settings, home, report, Source())
    # a composition has one script, whatever flavours it was built for
    chosen = given or driver.of(next(iter(ready.sides.values())).built)
    deployment = deploy.deploy(ready, home, report)
    machines = _machines(deployment, home, report, Deadline(timeout))
    roles = {role: deployment.plan.hosts_of(role) for role in settings.roles}
    driver.run(chosen, driver.named(roles, machines), report)


def _machines(
    deployment: Deployment, home: Home, report: Reporter, deadline: Deadline
) -> dict[str, Machine]:
    """Return the machines that are up."""
    return {
        host: Machine(host, Remote(reach.access(deployment, home, host)), deadline, report)
        for host, machine in deployment.machines.items()
        if machine.state == "up"
    }


def _destroyed(settings: Settings, report: Reporter, *, ours: bool) -> None:
    """Destroy what is on record, if it is ours; reservations of others are left alone."""
    if ours:
        standing.destroy(settings.job_name, report, settings.deadlines.destroy)
