"""Sending nodes that run our system back to the one on their disk, before their job ends.

A site looks at the nodes of a job that has ended, and suspects those that are not as they were.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from enoslib_nxc import node, parallel, reach, ssh, status
from enoslib_nxc.errors import CommandError, PlatformError
from enoslib_nxc.model import Deployment
from enoslib_nxc.ssh import HostKey
from enoslib_nxc.state import Home
from enoslib_nxc.wait import Deadline

INSTALLED = frozenset({"g5k-image"})
"""Flavours whose system is on the nodes' disks: the site puts its own there again."""

SEND_SECONDS = 15.0
"""For one node to take the word to reboot."""

KNOCK_SECONDS = 15
"""For one connection to a node that is booting."""

PAUSE_SECONDS = 2.0
"""Between two connections."""


def release_nodes(deployment: Deployment, home: Home, timeout: float) -> tuple[str, ...]:
    """Reboot the nodes that run our system, and wait until they are back on their disks.

    Args:
        deployment: the record.
        home: the deployment's directory.
        timeout: seconds for all.

    Returns:
        What people should know of nodes that did not make it, one line each.
    """
    if deployment.flavour in INSTALLED:
        return ()
    deadline = Deadline(timeout)
    ours = [m.host for m in deployment.machines.values() if m.reserved and m.state != "planned"]

    def release(host: str) -> None:
        boot_id = _send(deployment, home, host, min(timeout, SEND_SECONDS))
        _await(deployment, home, host, boot_id, deadline)

    failed = parallel.each(ours, release, cancel=deadline.cancel).failed
    return tuple(error.brief for error in failed.values())


def reboot_nodes(
    deployment: Deployment, home: Home, hosts: Iterable[str], timeout: float
) -> tuple[str, ...]:
    """Have nodes reboot into the system on their disks, without waiting for it.

    Args:
        deployment: the record.
        home: the deployment's directory.
        hosts: which.
        timeout: seconds for all.

    Returns:
        What people should know of those that did not take the word.
    """

    def send(host: str) -> None:
        _send(deployment, home, host, min(timeout, SEND_SECONDS))

    failed = parallel.each(hosts, send).failed
    return tuple(error.brief for error in failed.values())


def _send(deployment: Deployment, home: Home, host: str, timeout: float) -> str:
    """Have a node reboot, and return the boot_id that it leaves.

    Raises:
        PlatformError: it did not take the word.
    """
    access = reach.own(deployment, home, host)
    try:
        return ssh.script(access, node.text("reboot"), timeout=timeout).stdout.strip()
    except CommandError as error:
        raise PlatformError(
            f"{_named(deployment, host)} was not rebooted: {_last(error)}"
        ) from error


def _await(
    deployment: Deployment, home: Home, host: str, boot_id: str, deadline: Deadline
) -> None:
    """Wait until a node answers from another boot, or as somebody who does not know us.

    Raises:
        PlatformError: it still ran our system when the time was over, or was on its way.
    """
    shown = home.path / "leaving" / host
    shown.parent.mkdir(mode=0o700, exist_ok=True)
    access = replace(
        reach.own(deployment, home, host), known_hosts=shown, patience=KNOCK_SECONDS
    )
    state = "still runs our system"
    while not deadline.passed:
        shown.unlink(missing_ok=True)
        timeout = max(1.0, min(status.STATUS_TIMEOUT, deadline.remaining()))
        try:
            if status.ask(access, HostKey.FIRST_CONTACT, timeout).boot_id != boot_id:
                return
            state = "still runs our system"
        except CommandError as error:
            if "Permission denied" in error.details:
                return
            state = "is on its way back to its disk, and was not seen there"
        time.sleep(min(PAUSE_SECONDS, deadline.remaining()))
    raise PlatformError(
        f"{_named(deployment, host)} {state} within {deadline.seconds:g} s (deadlines.destroy)"
    )


def _named(deployment: Deployment, host: str) -> str:
    reserved = deployment.machines[host].reserved
    return f"{host} ({reserved.node})" if reserved else host


def _last(error: CommandError) -> str:
    return (error.details.splitlines() or [error.brief])[-1]
