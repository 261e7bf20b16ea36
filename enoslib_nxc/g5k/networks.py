"""Networks of Grid'5000: for the record, and from there back to EnOSlib's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from enoslib.infra.enos_g5k.constants import PROD
from enoslib.infra.enos_g5k.g5k_api_utils import to_vlan_nature
from enoslib.infra.enos_g5k.objects import (
    G5kNetwork,
    G5kProdNetwork,
    G5kSubnetNetwork,
    G5kVlanNetwork,
)
from enoslib.objects import Network

from enoslib_nxc.g5k import api
from enoslib_nxc.model import SiteNetwork
from enoslib_nxc.names import NETWORK_ROLE

SUBNET = "subnet"
"""Kind of what EnOSlib calls slash_22 and slash_16: each CIDR is a network of its own."""


def record(network: G5kNetwork, *, shared: bool) -> SiteNetwork:
    """Return a network for the record.

    Args:
        network: as EnOSlib made it of what OAR gave.
        shared: whether machines know each other by it.
    """
    roles = dict.fromkeys([*([NETWORK_ROLE] if shared else []), *network.roles])
    descriptors: tuple[str, ...] = ()
    if isinstance(network, G5kSubnetNetwork):
        kind, descriptors = SUBNET, tuple(network.subnets)
    elif isinstance(network, G5kProdNetwork):
        kind = PROD
    else:
        kind, descriptors = to_vlan_nature(str(network.vlan_id)), (str(network.vlan_id),)
    return SiteNetwork(
        kind=kind, site=network.site, descriptors=descriptors, roles=tuple(roles)
    )


def describe(recorded: Iterable[SiteNetwork]) -> Iterator[tuple[Network, tuple[str, ...]]]:
    """Return EnOSlib's networks, with their keys.

    Args:
        recorded: what `record` gave.

    Raises:
        ApiError: the API, which describes them, cannot be asked.
    """
    for each in recorded:
        _, networks = api.call(f"describe the networks of {each.site}", _made(each).to_enos)
        for network in networks:
            yield network, each.roles


def _made(each: SiteNetwork) -> G5kNetwork:
    roles, name = list(each.roles), f"{each.kind}-{each.site}"
    if each.kind == SUBNET:
        return G5kSubnetNetwork(roles, name, each.site, list(each.descriptors))
    if each.kind == PROD:
        return G5kProdNetwork(roles, name, each.site)
    return G5kVlanNetwork(roles, name, each.site, each.descriptors[0])
