"""Network namespaces and the cables between them, by ip(8) of iproute2.

Named namespaces are files in `/run/netns` (ip-netns(8)): by their names they are found again,
and their processes with them, whoever started those.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

from enoslib_nxc import shell
from enoslib_nxc.errors import CommandError

DIRECTORY = Path("/run/netns")

TIMEOUT = 30.0
"""Seconds for one call of ip(8), which takes milliseconds on an idle computer."""

BRIDGE = "br0"
"""The bridge inside a namespace that is a switch."""


def require() -> None:
    """Refuse a machine without ip(8).

    Raises:
        ToolMissingError: it is not installed.
    """
    shell.require("ip", purpose="to connect containers", package="iproute2")


def names(prefix: str) -> list[str]:
    """Return the namespaces whose name begins so."""
    return sorted(path.name for path in DIRECTORY.glob(f"{prefix}*"))


def add(name: str) -> None:
    """Make a namespace; one that has its name is deleted."""
    delete(name)
    shell.run(["ip", "netns", "add", name], timeout=TIMEOUT)


def delete(name: str) -> None:
    """Delete a namespace, with the cables that end in it, unless there is none."""
    if (DIRECTORY / name).exists():
        shell.run(["ip", "netns", "delete", name], timeout=TIMEOUT)


def configure(name: str, *commands: str) -> None:
    """Carry out commands of ip(8) in a namespace, as far as none fails.

    Args:
        name: the namespace; "" for that of this process.
        commands: lines, without the word "ip".
    """
    where = ["-n", name] if name else []
    text = "".join(f"{line}\n" for line in commands)
    shell.run(["ip", *where, "-batch", "-"], stdin=text, timeout=TIMEOUT)


def make_switch(name: str, *, interface: str, address: str) -> None:
    """Make a namespace that is a switch, and connect this computer to it.

    The bridge is not in this computer's own namespace, where rules for forwarding, such as
    Docker's, would hold for what goes over it.

    Args:
        name: the namespace.
        interface: this computer's end of the cable, 15 characters at most.
        address: this computer's address, ADDRESS/LENGTH.
    """
    unplug(interface)
    add(name)
    configure(name, f"link add {BRIDGE} type bridge", f"link set {BRIDGE} up")
    configure("", f"link add {interface} type veth peer name host netns {name}")
    configure(name, f"link set host master {BRIDGE} up")
    configure("", f"addr add {address} dev {interface}", f"link set {interface} up")


def plug(name: str, switch: str, *, port: str, mac: str, address: str) -> None:
    """Make a namespace with one card, eth0, on a switch.

    Its default route leads to its own network: it is there for those who ask for it, and
    what goes there gets no answer.

    Args:
        name: the namespace.
        switch: the switch's.
        port: the cable's end at the switch, 15 characters at most.
        mac: hardware address of the card.
        address: its address, ADDRESS/LENGTH.
    """
    unplug(port, switch)
    add(name)
    configure(
        name,
        "link set lo up",
        f"link add eth0 address {mac} type veth peer name {port} netns {switch}",
        f"addr add {address} dev eth0",
        "link set eth0 up",
        "route add default dev eth0",
    )
    configure(switch, f"link set {port} master {BRIDGE} up")


def unplug(end: str, name: str = "") -> None:
    """Remove a cable, if it is there.

    The kernel does it when a namespace has gone, but takes its time.

    Args:
        end: one of its ends.
        name: the namespace that has it; "" for that of this process.
    """
    where = ["-n", name] if name else []
    with suppress(CommandError):
        shell.run(["ip", *where, "link", "delete", end], timeout=TIMEOUT)


def processes(name: str) -> list[psutil.Process]:
    """Return the processes in a namespace, whatever they call themselves."""
    if not (DIRECTORY / name).exists():
        return []
    found = []
    for pid in shell.run(["ip", "netns", "pids", name], timeout=TIMEOUT).stdout.split():
        with suppress(psutil.Error):
            found.append(psutil.Process(int(pid)))
    return found
