"""Routes of this computer, and networks that none leads to."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from enoslib_nxc import routes
from enoslib_nxc.errors import PlatformError
from enoslib_nxc.routes import Route

ROUTES = """Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 0101A8C0 0003 0 0 0 00000000 0 0 0
eth0 0001A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0
tun0 0000D50A 00000000 0001 0 0 0 0080FFFF 0 0 0
"""


def free(table):
    return routes.free_network(routes.parse(table), key="docker.network")


def test_a_network_without_a_route():
    """A VPN has 10.213.0.0/17."""
    for _ in range(50):
        network = free(ROUTES)
        assert network.prefixlen == 24
        assert network.subnet_of(IPv4Network("10.213.128.0/17"))


WIDE = "tun1 0000000A 00000000 0001 0 0 0 000000FF 0 0 0\n"
WIDER = "tun2 0000A8C0 00000000 0001 0 0 0 0000FFFF 0 0 0\n"


def test_another_pool_where_the_first_is_somebody_s():
    network = free(ROUTES + WIDE)
    assert network.subnet_of(IPv4Network("192.168.128.0/17"))


def test_no_network_is_left():
    with pytest.raises(PlatformError) as caught:
        free(ROUTES + WIDE + WIDER)
    assert caught.value.brief == (
        "this computer has routes to all of 10.213.0.0/16 and 192.168.128.0/17: no network is "
        "left for containers"
    )
    assert caught.value.resolution == "set docker.network to a /24 that is not in use"


def test_default_routes_lead_nowhere_in_particular():
    halved = "tun0 00000000 00000000 0001 0 0 0 00000080 0 0 0\n"
    assert routes.parse(ROUTES + halved) == [
        Route(IPv4Network("192.168.1.0/24"), "eth0"),
        Route(IPv4Network("10.213.0.0/17"), "tun0"),
    ]
