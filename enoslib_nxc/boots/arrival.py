"""A machine that another system was put on: is it the new one that answers, and its key."""

from __future__ import annotations

from dataclasses import replace
from socket import socket

from enoslib_nxc import multiplexing, pins, status
from enoslib_nxc.boots import Run
from enoslib_nxc.errors import CommandError, NxcError
from enoslib_nxc.g5k import jumped
from enoslib_nxc.handover import taken
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline

PATIENCE = 15
"""Seconds for a connection to a machine that is booting: a new one knocks again at once,
where an old one does so at growing intervals."""


class SomeoneElseError(NxcError):
    """Something answers that is not the system which we wait for."""


def greeting(
    run: Run, access: Access, deadline: Deadline, connection: socket | None = None
) -> Report:
    """Ask a machine what it runs, and pin the key that it shows.

    Only then: before, the system that it leaves may answer.

    Args:
        run: the run; the machine's boot_id is that of the system which it leaves.
        access: how it is reached.
        deadline: until when.
        connection: on which it has greeted, where there is one; it is closed here.

    Raises:
        CommandError: nothing answers.
        SomeoneElseError: not the boot that we wait for answers.
    """
    shown = run.home.path / "arriving" / access.name
    shown.parent.mkdir(mode=0o700, exist_ok=True)
    shown.unlink(missing_ok=True)
    # until it is known who answers: a connection to the old system is no use later
    trial = access.control and access.control.with_name(f"{access.control.name}-trial")
    knock = replace(access, known_hosts=shown, patience=PATIENCE, control=trial)
    try:
        timeout = max(1.0, min(status.STATUS_TIMEOUT, deadline.remaining()))
        with taken(knock, connection, run.deployment) as way:
            report = status.ask(way, HostKey.FIRST_CONTACT, timeout)
    except CommandError as error:
        if jumped.refused(error.details):
            raise SomeoneElseError("our key is refused") from error
        raise
    if report.boot_id == run.machine(access.name).boot_id:
        multiplexing.leave(knock)
        raise SomeoneElseError("the same boot answers")
    multiplexing.rename(knock, access)
    pins.pin(run.home.known_hosts, access.name, shown.read_text())
    shown.unlink()
    return report
