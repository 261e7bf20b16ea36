"""The Grid'5000 that a configuration needs: its sites, clusters and nodes; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from enoslib_nxc.config import Settings
from enoslib_nxc.config_roles import Role, count
from enoslib_nxc.errors import ConfigError
from enoslib_nxc.rehearsal.site import DOMAIN, PLANS, SiteSpec, read_site

CLUSTERS: Mapping[str, str] = {
    "grenoble": "dahu drac servan troll vercors yeti",
    "lille": "chiclet chifflot chirop chuc",
    "luxembourg": "larochette petitprince vianden",
    "lyon": "gemini hydra neowise nova orion pyxis sagittaire sirius taurus",
    "nancy": "gros grisou grimoire graffiti grappe grat grele gres grosminet grouille grue "
    "gruss grvingt",
    "nantes": "ecotype econome",
    "rennes": "paradoxe paranoia parapide parasilo paravance",
    "sophia": "suno uvb",
    "strasbourg": "engelbourg fleckenstein",
    "toulouse": "estats montcalm",
}
"""Where clusters are, or were (reference-repository). Any other name is on the first site
that the configuration names, or on `HOME_SITE`."""

HOME_SITE = "nancy"

MEMORY = 1024
"""MiB of a node, unless told otherwise."""


@dataclass(frozen=True)
class Wanted:
    """What to rehearse on.

    Args:
        specs: the sites.
        nodes: FQDN of those that must be there; clusters may have others in their numbering.
    """

    specs: tuple[SiteSpec, ...]
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class _Need:
    """Nodes of one cluster: some by number, some whichever; cards."""

    cluster: str
    site: str
    numbers: tuple[int, ...]
    anyone: int
    cards: int


def wanted(settings: Settings, *, nodes: int | None = None, memory: int = MEMORY) -> Wanted:
    """Return the Grid'5000 that a configuration needs.

    Args:
        settings: the checked configuration.
        nodes: nodes of each cluster; as many as the roles ask for when None. A role whose
            count only the composition knows counts as one.
        memory: MiB of each node.

    Raises:
        ConfigError: it names no cluster.
    """
    needs = list(_needs(settings))
    if not needs:
        raise ConfigError(
            "g5k.cluster: nothing to rehearse: no role names a cluster or servers",
            resolution="set g5k.cluster, as for the real Grid'5000",
        )
    clusters: dict[tuple[str, str], list[_Need]] = {}
    for need in needs:
        clusters.setdefault((need.site, need.cluster), []).append(need)
    sites: dict[str, list[dict[str, object]]] = {}
    present: list[str] = []
    for (site, cluster), group in clusters.items():
        numbers = _numbers(group, nodes)
        present += [f"{cluster}-{number}.{site}.{DOMAIN}" for number in numbers]
        described = {
            "cluster": cluster,
            "nodes": max(numbers),
            "nics": max(need.cards for need in group),
            "memory": memory << 20,
            "queues": _queues(settings),
            "exotic": "exotic" in settings.g5k.job_type,
        }
        sites.setdefault(site, []).append(described)
    specs = [read_site({"site": site, "clusters": given}) for site, given in sites.items()]
    return Wanted(tuple(specs), tuple(present))


def _needs(settings: Settings) -> Iterator[_Need]:
    home = _home(settings)
    places = {network.id: network.site for network in settings.networks if network.id}
    for role in settings.roles.values():
        cards = 1 + len(role.secondary_networks)
        for server in role.servers or ():
            name, site = server.split(".")[:2]
            cluster, _, number = name.rpartition("-")
            yield _Need(cluster, site, (int(number),), 0, cards)
        given = role.cluster or settings.g5k.cluster
        if given and not role.servers:
            site = places.get(role.primary_network or "") or _site_of(given, home)
            yield _Need(given, site, (), _count(role), cards)


def _home(settings: Settings) -> str:
    servers = [s for role in settings.roles.values() for s in role.servers or ()]
    named = [server.split(".")[1] for server in servers]
    named += [network.site for network in settings.networks if network.site]
    return next(iter(named), HOME_SITE)


def _site_of(cluster: str, home: str) -> str:
    found = (site for site, clusters in CLUSTERS.items() if cluster in clusters.split())
    return next(found, home if home in PLANS else HOME_SITE)


def _count(role: Role) -> int:
    return count(role.machines) if role.machines else 1


def _numbers(group: Collection[_Need], nodes: int | None) -> list[int]:
    """Return which nodes of a cluster there are: the named ones, and the first others."""
    named = {number for need in group for number in need.numbers}
    others = nodes if nodes is not None else sum(need.anyone for need in group)
    number = 1
    chosen = set(named)
    while len(chosen - named) < others and (nodes is None or len(chosen) < nodes):
        chosen.add(number)
        number += 1
    return sorted(chosen or {1})


def _queues(settings: Settings) -> tuple[str, ...]:
    queue = settings.g5k.queue
    return (queue,) if queue == "production" else ("admin", "default")
