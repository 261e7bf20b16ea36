"""The networks of a rehearsed site as its frontend is told them; pure.

All networks are on one switch; what keeps them apart is their addresses. The frontend has
the gateway's address in each, and gives addresses and names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from enoslib_nxc.rehearsal.reference import mac
from enoslib_nxc.rehearsal.site import DOMAIN, Node, Site

ACCESS = f"access.{DOMAIN}"
"""The machine that all who come from outside go through."""

BACKBONE = "192.0.2"
"""Network between the sites: TEST-NET-1 of RFC 5737, which no site uses."""

Place = tuple[str, int]
"""A card: FQDN of its node, and number."""


@dataclass(frozen=True)
class Frontend:
    """What a site's frontend is told.

    Args:
        address: its address on the production network.
        netmask: of that network.
        domain: of the site.
        networks: see `embedded/rehearsal/composition.nix`.
        leases: see there.
        names: see there.
        routes: see there.
    """

    address: str
    netmask: str
    domain: str
    networks: tuple[str, ...]
    leases: tuple[str, ...]
    names: tuple[str, ...]
    routes: tuple[str, ...]


def frontend(site: Site, sites: Sequence[Site]) -> Frontend:
    """Return what the frontend of a site is told.

    Args:
        site: its site.
        sites: all sites; the first one's frontend is `ACCESS`, too.
    """
    production = site.vlans["default"]
    return Frontend(
        address=production.gateway,
        netmask=str(production.network.netmask),
        domain=f"{site.name}.{DOMAIN}",
        networks=tuple(_networks(site)),
        leases=leases(site, {}),
        names=tuple(name for one in sites for name in _names(one, first=one is sites[0])),
        routes=tuple(route for one in sites if one is not site for route in _routes(one)),
    )


def leases(site: Site, where: Mapping[Place, str]) -> tuple[str, ...]:
    """Return "MAC,ADDRESS,NAME" of each card.

    Args:
        site: the site.
        where: cards that are not on the production network -> id of the kavlan.
    """
    return tuple(
        f"{mac(node, nic)},{site.address(node, nic, vlan)},{name(node, nic, vlan)}"
        for node, nic in cards(site)
        for vlan in [where.get((node.fqdn, nic), "default")]
    )


def cards(site: Site) -> Iterator[tuple[Node, int]]:
    """Return all cards of a site's nodes."""
    for node in site.nodes:
        for nic in range(node.cluster.nics):
            yield node, nic


def name(node: Node, nic: int, vlan: str) -> str:
    """Return the DNS name of a card on a network: `chiclet-1-kavlan-4.lille.grid5000.fr`."""
    here = node.nic_name(nic)
    if vlan == "default":
        return here
    first, _, rest = here.partition(".")
    return f"{first}-kavlan-{vlan}.{rest}"


def _networks(site: Site) -> Iterator[str]:
    yield f"{BACKBONE}.{site.plan.index}/24,{BACKBONE}.0,255.255.255.0"
    for vlan in site.vlans.values():
        network = vlan.network
        yield (
            f"{vlan.gateway}/{network.prefixlen},{network.network_address},{network.netmask}"
        )


def _names(site: Site, *, first: bool) -> Iterator[str]:
    here = site.vlans["default"].gateway
    domain = f"{site.name}.{DOMAIN}"
    servers = (f"{word}.{domain}" for word in ("frontend", "public", "nfs", "oar", "dns"))
    yield " ".join([here, domain, *servers, *([ACCESS] if first else [])])
    for node, nic in cards(site):
        for vlan in site.vlans:
            yield f"{site.address(node, nic, vlan)} {name(node, nic, vlan)}"


def _routes(site: Site) -> Iterator[str]:
    for vlan in site.vlans.values():
        if vlan.kind != "kavlan-local":
            yield f"{vlan.network} via {BACKBONE}.{site.plan.index}"
