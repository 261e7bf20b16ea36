"""This computer as a platform for containers of systemd-nspawn: a network of their own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from ipaddress import IPv4Network

import psutil

from enoslib_nxc import netns, routes, shell
from enoslib_nxc import plan as plans
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import PlatformError
from enoslib_nxc.events import Reporter
from enoslib_nxc.model import Deployment, Machine, Plan
from enoslib_nxc.platforms import Grant, NoCalendar, places
from enoslib_nxc.platforms.places import PREFIX
from enoslib_nxc.routes import Route
from enoslib_nxc.state import Home

END_SECONDS = 120.0
"""For all processes of a deployment to end."""


class NspawnPlatform(NoCalendar):
    """Gives addresses on a network that only this computer shares with the machines."""

    def check(self, settings: Settings) -> None:
        """Refuse users other than root, and a network that is in use."""
        if os.geteuid() != 0:
            raise PlatformError(
                "flavour nspawn needs root, for containers and their network",
                resolution="run as root; or set flavour to vm-ramdisk, which needs no root",
            )
        netns.require()
        shell.require("ssh", purpose="to reach the machines", package="openssh-client")
        if settings.nspawn.network:
            _require_free(settings.nspawn.network, routes.current(), ours=(PREFIX,))

    def acquire(
        self,
        settings: Settings,
        home: Home,
        plan: Plan,
        previous: Deployment | None,
        report: Reporter,
    ) -> Grant:
        """Give each host an address on the network."""
        network = _network(settings, previous)
        addresses = plans.addresses(plan, network)
        # machines on another network are all new
        held = previous.machines if previous and previous.networks == (str(network),) else {}
        machines = {
            node.host: held.get(node.host)
            or Machine(
                host=node.host,
                address=str(addresses[node.host]),
                ssh_host=str(addresses[node.host]),
                mac=f"52:54:00:12:01:{node.index:02x}",  # as that of a virtual machine
            )
            for node in plan.nodes
        }
        return Grant(machines, (str(network),))

    def connect(self, deployment: Deployment) -> bool:
        """Make the network unless it is there."""
        if self.connected(deployment):
            return False
        token = deployment.token
        netns.make_switch(
            places.switch(token),
            interface=places.interface(token),
            address=_own_address(deployment),
        )
        return True

    def connected(self, deployment: Deployment) -> bool:
        """Tell whether the network is there, and this computer on it."""
        name = places.interface(deployment.token)
        card = psutil.net_if_stats().get(name)
        given = {entry.address for entry in psutil.net_if_addrs().get(name, [])}
        return bool(card and card.isup) and _own_address(deployment).split("/")[0] in given

    def release(self, deployment: Deployment, home: Home, timeout: float) -> tuple[str, ...]:
        """Shut every machine down, and remove them with their network."""
        name = places.switch(deployment.token)
        names = {places.place(deployment, home, host).name for host in deployment.machines}
        names |= {*netns.names(f"{name}-"), *(one.name for one in places.groups(f"{name}-*"))}
        places.end(names, min(timeout, END_SECONDS))
        for machine in names:
            places.clear(machine)
        for path in places.directory(home).glob("*"):
            places.remove_files(path)
        netns.unplug(places.interface(deployment.token))
        netns.delete(name)
        return ()


def _own_address(deployment: Deployment) -> str:
    """Return this computer's address on the network, ADDRESS/LENGTH."""
    network = IPv4Network(deployment.networks[0])
    return f"{network.network_address + plans.GATEWAY}/{network.prefixlen}"


def _network(settings: Settings, previous: Deployment | None) -> IPv4Network:
    """Return the network that is wanted, else the one that is there, else a new one."""
    known = routes.current()
    ours = (places.interface(previous.token),) if previous else ()
    held = IPv4Network(previous.networks[0]) if previous and previous.networks else None
    wanted = settings.nspawn.network or held
    if wanted is None:
        return routes.free_network(known, key="nspawn.network")
    _require_free(wanted, known, ours=ours)
    return wanted


def _require_free(
    network: IPv4Network, known: Iterable[Route], *, ours: tuple[str, ...]
) -> None:
    """Refuse a network that this computer reaches otherwise.

    Args:
        network: the machines'.
        known: this computer's routes.
        ours: how names of interfaces begin that may have it.
    """
    for route in known:
        if not route.network.overlaps(network) or route.device.startswith(ours):
            continue
        other = route.device.startswith(PREFIX)
        raise PlatformError(
            f"nspawn.network: {network} is in use on this computer: interface {route.device} "
            f"leads to {route.network}",
            resolution="set nspawn.network to a /24 that is not in use, or leave it out"
            + ("; or destroy() the deployment that has it" if other else ""),
        )
