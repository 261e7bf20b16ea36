"""Sending machines that run our system back to the one on their disk.

Nodes of Grid'5000 before their job ends: a site looks at the nodes of a job that has ended,
and suspects those that are not as they were.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from enoslib_nxc import node, parallel, pins, reach, ssh, status
from enoslib_nxc.errors import CommandError, PlatformError
from enoslib_nxc.g5k import jumped
from enoslib_nxc.g5k.foresight import INSTALLED
from enoslib_nxc.model import Deployment
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline

SEND_SECONDS = 15.0
"""For one node to take the word to reboot."""

KNOCK_SECONDS = 15
"""For one connection to a node that is booting."""

PAUSE_SECONDS = 2.0
"""Between two connections."""

SILENT_SECONDS = {"up": SEND_SECONDS, "started": 300.0, "lost": SEND_SECONDS}
"""For a node to answer at all: one that was started may take minutes, firmware included."""

LEAVE_SECONDS = 5.0
"""For a node that was told to leave by kexec to be gone (`playbooks/kexec.sh`)."""


def release_nodes(deployment: Deployment, home: Home, timeout: float) -> tuple[str, ...]:
    """Reboot the nodes that run our system, and wait until they are back on their disks.

    Where our system is on the disk, the site puts its own there again.

    Args:
        deployment: the record.
        home: the deployment's directory.
        timeout: seconds for all.

    Returns:
        What people should know of nodes that did not make it, one line each.
    """
    deadline = Deadline(timeout)
    ours = [
        machine.host
        for machine in deployment.machines.values()
        if machine.reserved
        and machine.state != "planned"
        and machine.flavour != INSTALLED
        and not machine.stock
    ]

    def release(host: str) -> None:
        seconds = SILENT_SECONDS[deployment.machines[host].state]
        soon = Deadline(min(seconds, deadline.remaining()))
        if boot_id := _send(deployment, home, host, soon):
            _await(deployment, home, host, boot_id, deadline)

    failed = parallel.each(ours, release, cancel=deadline.cancel).failed
    return tuple(error.brief for error in failed.values())


def reboot(
    deployment: Deployment, home: Home, hosts: Iterable[str], timeout: float
) -> tuple[str, ...]:
    """Have machines reboot into the system on their disks, without waiting for it.

    Args:
        deployment: the record.
        home: the deployment's directory.
        hosts: which; those that another provider gave only where that is wished, and not
            those that keep their own system.
        timeout: seconds for all.

    Returns:
        What people should know of those that did not take the word.
    """
    deadline = Deadline(min(timeout, SEND_SECONDS))

    def send(host: str) -> None:
        _send(deployment, home, host, deadline)

    machines = [deployment.machines[host] for host in hosts]
    wished = [m.host for m in machines if not m.stock and (m.entry is None or m.entry.reboot)]
    failed = parallel.each(wished, send, cancel=deadline.cancel).failed
    return tuple(error.brief for error in failed.values())


def _send(deployment: Deployment, home: Home, host: str, deadline: Deadline) -> str:
    """Have a node reboot, and return the boot_id that it leaves; "" where it is not ours.

    Raises:
        PlatformError: it did not take the word.
    """
    access = reach.own(deployment, home, host)
    try:
        # the key of a node that was not seen since its last start is not known, or an old one
        if deployment.machines[host].state != "up" or not pins.pinned(home.known_hosts, host):
            access = _stranger(deployment, home, host)
            if not _runs_ours(access, deadline):
                return ""
        timeout = max(1.0, min(SEND_SECONDS, deadline.remaining()))
        return ssh.script(access, node.text("reboot"), timeout=timeout).stdout.strip()
    except CommandError as error:
        why = jumped.reason(error.details) or error.brief
        raise PlatformError(f"{_named(deployment, host)} was not rebooted: {why}") from error


def _stranger(deployment: Deployment, home: Home, host: str) -> Access:
    """Return how a node is reached whose host key is not known; what it shows is kept apart."""
    shown = home.path / "leaving" / host
    shown.parent.mkdir(mode=0o700, exist_ok=True)
    own = reach.own(deployment, home, host)
    return replace(own, known_hosts=shown, patience=KNOCK_SECONDS)


def _greeted(access: Access, deadline: Deadline) -> Report:
    """Ask a stranger what it runs, whatever key an earlier one showed in its place.

    Raises:
        CommandError: it did not answer, or refused.
    """
    if access.known_hosts:
        access.known_hosts.unlink(missing_ok=True)
    timeout = max(1.0, min(status.STATUS_TIMEOUT, deadline.remaining()))
    return status.ask(access, HostKey.FIRST_CONTACT, timeout)


def _runs_ours(access: Access, deadline: Deadline) -> bool:
    """Tell whether a node came up with our system; one that may yet come is waited for.

    Raises:
        CommandError: nothing answered until the time was over.
    """
    stays = False
    while True:
        try:
            if _greeted(access, deadline).identity.digest:
                return True
            if stays or deadline.passed:
                return False
            # it may be about to leave: told to, and not gone yet
            stays, pause = True, LEAVE_SECONDS
        except CommandError as error:
            if jumped.refused(error.details):
                return False
            if deadline.passed:
                raise
            stays, pause = False, PAUSE_SECONDS
        time.sleep(min(pause, deadline.remaining()))


def _await(
    deployment: Deployment, home: Home, host: str, boot_id: str, deadline: Deadline
) -> None:
    """Wait until a node answers from another boot, or as somebody who does not know us.

    Raises:
        PlatformError: it still ran our system when the time was over, or was on its way.
    """
    access = _stranger(deployment, home, host)
    state = "still runs our system"
    while not deadline.passed:
        try:
            if _greeted(access, deadline).boot_id != boot_id:
                return
            state = "still runs our system"
        except CommandError as error:
            if jumped.refused(error.details):
                return
            state = "is on its way back to its disk, and was not seen there"
        time.sleep(min(PAUSE_SECONDS, deadline.remaining()))
    raise PlatformError(
        f"{_named(deployment, host)} {state} within {deadline.seconds:g} s (deadlines.destroy)"
    )


def _named(deployment: Deployment, host: str) -> str:
    reserved = deployment.machines[host].reserved
    return f"{host} ({reserved.node})" if reserved else host
