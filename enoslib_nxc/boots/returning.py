"""A machine that was left by kexec: waiting until it is back, from another boot."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

from enoslib_nxc.boots import Run
from enoslib_nxc.boots.arrival import SomeoneElseError, greeting
from enoslib_nxc.boots.present import remains
from enoslib_nxc.errors import BootError, CommandError
from enoslib_nxc.greeting import greeted, greets, near
from enoslib_nxc.model import Machine
from enoslib_nxc.ssh import Access
from enoslib_nxc.status import Report
from enoslib_nxc.wait import GREETING_SECONDS, Deadline

KNOCK_SECONDS = 0.2
"""Between two refused connections; hundreds of machines may be waited for at once."""

PAUSE_SECONDS = 1.0
"""Between two connections."""

LEAVING_SECONDS = 0.5
"""That playbooks/kexec.sh gives the connection to end, before it leaves."""

SILENT_SECONDS = 10.0
"""In which a system that is left for another has let go of its port."""

LATE_SECONDS = 3.0
"""After which a system that was left is most likely gone, and may be another already: of many
machines, most are waited for later than that."""


def returned(
    run: Run, access: Access, deadline: Deadline, soon: Deadline, *, left: float | None = None
) -> Report:
    """Wait until a machine answers from another boot, and pin the key that it shows.

    Args:
        run: the run.
        access: how it is reached.
        deadline: until when all are waited for; Ctrl-C lets it pass.
        soon: until when this one is.
        left: when it was left, on the monotonic clock; None where that was an earlier run.

    Raises:
        BootError: it did not come back, or not with our system.
    """
    still = ""

    def given_up() -> bool:
        return deadline.passed or soon.passed

    plain = near(access)
    _until_silent(plain, given_up, 0.0 if left is None else time.monotonic() - left)
    for connection in _answers(plain, given_up):
        try:
            report = greeting(run, access, soon, connection)
        except SomeoneElseError:
            still = remains(run.deployment, run.home, access.name)
        except CommandError:
            still = ""
        else:
            if not report.identity.digest:
                raise BootError(f"{access.name} came back with the system on its disk")
            return report
        if "failed with status" in still:
            raise BootError(f"{access.name} still runs its old system", details=still)
        time.sleep(min(PAUSE_SECONDS, soon.remaining()))
    seconds = f"within {soon.seconds:.0f} s"
    if still:
        raise BootError(f"{access.name} still ran its old system {seconds}")
    raise BootError(
        f"{access.name} did not come back from kexec {seconds}",
        resolution=_console(run.machine(access.name)),
    )


def _until_silent(plain: Access | None, given_up: Callable[[], bool], gone_for: float) -> None:
    """Wait until the old system greets no more: asking it more costs both a key exchange.

    Where it does so for long, it may have been missed, or it was not left.
    """
    # nothing happens before, says playbooks/kexec.sh
    time.sleep(max(0.0, LEAVING_SECONDS - gone_for))
    if plain is None or gone_for > LATE_SECONDS:
        return
    missed = Deadline(SILENT_SECONDS)
    while not (missed.passed or given_up()):
        if not greets(plain, GREETING_SECONDS, given_up=given_up):
            return
        time.sleep(SILENT_SECONDS / 20)


def _answers(
    plain: Access | None, given_up: Callable[[], bool]
) -> Iterator[socket.socket | None]:
    """Yield a connection each time that something greets, until nobody waits any more.

    Where others are on the way, only ssh itself can tell: then it is None.
    """
    while not given_up():
        if plain is None:
            yield None
        elif connection := greeted(plain, GREETING_SECONDS, given_up=given_up):
            yield connection
        else:
            time.sleep(KNOCK_SECONDS)


def _console(machine: Machine) -> str:
    """Return what to do about a machine that does not answer."""
    if machine.reserved is None:
        return "look at its console, or reset it by its own means"
    if machine.reserved.deploy:
        node, site = machine.reserved.node, machine.reserved.site
        return f"look at its console: kaconsole3 -m {node}, on {site}"
    return "its job gives no console: destroy() ends the job, and the site resets the node"
