"""From reserved nodes to machines: their names and addresses now, and the way to them."""

from __future__ import annotations

from collections.abc import Mapping

from enoslib.infra.enos_g5k.constants import KAVLAN_LOCAL_IDS
from enoslib.infra.enos_g5k.objects import G5kHost

from enoslib_nxc import pins
from enoslib_nxc.config import Settings
from enoslib_nxc.g5k import api, names, where
from enoslib_nxc.g5k.jobs import Booked
from enoslib_nxc.g5k.request import DEPLOY
from enoslib_nxc.model import Entry, Machine, Reserved
from enoslib_nxc.state import Home

CONSOLE = "console=tty0 console=ttyS0,115200"
"""Consoles of Grid'5000's nodes (NXC 0.7.11, g5k-ramdisk)."""


def of_nodes(
    settings: Settings, nodes: Mapping[str, G5kHost], booked: Booked
) -> dict[str, Machine]:
    """Return the machine of each host, under the name and address that it has now.

    Args:
        settings: the configuration.
        nodes: host -> its node.
        booked: the jobs that hold them.

    Raises:
        NxcError: a site cannot be asked for addresses.
    """
    login = api.login()
    of_site: dict[str, dict[str, G5kHost]] = {}
    for host, node in nodes.items():
        of_site.setdefault(_site(node), {})[host] = node
    machines = {}
    for site, here in of_site.items():
        fqdns = {host: _address(node) for host, node in here.items()}
        frontend = where.frontend(settings.g5k, site, login)
        addresses = names.resolve(list(fqdns.values()), frontend)
        job = next(job for job in booked.jobs if job.site == site)
        for host, node in here.items():
            machines[host] = Machine(
                host=host,
                address=addresses[fqdns[host]],
                ssh_host=fqdns[host],
                ssh_options=_way(settings, login, node),
                entry=Entry(
                    user="root",
                    key=settings.ssh.key,
                    first_contact=True,
                    words=CONSOLE,
                    leased=True,
                ),
                reserved=Reserved(
                    node=node.fqdn,
                    site=site,
                    job=int(job.uid),
                    deploy=DEPLOY in job.types,
                    vlan=_vlan(node),
                ),
            )
    return machines


def inherited(left: Mapping[str, Machine], home: Home) -> dict[str, Machine]:
    """Return machines for hosts whose node another host had, which is no more.

    They run our system: their pinned keys go with them.

    Args:
        left: host -> the machine that the other host had.
        home: the deployment's directory.
    """
    for host, before in left.items():
        pins.rename(home.known_hosts, before.host, host)
    return {host: before.model_copy(update={"host": host}) for host, before in left.items()}


def _site(node: G5kHost) -> str:
    return str(node.fqdn.split(".")[1])


def _address(node: G5kHost) -> str:
    """Return the name that a node answers to on its first network."""
    return str(node.primary_network.translate([node.fqdn])[0][1])


def _vlan(node: G5kHost) -> str:
    number = str(node.primary_network.vlan_id)
    return "" if number == "DEFAULT" else number


def _way(settings: Settings, login: str, node: G5kHost) -> tuple[str, ...]:
    """Return the ssh options of a node; a local kavlan has a gateway of its own.

    The name is EnOSlib's (`G5kHost.to_enoslib`): kavlan-ID.SITE.grid5000.fr.
    """
    way = where.jump(settings.g5k, login)
    vlan = _vlan(node)
    if vlan not in KAVLAN_LOCAL_IDS:
        return way
    inner = f"{login}@kavlan-{vlan}.{_site(node)}.grid5000.fr"
    if "-J" in way:
        place = way.index("-J") + 1
        return (*way[:place], f"{way[place]},{inner}", *way[place + 1 :])
    return (*way, "-J", inner)
