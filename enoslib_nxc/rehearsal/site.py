"""What a rehearsed site is made of, from a short description; pure.

Addresses of networks are those of the reference-repository; those of nodes are made up
inside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from enoslib_nxc.errors import ConfigError

DOMAIN = "grid5000.fr"

LOCAL_VLANS = ("1", "2", "3")
ROUTED_VLANS = ("4", "5", "6", "7", "8", "9")
"""EnOSlib, constants.py: KAVLAN_LOCAL_IDS and KAVLAN_IDS; any other id is a global one."""


@dataclass(frozen=True)
class Plan:
    """The numbers of a site (reference-repository, sites/*/*.json).

    Args:
        index: `ipv6.site_index`.
        block: its /14 of virtual addresses is 10.(128 + 4 * block).0.0.
        production: its production network is 172.16.(16 * production).0/20.
        global_vlan: `ipv6.site_global_kavlan`.
    """

    index: int
    block: int
    production: int
    global_vlan: int

    @property
    def kavlans(self) -> int:
        """Second number of the /14 of its kavlans, `kavlan_ip_range`."""
        return 4 * (self.global_vlan - 10)


PLANS: Mapping[str, Plan] = {
    "grenoble": Plan(1, 1, 1, 11),
    "lille": Plan(2, 2, 2, 12),
    "luxembourg": Plan(3, 11, 11, 20),
    "lyon": Plan(4, 3, 3, 13),
    "nancy": Plan(5, 4, 4, 14),
    "nantes": Plan(6, 12, 12, 21),
    "rennes": Plan(7, 7, 6, 16),
    "sophia": Plan(8, 9, 8, 18),
    "strasbourg": Plan(10, 10, 10, 19),
    "toulouse": Plan(9, 8, 7, 17),
}


class ClusterSpec(BaseModel):
    """A cluster, described shortly.

    Args:
        cluster: its name.
        nodes: number of nodes.
        cores: cores of each node.
        memory: bytes of memory of each node.
        nics: Ethernet cards of each node; the first is on the production network.
        exotic: whether jobs need the type `exotic` for it.
        deploy: whether deploy jobs may run on it.
        besteffort: whether besteffort jobs may run on it.
        queues: OAR queues that lead to it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cluster: str = Field(pattern="^[a-z][a-z0-9]*$")
    nodes: int = Field(ge=1, le=200)
    cores: int = Field(default=2, ge=1, le=256)
    memory: int = Field(default=2**30, ge=1)
    nics: int = Field(default=2, ge=1, le=4)
    exotic: bool = False
    deploy: bool = True
    besteffort: bool = True
    queues: tuple[str, ...] = ("admin", "default")


class SiteSpec(BaseModel):
    """A site, described shortly.

    Args:
        site: its name, one of `PLANS`.
        clusters: its clusters, at most four.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: str
    clusters: tuple[ClusterSpec, ...] = Field(min_length=1, max_length=4)

    @field_validator("site")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in PLANS:
            raise ValueError(f"{name} is not one of {', '.join(PLANS)}")
        return name


def read_site(description: Mapping[str, object]) -> SiteSpec:
    """Read a short description of a site.

    Args:
        description: `{site, clusters: [...]}`, or for one cluster its keys beside `site`:
            `{"site": "lille", "cluster": "chiclet", "nodes": 4}`.

    Raises:
        ConfigError: it is not one; all mistakes at once.
    """
    given = dict(description)
    if "cluster" in given and "clusters" not in given:
        site = {"site": given.pop("site")} if "site" in given else {}
        given = {**site, "clusters": [given]}
    try:
        return SiteSpec.model_validate(given)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ConfigError(
            "the description of the rehearsed site is wrong",
            details="\n".join(lines),
            resolution="give site, cluster and nodes, as in {site: lille, cluster: chiclet, "
            "nodes: 4}",
        ) from error


@dataclass(frozen=True)
class Node:
    """A node of a rehearsed site.

    Args:
        uid: `chiclet-1`.
        site: name of its site.
        cluster: its cluster.
        offset: its place in each network of the site, the same in all of them.
    """

    uid: str
    site: str
    cluster: ClusterSpec
    offset: int

    @property
    def fqdn(self) -> str:
        """`chiclet-1.lille.grid5000.fr`."""
        return f"{self.uid}.{self.site}.{DOMAIN}"

    def nic_name(self, nic: int) -> str:
        """Return the DNS name of a card: the node's own for the first one."""
        return f"{self.uid}-eth{nic}.{self.site}.{DOMAIN}" if nic else self.fqdn


@dataclass(frozen=True)
class Vlan:
    """A kavlan, or the production network.

    Args:
        uid: `4`, or `default`.
        kind: `kavlan-local`, `kavlan`, `kavlan-global`; "" for the production network.
        network: its IPv4 network.
    """

    uid: str
    kind: str
    network: IPv4Network

    @property
    def gateway(self) -> str:
        """Return the last address but one, as the reference-repository has it."""
        return str(self.network.broadcast_address - 1)


@dataclass(frozen=True)
class Site:
    """A rehearsed site.

    Args:
        spec: the description it is made from.
        nodes: its nodes, in order.
        vlans: id -> network; `default` is the production network.
        subnets: the network that subnets (slash_22) are taken from.
    """

    spec: SiteSpec
    nodes: tuple[Node, ...]
    vlans: Mapping[str, Vlan]
    subnets: IPv4Network

    @property
    def name(self) -> str:
        """Name of the site."""
        return self.spec.site

    @property
    def plan(self) -> Plan:
        """Its numbers."""
        return PLANS[self.name]

    def node(self, fqdn: str) -> Node | None:
        """Return the node of that name, None when there is none."""
        return next((node for node in self.nodes if node.fqdn == fqdn), None)

    def address(self, node: Node, nic: int = 0, vlan: str = "default") -> str:
        """Return the address of a node's card on a network of the site."""
        return str(self.vlans[vlan].network[node.offset + 256 * nic])


def build(spec: SiteSpec) -> Site:
    """Make a site from its description."""
    plan = PLANS[spec.site]
    return Site(
        spec,
        tuple(_nodes(spec)),
        {vlan.uid: vlan for vlan in _vlans(plan)},
        IPv4Network(f"10.{128 + 4 * plan.block}.0.0/14"),
    )


def _nodes(spec: SiteSpec) -> Iterator[Node]:
    for rank, cluster in enumerate(spec.clusters):
        for number in range(1, cluster.nodes + 1):
            # 1024 addresses a cluster, 256 a card: all fit a /20, the smallest network
            yield Node(f"{cluster.cluster}-{number}", spec.site, cluster, 1024 * rank + number)


def _vlans(plan: Plan) -> Iterator[Vlan]:
    network = IPv4Network
    for at, uid in enumerate(LOCAL_VLANS):
        yield Vlan(uid, "kavlan-local", network(f"192.168.{192 + 16 * at}.0/20"))
    for at, uid in enumerate(ROUTED_VLANS):
        base = f"10.{plan.kavlans + at // 4}.{64 * (at % 4)}.0/18"
        yield Vlan(uid, "kavlan", network(base))
    wide = network(f"10.{plan.kavlans + 3}.192.0/18")
    yield Vlan(str(plan.global_vlan), "kavlan-global", wide)
    yield Vlan("default", "", network(f"172.16.{16 * plan.production}.0/20"))
