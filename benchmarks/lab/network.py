"""A network of its own for this process: a bridge, cards for machines, addresses by DHCP."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.lab import ns_calls
from benchmarks.measure import MeasureError
from enoslib_nxc import netns

GATEWAY = "192.168.1.254"
"""This process's own address there."""

BRIDGE = "br0"

TIMEOUT = 20.0
"""Seconds for the DHCP server to end, or the server of files to begin."""


def card(number: int) -> str:
    """Return the name of the card of a machine."""
    return f"tap{number}"


def address(number: int) -> str:
    """Return the address that DHCP gives it."""
    return f"192.168.1.{number}"


def mac(number: int) -> str:
    """Return the hardware address by which it does."""
    return f"52:54:00:12:02:{number:02x}"


@contextmanager
def own(machines: int, directory: Path) -> Iterator[None]:
    """Move this process into a network namespace, with cards for machines from 1 on.

    What it starts is there too, threads included; nothing of it is seen outside.

    Args:
        machines: how many.
        directory: for the DHCP server's files.

    Raises:
        MeasureError: this is not root.
    """
    if os.geteuid():
        raise MeasureError("only root may make a network for machines of any system")
    with Path("/proc/thread-self/ns/net").open("rb") as before:
        ns_calls.unshare(ns_calls.NETWORK | ns_calls.NEW_MOUNTS)
        try:
            _have_no_names(directory)
            _make(machines)
            with _leases(machines, directory):
                yield
        finally:
            ns_calls.enter(before.fileno(), ns_calls.NETWORK)


def _have_no_names(directory: Path) -> None:
    """Have no server of names: none can be reached here, and nobody waits for an answer."""
    none = directory / "resolv.conf"
    none.write_text("# no server\n")
    ns_calls.mount("none", "/", flags=ns_calls.PRIVATE)
    ns_calls.mount(str(none), "/etc/resolv.conf", flags=ns_calls.BIND)


def _make(machines: int) -> None:
    lines = ["link set lo up", f"link add {BRIDGE} type bridge", f"link set {BRIDGE} up"]
    lines += [f"addr add {GATEWAY}/24 dev {BRIDGE}", f"route add default dev {BRIDGE}"]
    for number in range(1, machines + 1):
        lines.append(f"tuntap add {card(number)} mode tap")
        lines.append(f"link set {card(number)} master {BRIDGE} up")
    netns.configure("", *lines)


@contextmanager
def _leases(machines: int, directory: Path) -> Iterator[None]:
    """Serve DHCP: each card has its address always."""
    fixed = [f"--dhcp-host={mac(n)},{address(n)}" for n in range(1, machines + 1)]
    program = shutil.which("dnsmasq", path=f"{os.environ['PATH']}:/usr/sbin") or "dnsmasq"
    words = [
        *(program, "--keep-in-foreground", "--conf-file=/dev/null", "--port=0"),
        *("--user=root", "--pid-file", "--bind-interfaces", f"--interface={BRIDGE}"),
        *("--dhcp-range=192.168.1.1,static,255.255.255.0", f"--dhcp-option=3,{GATEWAY}"),
        *(f"--dhcp-leasefile={directory / 'leases'}", "--no-ping", "--dhcp-authoritative"),
        *fixed,
    ]
    log = directory / "dhcp.log"
    with log.open("wb") as told:
        server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
    try:
        yield
    finally:
        server.terminate()
        server.wait(TIMEOUT)


def until_served() -> None:
    """Wait until that is served.

    Raises:
        MeasureError: it is not.
    """
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection((GATEWAY, 8000), TIMEOUT):
            return
        time.sleep(0.1)
    raise MeasureError("nobody serves kernel and initrd")


def served(directory: Path, files: Mapping[str, Path]) -> list[str]:
    """Return the command that serves files by HTTP, on port 8000 of `GATEWAY`.

    Args:
        directory: for links to them; it is made.
        files: name -> file.
    """
    directory.mkdir()
    for name, file in files.items():
        (directory / name).symlink_to(file)
    words = ["-m", "http.server", "8000", "--bind", GATEWAY, "--directory", str(directory)]
    return ["python3", *words]
