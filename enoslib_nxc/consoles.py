"""What machines wrote on their consoles, where this computer has it."""

from __future__ import annotations

from pathlib import Path

from enoslib_nxc.boots import console
from enoslib_nxc.docker import Docker
from enoslib_nxc.errors import CommandError, PlatformError
from enoslib_nxc.model import Deployment
from enoslib_nxc.state import Home


def last(deployment: Deployment, home: Home, host: str, lines: int) -> str:
    """Return the last lines of a machine's console.

    Args:
        deployment: the record.
        home: its directory.
        host: host name.
        lines: how many at most.

    Raises:
        PlatformError: it is not to be had here.
    """
    container = deployment.machines[host].container
    if container is None:
        return console.tail(_file(deployment, home, host), lines)
    try:
        told = Docker(container.daemon).run("logs", "--tail", str(lines), container.name)
    except CommandError as error:
        raise PlatformError(f"{host}: {error.brief}", details=error.details) from error
    return console.plain(told.stdout + told.stderr).replace("\r", "").rstrip("\n")


def follower(
    deployment: Deployment, home: Home, hosts: tuple[str, ...], lines: int
) -> list[str]:
    """Return the command line that shows consoles as they grow.

    Args:
        deployment: the record.
        home: its directory.
        hosts: host names, one at least.
        lines: of each to begin with.

    Raises:
        PlatformError: they cannot be followed, or not together.
    """
    containers = [deployment.machines[host].container for host in hosts]
    if not any(containers):
        files = [str(_file(deployment, home, host)) for host in hosts]
        # by name: each start of a machine begins a new file
        return ["tail", f"--lines={lines}", "--follow=name", "--retry", "--", *files]
    container = containers[0]
    if container is None or len(hosts) > 1:
        raise PlatformError(
            "the output of containers can be followed one at a time",
            resolution=f"enoslib-nxc logs -f {hosts[0]}",
        )
    words = ("logs", "--follow", "--tail", str(lines), container.name)
    return Docker(container.daemon).argv(*words)


def _file(deployment: Deployment, home: Home, host: str) -> Path:
    file = home.console(host)
    if file.exists():
        return file
    machine = deployment.machines[host]
    if machine.reserved or machine.entry or machine.hosted:
        place = f"on {machine.hosted.name}" if machine.hosted else "not on this computer"
        why = f"it is {place}"
        then = f"enoslib-nxc exec {host} -- journalctl --no-pager"
        if machine.reserved:
            then += f", or: kaconsole3 -m {machine.reserved.node} (on the frontend)"
    else:
        why, then = "it was never started", "enoslib-nxc status shows how it is"
    raise PlatformError(f"there is no console of {host} here: {why}", resolution=then)
