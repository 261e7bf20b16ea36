"""What would be asked of Grid'5000 for a plan; pure, but for the sites of its clusters."""

from __future__ import annotations

from collections.abc import Mapping

from enoslib.infra.enos_g5k.configuration import NetworkConfiguration
from enoslib.infra.enos_g5k.constants import PROD

from enoslib_nxc.booking import Booking
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import NxcError
from enoslib_nxc.g5k import request
from enoslib_nxc.model import Deployment, Job, Plan
from enoslib_nxc.names import NETWORK_ROLE
from enoslib_nxc.outlook import Net, Outlook, Reservation, Seat, Wish

GRID = "grid5000"
"""What joins production networks and kavlans, but for local ones (wiki, "KaVLAN")."""

LOCAL = "kavlan-local"
"""Kind of a kavlan that only its own gateway leads into."""


def outlook(
    settings: Settings,
    plan: Plan,
    previous: Deployment | None,
    booking: Booking,
    sites: Mapping[str, str],
) -> Outlook:
    """Return what would be reserved, and where the hosts would run.

    Args:
        settings: the configuration, which `request.check` accepts.
        plan: the hosts.
        previous: the record as it stands; hosts keep the nodes that they have by it.
        booking: when.
        sites: role -> site; "" when it could not be looked up.

    Raises:
        ConfigError: it is not said which site a network is of.
        NegativeWalltime: nothing is left of the walltime.
    """
    described = request.networks_of(settings, sites)
    cards = {role: _cards(settings, role, sites[role], described) for role in sites}
    used = dict.fromkeys(network for each in cards.values() for network in each)
    primary = {each[0] for each in cards.values()}
    return Outlook(
        seats={n.host: _seat(settings, n.role, n.host, cards, previous) for n in plan.nodes},
        networks=tuple(_net(network, shared=network in primary) for network in used),
        reservation=_reservation(settings, plan, previous, booking, sites),
    )


def sites_of(settings: Settings) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return role -> site, and why they are not known where the API cannot be asked.

    Raises:
        ConfigError: a cluster that there is not.
    """
    try:
        request.known_clusters()
    except NxcError as error:
        note = f"the sites, and whether the clusters exist, are not known: {error.brief}"
        return dict.fromkeys(settings.roles, ""), (note,)
    return request.sites_of(settings), ()


def _cards(
    settings: Settings,
    role: str,
    site: str,
    described: Mapping[tuple[str, str], NetworkConfiguration],
) -> list[NetworkConfiguration]:
    """Return the networks of a role's cards, its primary one first."""
    given = settings.roles[role]
    by_id = {name: network for (_, name), network in described.items()}
    by_id |= {name: network for (where, name), network in described.items() if where == site}
    # a network of a named site is not found where the sites are not known
    primary = by_id.get(given.primary_network or "", described[site, PROD])
    return [primary, *(by_id[name] for name in given.secondary_networks if name in by_id)]


def _seat(
    settings: Settings,
    role: str,
    host: str,
    cards: Mapping[str, list[NetworkConfiguration]],
    previous: Deployment | None,
) -> Seat:
    given = settings.roles[role]
    machine = previous.machines.get(host) if previous else None
    if machine and machine.reserved:
        place = machine.reserved.node
    elif given.servers:
        place = f"one of {', '.join(given.servers)}"
    else:
        place = f"a node of {request.cluster_of(settings, given)}"
    return Seat(
        place=place,
        address=machine.address if machine else "",
        networks=tuple(_name(network) for network in cards[role]),
    )


def _net(network: NetworkConfiguration, *, shared: bool) -> Net:
    keys = dict.fromkeys([*([NETWORK_ROLE] if shared else []), *network.roles])
    return Net(
        id=_name(network),
        kind=network.type,
        site=network.site,
        keys=tuple(keys),
        routed="" if network.type == LOCAL else GRID,
    )


def _name(network: NetworkConfiguration) -> str:
    """Return a network's name: sites may have networks of one id."""
    name = PROD if network.type == PROD else network.id
    return f"{name}@{network.site}" if network.site else str(name)


def _reservation(
    settings: Settings,
    plan: Plan,
    previous: Deployment | None,
    booking: Booking,
    sites: Mapping[str, str],
) -> Reservation:
    given = [Job(site=site, uid=uid) for site, uid in settings.g5k.oargrid_jobids or ()]
    jobs = dict.fromkeys([*given, *(previous.jobs if previous else ())])
    sizes = request.sizes_of(node.role for node in plan.nodes)
    return Reservation(
        job_name=settings.job_name,
        walltime=request.walltime(settings, booking),
        start=request.reservation(settings, booking) or "",
        queue=settings.g5k.queue,
        types=tuple(request.job_types(settings)),
        wishes=tuple(_wish(settings, role, size, sites[role]) for role, size in sizes.items()),
        jobs=tuple(f"{job.uid} of {job.site}" for job in jobs),
    )


def _wish(settings: Settings, role: str, size: int, site: str) -> Wish:
    given = settings.roles[role]
    servers = given.servers or ()
    cluster = "" if servers else str(request.cluster_of(settings, given))
    return Wish(
        role=role,
        nodes=size,
        cluster=cluster,
        servers=servers,
        site=site or (servers[0].split(".")[1] if servers else ""),
    )
