"""What to reserve: from our configuration to EnOSlib's, so that EnOSlib asks OAR."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from enoslib.errors import NegativeWalltime
from enoslib.infra.enos_g5k.configuration import Configuration, NetworkConfiguration
from enoslib.infra.enos_g5k.constants import KAVLAN_TYPE, PROD
from enoslib.infra.enos_g5k.g5k_api_utils import get_all_clusters_sites

from enoslib_nxc.booking import Booking
from enoslib_nxc.config import Settings
from enoslib_nxc.config_g5k import RESERVATION_FORMAT, walltime_seconds
from enoslib_nxc.config_roles import Network, Role
from enoslib_nxc.g5k import api
from enoslib_nxc.g5k.foresight import INSTALLED
from enoslib_nxc.mistakes import Mistake, config_error, show, suggest

TIMEZONE = ZoneInfo("Europe/Paris")
"""That of OAR's dates on every site (EnOSlib, G5kBase.timezone)."""

ORIGIN = "origin=enoslib_nxc"
"""Job type that marks our jobs; EnOSlib leaves an origin that is set as it is."""

DEPLOY = "deploy"

NOT_DEPLOYED = "debian12-min"
"""EnOSlib requires an environment for jobs of type deploy; it is never asked to deploy it."""

PRODUCTION_ROLES = ("prod",)
"""Keys of a site's production network, beside those of the configuration (EnOSlib's)."""


def walltime(settings: Settings, booking: Booking) -> str:
    """Return the walltime as HH:MM:SS; hours may have more digits.

    Raises:
        NegativeWalltime: nothing is left of it.
    """
    seconds = walltime_seconds(settings.g5k.walltime) + booking.offset
    if seconds <= 0:
        raise NegativeWalltime
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def reservation(settings: Settings, booking: Booking) -> str | None:
    """Return the start as OAR writes dates; None for as soon as possible."""
    if booking.start is None:
        return settings.g5k.reservation
    return datetime.fromtimestamp(booking.start, TIMEZONE).strftime(RESERVATION_FORMAT)


def start_seconds(settings: Settings, booking: Booking) -> float | None:
    """Return the start in seconds since the epoch; None for as soon as possible."""
    given = reservation(settings, booking)
    if given is None:
        return None
    return datetime.strptime(given, RESERVATION_FORMAT).replace(tzinfo=TIMEZONE).timestamp()


def needs_deploy(settings: Settings) -> bool:
    """Tell whether the job must be of type deploy.

    Kexec leaves the standard environment, where `sudo-g5k` makes root. On a kavlan nodes
    must be deployed (Grid'5000 wiki, "KaVLAN"); so they must for Kadeploy.
    """
    kavlan = any(network.type in KAVLAN_TYPE for network in settings.networks)
    named = settings.g5k.env_name is not None or DEPLOY in settings.g5k.job_type
    return INSTALLED in settings.flavours or kavlan or named


def check(settings: Settings) -> None:
    """Refuse what can be seen to be wrong without asking anybody.

    Raises:
        ConfigError: with everything that is wrong.
    """
    mistakes = [
        Mistake(
            f"roles.{role}",
            "no cluster to reserve nodes of",
            f"set g5k.cluster, or cluster or servers of roles.{role}",
        )
        for role, given in settings.roles.items()
        if given.servers is None and cluster_of(settings, given) is None
    ]
    types = {network.id: network.type for network in settings.networks if network.id}
    for role, given in settings.roles.items():
        kind = types.get(given.primary_network or "", PROD)
        if kind != PROD and kind not in KAVLAN_TYPE:
            where = f"roles.{role}.primary_network"
            mistakes.append(Mistake(where, f"{show(given.primary_network)} is a subnet"))
    booted = set(settings.flavours) - {INSTALLED}
    if booted and needs_deploy(settings) and not settings.g5k.env_name:
        text = "a kavlan, or a job of type deploy, needs an environment to boot from"
        mistakes.append(Mistake("g5k.env_name", text, "set it, to debian12-min for example"))
    if mistakes:
        raise config_error(mistakes)


def make(settings: Settings, sizes: Mapping[str, int], booking: Booking) -> Configuration:
    """Return EnOSlib's configuration of the reservation.

    Clusters are looked up in the API.

    Args:
        settings: the configuration, which `check` accepts.
        sizes: role -> number of nodes.
        booking: when.

    Raises:
        ConfigError: a cluster, or the site of a network, that there is not.
        ApiError: the API cannot be asked.
        NegativeWalltime: nothing is left of the walltime.
    """
    sites = sites_of(settings)
    conf = Configuration()
    conf.job_name = settings.job_name
    conf.walltime = walltime(settings, booking)
    conf.reservation = reservation(settings, booking)
    conf.queue = settings.g5k.queue
    conf.project = settings.g5k.project
    conf.monitor = settings.g5k.monitor
    conf.job_type = job_types(settings)
    if settings.g5k.oargrid_jobids:
        conf.oargrid_jobids = [[site, str(uid)] for site, uid in settings.g5k.oargrid_jobids]
    if DEPLOY in conf.job_type:
        conf.env_name = settings.g5k.env_name or NOT_DEPLOYED
    networks = networks_of(settings, sites)
    for network in dict.fromkeys(networks.values()):
        conf.add_network_conf(network)
    for role, size in sizes.items():
        _add(conf, settings, role, size, networks)
    # what it would warn of is decided above
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        api.call("look up the clusters", conf.finalize)
    return conf


def job_types(settings: Settings) -> list[str]:
    """Return OAR's types of the job: those asked for, and those that it needs."""
    types = list(dict.fromkeys(settings.g5k.job_type))
    if needs_deploy(settings) and DEPLOY not in types:
        types.append(DEPLOY)
    if not any(each.startswith("origin=") for each in types):
        types.append(ORIGIN)
    return types


def cluster_of(settings: Settings, role: Role) -> str | None:
    """Return the cluster to take nodes of, None where none is named."""
    return role.cluster or settings.g5k.cluster


def known_clusters() -> dict[str, str]:
    """Return cluster -> site, of all that there are.

    Raises:
        ConfigError: there are no usable credentials.
        ApiError: the API cannot be asked.
    """
    api.client()  # EnOSlib's own would ask the real API as nobody, without credentials
    return dict(api.call("list the clusters", get_all_clusters_sites))


def sites_of(settings: Settings) -> dict[str, str]:
    """Return role -> site.

    Raises:
        ConfigError: a cluster that there is not.
    """
    known = known_clusters()
    sites, mistakes = {}, []
    for role, given in settings.roles.items():
        if given.servers:
            sites[role] = given.servers[0].split(".")[1]
            continue
        cluster = str(cluster_of(settings, given))
        if cluster in known:
            sites[role] = known[cluster]
        else:
            where = f"roles.{role}.cluster" if given.cluster else "g5k.cluster"
            hint = suggest(cluster, sorted(known), listed_as="clusters")
            mistakes.append(Mistake(where, f"Grid'5000 has no cluster {show(cluster)}", hint))
    if mistakes:
        raise config_error(list(dict.fromkeys(mistakes)))
    return sites


def networks_of(
    settings: Settings, sites: Mapping[str, str]
) -> dict[tuple[str, str], NetworkConfiguration]:
    """Return (site, id) -> EnOSlib's description; (site, "prod") is there for each site.

    A site has one production network, whatever names it is given.

    Args:
        settings: the configuration.
        sites: role -> site.

    Raises:
        ConfigError: it is not said which site a network is of.
    """
    used = sorted(set(sites.values()))
    found: dict[tuple[str, str], NetworkConfiguration] = {}
    for place, network in enumerate(settings.networks):
        if network.type == PROD:
            continue
        site, name = _site_of(network, used, place), network.id or f"network{place}"
        found[site, name] = NetworkConfiguration(
            id=name, type=network.type, roles=list(network.roles), site=site
        )
    for site in used:
        ours = [n for n in settings.networks if n.type == PROD and (n.site or site) == site]
        roles = dict.fromkeys([*PRODUCTION_ROLES, *(key for n in ours for key in n.roles)])
        prod = NetworkConfiguration(id=f"prod-{site}", type=PROD, roles=list(roles), site=site)
        found[site, PROD] = prod
        found |= {(site, network.id): prod for network in ours if network.id}
    return found


def _site_of(network: Network, used: list[str], place: int) -> str:
    if network.site:
        return network.site
    if len(used) > 1:
        text = f"the machines are on several sites: {', '.join(used)}"
        raise config_error([Mistake(f"networks[{place}].site", text, "say which")])
    return used[0]


def _add(
    conf: Configuration,
    settings: Settings,
    role: str,
    size: int,
    networks: Mapping[tuple[str, str], NetworkConfiguration],
) -> None:
    """Add the machines of one role."""
    given = settings.roles[role]
    by_id = {name: network for (_, name), network in networks.items()}
    site = given.servers[0].split(".")[1] if given.servers else None
    wanted: dict[str, object] = {
        "roles": [role],
        "nodes": size,
        "min": 0,  # EnOSlib's error is no use to people; `platforms.g5k` judges
        "reservable_disks": given.reservable_disks,
    }
    if given.servers:
        wanted["servers"] = list(given.servers)
    else:
        wanted["cluster"] = cluster_of(settings, given)
        site = get_all_clusters_sites()[wanted["cluster"]]
    by_id |= {name: network for (where, name), network in networks.items() if where == site}
    wanted["secondary_networks"] = [by_id[name] for name in given.secondary_networks]
    primary = given.primary_network
    wanted["primary_network"] = by_id[primary] if primary else networks[str(site), PROD]
    api.call("look up the clusters", lambda: conf.add_machine(**wanted))


def sizes_of(roles: Iterable[str]) -> dict[str, int]:
    """Return role -> number of nodes, in their order, of the role of each node."""
    sizes: dict[str, int] = {}
    for role in roles:
        sizes[role] = sizes.get(role, 0) + 1
    return sizes


def now() -> float:
    """Return the time, seconds since the epoch."""
    return datetime.now(TIMEZONE).timestamp()
