"""OAR's resources of a site: cores, kavlans and subnets, each with its properties; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

from enoslib_nxc.rehearsal.oarsub import ALL, Group, Level, Request
from enoslib_nxc.rehearsal.site import Node, Site
from enoslib_nxc.rehearsal.where import Condition, Row, Value, bad_request, condition

PREFIXES = (16, 17, 18, 19, 20, 21, 22)
"""Subnets can be asked for by `slash_16` to `slash_22`; a /22 is the smallest."""

COLUMNS = frozenset(
    {
        *("resource_id", "type", "network_address", "host", "cluster", "nodeset", "cpu"),
        *("core", "cpuset", "deploy", "besteffort", "exotic", "production", "maintenance"),
        *("desktop_computing", "drain", "vlan", "subnet_address", "subnet_prefix", "eth_count"),
        *(f"slash_{prefix}" for prefix in PREFIXES),
    }
)
"""Properties that exist: OAR's own, and of Grid'5000's those that nodes here can have."""


NEVER: Row = {"desktop_computing": "NO", "drain": "NO"}
"""What no resource is here, and rules ask for."""


@dataclass(frozen=True)
class Resource:
    """A row of OAR's table `resources`.

    Args:
        uid: resource_id.
        row: property -> value; every column is there.
    """

    uid: int
    row: Row

    @property
    def host(self) -> str:
        """FQDN of its node, "" for what is no part of a node."""
        return str(self.row["network_address"] or "")

    @property
    def kind(self) -> str:
        """OAR's `type`: default, subnet, or a kind of kavlan."""
        return str(self.row["type"])


def resources_of(site: Site) -> tuple[Resource, ...]:
    """Return the resources of a site, in OAR's order."""
    rows = [*_cores(site), *_vlans(site), *_subnets(site)]
    empty: dict[str, Value] = {**dict.fromkeys(COLUMNS), **NEVER}
    return tuple(
        Resource(uid, {**empty, **row, "resource_id": uid}) for uid, row in enumerate(rows, 1)
    )


def _cores(site: Site) -> Iterator[Row]:
    core = 0
    for rank, node in enumerate(site.nodes, 1):
        for cpuset in range(node.cluster.cores):
            core += 1
            yield {**_node_row(node), "cpu": rank, "core": core, "cpuset": cpuset}


def _node_row(node: Node) -> Row:
    cluster = node.cluster
    return {
        "type": "default",
        "network_address": node.fqdn,
        "host": node.fqdn,
        "cluster": cluster.cluster,
        "nodeset": cluster.cluster,
        "deploy": "YES" if cluster.deploy else "NO",
        "besteffort": "YES" if cluster.besteffort else "NO",
        "exotic": "YES" if cluster.exotic else "NO",
        "production": "YES" if "production" in cluster.queues else "NO",
        "maintenance": "NO",
        "eth_count": cluster.nics,
    }


def _vlans(site: Site) -> Iterator[Row]:
    for uid, vlan in site.vlans.items():
        if vlan.kind:
            # deploy jobs get the condition deploy = 'YES' for all that they ask for
            yield {"type": vlan.kind, "vlan": uid, "deploy": "YES", "besteffort": "YES"}


def _subnets(site: Site) -> Iterator[Row]:
    for subnet in site.subnets.subnets(new_prefix=PREFIXES[-1]):
        groups = {f"slash_{p}": str(subnet.supernet(new_prefix=p)) for p in PREFIXES}
        address = str(subnet.network_address)
        yield {
            **groups,
            "type": "subnet",
            "subnet_address": address,
            "subnet_prefix": PREFIXES[-1],
            "deploy": "YES",
            "besteffort": "YES",
        }


Choice = Callable[[Set[int]], frozenset[int] | None]
"""Free resources -> those that a request takes, None when they are not enough."""


Tree: TypeAlias = "frozenset[int] | list[Tree]"
"""Resources by the values of a request's levels; the innermost are taken whole."""


def chooser(resources: Sequence[Resource], request: Request, extra: str) -> Choice:
    """Return what picks resources for a request.

    As in OAR, a value of the innermost level is taken whole: `host=1` is a node with all
    its cores free.

    Args:
        resources: those of the site.
        request: what is asked for.
        extra: condition on top of each group's own; "" for none.

    Raises:
        OarError: a property does not exist, or a condition cannot be read.
    """
    also = condition(extra, COLUMNS)
    trees = [
        (_tree(_candidates(resources, group, also), group.levels), group.levels)
        for group in request.groups
    ]

    def choose(free: Set[int]) -> frozenset[int] | None:
        taken: frozenset[int] = frozenset()
        for tree, levels in trees:
            picked = _pick(tree, levels, free - taken)
            if picked is None:
                return None
            taken |= picked
        return taken

    return choose


def _candidates(
    resources: Sequence[Resource], group: Group, also: Condition
) -> Sequence[Resource]:
    for level in group.levels:
        if level.name not in COLUMNS:
            raise bad_request(f'column "{level.name}" does not exist')
    where = condition(group.where, COLUMNS)
    kind = _implied_type(group)
    return [
        resource
        for resource in resources
        if where(resource.row)
        and also(resource.row)
        and (kind is None or resource.kind == kind)
        and resource.row[group.levels[0].name] is not None
    ]


def _implied_type(group: Group) -> str | None:
    """Return the type that admission rules add, None when the condition names one itself."""
    words = group.where.lower().replace("(", " ").replace("=", " ").split()
    if "type" in words:
        return None
    # OAR's default rule 17, and Grid'5000's for slash_N=
    return "subnet" if group.levels[0].name.startswith("slash_") else "default"


def _tree(candidates: Sequence[Resource], levels: Sequence[Level]) -> Tree:
    """Sort resources by the values of each level in turn."""
    if not levels:
        return frozenset(resource.uid for resource in candidates)
    values: dict[Value, list[Resource]] = {}
    for resource in candidates:
        values.setdefault(resource.row[levels[0].name], []).append(resource)
    return [_tree(members, levels[1:]) for members in values.values()]


def _pick(tree: Tree, levels: Sequence[Level], free: Set[int]) -> frozenset[int] | None:
    if isinstance(tree, frozenset):
        return tree if tree <= free else None
    level, *inner = levels
    wanted = len(tree) if level.count == ALL else level.count
    whole: list[frozenset[int]] = []
    for branch in tree:
        if len(whole) == wanted:
            break
        picked = _pick(branch, inner, free)
        if picked is not None:
            whole.append(picked)
    if not wanted or len(whole) < wanted:
        return None
    return frozenset().union(*whole)
