"""Two hosts for virtual machines, each with network, processes, files and ssh of its own.

They share this computer's kernel, and nothing else that matters here: each has a network
namespace on a bridge, a process table that ends with it, and a /var/tmp of its own.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

import enoslib as en

from enoslib_nxc import netns, routes
from tests.system.loopback_ssh import LoopbackSsh

OWN = 'for place in /run/netns /var/tmp; do mount -t tmpfs tmpfs $place; done; exec "$@"'
"""What a host has apart from all others, as seen by its processes."""

MTU = 1400
"""Bytes of a packet between the hosts: less than usual, so that nothing is right by chance."""


class VmHost(LoopbackSsh):
    """A host that runs virtual machines.

    Args:
        name: of the host.
        directory: where its keys and configuration go.
        namespace: its network namespace.
        address: its own.
    """

    def __init__(self, name: str, directory: Path, namespace: str, address: str) -> None:
        super().__init__(directory, address=address, HOME=directory)
        self.name = name
        self.namespace = namespace
        self.wrapped = [
            *["ip", "netns", "exec", namespace],
            *["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"],
            *["sh", "-c", OWN, "host"],
        ]

    def die(self) -> None:
        """Lose power: all its processes end at once, and its network goes."""
        self._server.kill()
        self._server.wait(10)
        netns.configure(self.namespace, "link set eth0 down")

    def revive(self) -> None:
        """Come back, with nothing that ran before."""
        netns.configure(self.namespace, "link set eth0 up", "route replace default dev eth0")
        self.serve()

    def __exit__(self, *_why: object) -> None:
        self._server.kill()
        self._server.wait(10)

    def host(self) -> en.Host:
        """Return it as EnOSlib has it."""
        return as_host(self, self.name)

    def run(self, *words: str) -> str:
        """Run a command on it, by its ssh server; return its output."""
        argv = [word.replace("127.0.0.1", self.address) for word in self.wrap(words)]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def left(self, token: str) -> list[str]:
        """Return everything on it that bears a deployment's token."""
        found = self.run("sh", "-c", what_is_left(token)).splitlines()
        return [f"{self.name}: {line}" for line in found]


def as_host(server: LoopbackSsh, alias: str) -> en.Host:
    """Return an ssh server as EnOSlib has a host; its key is known.

    Args:
        server: it runs.
        alias: name of the host.
    """
    key = (server.directory / "host.pub").read_text()
    known = server.directory / "known"
    known.write_text(f"[{server.address}]:{server.port} {key}")
    return en.Host(
        server.address,
        alias=alias,
        user="root",
        port=server.port,
        keyfile=str(server.directory / "user"),
        extra={"ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={known}"},
    )


def what_is_left(token: str) -> str:
    """Return a script that names everything on a host that bears a deployment's token."""
    looks = (
        f"grep -lzs '[e]noslib-nxc[-:]{token}' /proc/[0-9]*/cmdline",
        f"ls -d /var/tmp/*{token}* /run/netns/*{token}*",
        f"ip -o link | grep 'nxv{token[:8]}'",
    )
    return "\n".join(f"{look} 2> /dev/null" for look in looks) + "\n:"


@contextmanager
def pair(directory: Path) -> Iterator[tuple[VmHost, VmHost]]:
    """Have two hosts on a network of their own, which this computer is on.

    Args:
        directory: where their files go.
    """
    mark = secrets.token_hex(2)
    network: IPv4Network = routes.free_network(routes.current(), key="the test")
    bridge, here = f"nxt{mark}", network.broadcast_address - 1
    names = [f"nxt{mark}-{number}" for number in (1, 2)]
    try:
        netns.configure(
            "",
            f"link add {bridge} mtu {MTU} type bridge",
            f"addr add {here}/24 dev {bridge}",
            f"link set {bridge} up",
        )
        for number, name in enumerate(names, 1):
            netns.add(name)
            netns.configure(
                "",
                f"link add {name} mtu {MTU} type veth peer name eth0 mtu {MTU} netns {name}",
                f"link set {name} master {bridge} up",
            )
            netns.configure(
                name,
                "link set lo up",
                f"addr add {network.network_address + number}/24 dev eth0",
                "link set eth0 up",
                f"route add default via {here}",
            )
        first, second = (
            VmHost(f"vmhost{n}", directory / name, name, str(network.network_address + n))
            for n, name in enumerate(names, 1)
        )
        with first, second:
            yield first, second
    finally:
        for name in names:
            netns.delete(name)
        netns.unplug(bridge)
