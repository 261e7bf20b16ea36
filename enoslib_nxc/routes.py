"""This computer's IPv4 routes, and networks that it has no route to."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from enoslib_nxc.errors import PlatformError

TABLE = Path("/proc/net/route")
"""proc(5); interface, destination and mask are columns 1, 2 and 8, addresses hexadecimal in
this computer's byte order."""

POOLS = (IPv4Network("10.213.0.0/16"), IPv4Network("192.168.128.0/17"))
"""Where networks are taken from, the second where all of 10.0.0.0/8 is somebody's: apart from
what Docker takes first (172.17.0.0/12), and from what routers at home use."""

DEFAULT_LENGTH = 1
"""Prefix length up to which a route leads to everywhere: VPN programs halve the default one."""


@dataclass(frozen=True)
class Route:
    """One route of this computer.

    Args:
        network: its destination.
        device: the interface that it goes through.
    """

    network: IPv4Network
    device: str


def current() -> list[Route]:
    """Return this computer's routes, but for default ones."""
    return parse(TABLE.read_text())


def parse(table: str) -> list[Route]:
    """Return the routes of a table, but for default ones.

    Args:
        table: the content of `TABLE`.
    """
    rows = [line.split() for line in table.splitlines()[1:]]
    routes = [Route(IPv4Network((_int(row[1]), _dotted(row[7]))), row[0]) for row in rows]
    return [route for route in routes if route.network.prefixlen > DEFAULT_LENGTH]


def free_network(routes: Iterable[Route], *, key: str) -> IPv4Network:
    """Return a /24 that there is no route to, any of those in `POOLS`.

    Two deployments that begin at the same moment hardly get the same.

    Args:
        routes: this computer's.
        key: of the configuration, which says which network to take.

    Raises:
        PlatformError: there is none.
    """
    taken = [route.network for route in routes]
    for pool in POOLS:
        networks = pool.subnets(new_prefix=24)
        if free := [one for one in networks if not any(map(one.overlaps, taken))]:
            return secrets.choice(free)
    raise PlatformError(
        f"this computer has routes to all of {' and '.join(map(str, POOLS))}: no network is "
        "left for containers",
        resolution=f"set {key} to a /24 that is not in use",
    )


def _int(word: str) -> int:
    return int.from_bytes(int(word, 16).to_bytes(4, sys.byteorder), "big")


def _dotted(word: str) -> str:
    return str(IPv4Address(_int(word)))
