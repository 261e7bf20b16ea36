"""Virtual machines on hosts that are reached by ssh as root (`vm_hosts=`, `vm.on`).

Each machine has a host, an address on one flat network over all hosts, and a port on its
host's loopback, which is reached through that host.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count, cycle
from urllib.parse import urlsplit

from enoslib.infra.provider import Provider
from enoslib.objects import Host

from enoslib_nxc import plan as plans
from enoslib_nxc import reach, shell, ssh, state
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import ConfigError, PlatformError
from enoslib_nxc.events import Reporter
from enoslib_nxc.model import Deployment, Hosted, Machine, Plan
from enoslib_nxc.outlook import Outlook
from enoslib_nxc.platforms import Grant, NoCalendar, lent, vm_accounts, vm_ends
from enoslib_nxc.platforms.lent import Given
from enoslib_nxc.platforms.local import LAST_PORT, LOOPBACK, foreseen, mac
from enoslib_nxc.platforms.placement import place
from enoslib_nxc.platforms.vm_host import Account
from enoslib_nxc.platforms.vm_network import Network
from enoslib_nxc.state import Home

FIRST_PORTS = range(20000, 30000)
"""Where the search for a free port begins, at random: two deployments that look at the same
moment shall not find the same. The kernel's own choices are above (ip_local_port_range)."""


VM_RAMDISK = "vm-ramdisk"
"""The flavour that such hosts can serve: it needs nothing of this computer's store."""


def check_flavours(settings: Settings, given: Given, *, taken_over: bool) -> None:
    """Refuse hosts for virtual machines that no role could use, or that are given twice.

    Args:
        settings: the configuration.
        given: `vm_hosts=`.
        taken_over: whether `hosts=` was given too.

    Raises:
        ConfigError: why.
    """
    if given is not None and settings.vm.on:
        raise ConfigError(
            "vm_hosts= and vm.on both say where virtual machines run",
            resolution="give one of them",
        )
    mounts = "vm" in settings.flavours
    if VM_RAMDISK in settings.flavours:
        if taken_over and settings.flavour == VM_RAMDISK:
            raise ConfigError(
                f"hosts= and vm_hosts= were both given for flavour {VM_RAMDISK}",
                resolution="hosts= boots the machines themselves, vm_hosts= runs virtual "
                "machines on them: give one",
            )
    elif given is not None or mounts:
        raise ConfigError(
            f"flavour {' and '.join(settings.flavours)} cannot run on hosts for virtual "
            "machines (vm_hosts=, vm.on)",
            details="flavour vm mounts the store of this computer" if mounts else "",
            resolution=f"set flavour to {VM_RAMDISK}, or leave them out",
        )


class VmHostsPlatform(NoCalendar):
    """Gives virtual machines on hosts of another provider.

    Args:
        given: that provider, or hosts; None for those of the configuration, or where only
            the record is needed.
    """

    def __init__(self, given: Given = None) -> None:
        self.given = given

    def check(self, settings: Settings) -> None:
        """Refuse a machine without ssh."""
        shell.require("ssh", purpose="to reach the hosts", package="openssh-client")

    def acquire(
        self,
        settings: Settings,
        home: Home,
        plan: Plan,
        previous: Deployment | None,
        report: Reporter,
    ) -> Grant:
        """Ask all hosts what they have, and give each machine a place on one of them."""
        with lent.taken(self.given, previous) as ours:
            offered = self._offered(settings)
            if not offered:
                raise ConfigError(
                    "vm_hosts: no host was given",
                    resolution="give an EnOSlib provider, its Roles, or a list of its hosts",
                )
            accounts = vm_accounts.accounts(settings, home, offered, previous, report)
            grant = _bound(settings, home, plan, previous, offered, accounts)
            kept = vm_ends.of_earlier(home, previous, grant, accounts)
        return replace(grant, vm_hosts=(*grant.vm_hosts, *kept), ours_to_end=ours)

    def _offered(self, settings: Settings) -> dict[str, Machine]:
        """Return the hosts as given, by a name that each has alone."""
        if self.given is not None:
            hosts = list(lent.hosts(self.given, word="vm_hosts"))
        else:
            hosts = list(map(_host, settings.vm.on))
        first_contact = settings.vm.host_keys == "first-contact"
        found = list(lent.machines(hosts, first_contact=first_contact, reboot=False))
        named = Counter(machine.host for machine in found)
        offered = {}
        for machine in found:
            name = machine.host
            if named[name] > 1:
                name = f"{name}:{machine.ssh_port}"
            offered[name] = machine.model_copy(update={"host": name})
        return offered

    def foresee(self, settings: Settings, plan: Plan, previous: Deployment | None) -> Outlook:
        """Tell the places as if all hosts had the same: no machine is asked."""
        held = previous.machines if previous else {}
        places = {host: m.hosted.name for host, m in held.items() if m.hosted}
        notes: tuple[str, ...] = ()
        asked = isinstance(self.given, Provider)
        offered = {} if asked else self._offered(settings)
        if not asked:
            places = {host: name for host, name in places.items() if name in offered}
        new = [node.host for node in plan.nodes if node.host not in places]
        if asked:
            places |= dict.fromkeys(new, f"a host of {type(self.given).__name__}")
        elif offered:
            places |= dict(zip(new, cycle(offered), strict=False))
            if new and len(offered) > 1:
                notes = (
                    "memory and cores of the VM hosts decide where new machines go: "
                    "shown as if all had the same",
                )
        kind = "VXLAN between the VM hosts"
        outlook = foreseen(settings, plan, places, kind=kind)
        return outlook.model_copy(update={"notes": notes})

    def connect(self, deployment: Deployment) -> bool:
        """Have every host with machines on their network.

        Where it had to be made anew, machines that were on it have ended: the others stay.
        """
        _network(deployment).join()
        return False

    def connected(self, deployment: Deployment) -> bool:
        """Tell whether every host with machines is on their network."""
        return _network(deployment).there()

    def release(self, deployment: Deployment, home: Home, timeout: float) -> tuple[str, ...]:
        """End all on every host that has something of it; then give back what is ours."""
        try:
            vm_ends.all_of(deployment, home, timeout)
        except PlatformError as error:
            if not isinstance(self.given, Provider) or not _ours_to_end(deployment):
                raise
            return (error.brief,)  # the hosts themselves are going
        finally:
            lent.give_back(self.given, deployment)
        return ()


def _ours_to_end(deployment: Deployment) -> bool:
    return any(part.ours_to_end for part in deployment.parts)


def _network(deployment: Deployment) -> Network:
    home = state.Home(state.state_root() / deployment.job_name)
    return Network.of(deployment, home)


def _host(url: str) -> Host:
    """Return a host of `vm.on`, ssh://[USER@]HOST[:PORT], as EnOSlib has it."""
    parts = urlsplit(url)
    alias = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    return Host(parts.hostname, alias=alias, user=parts.username or "root", port=parts.port)


def _bound(
    settings: Settings,
    home: Home,
    plan: Plan,
    previous: Deployment | None,
    offered: Mapping[str, Machine],
    accounts: Mapping[str, Account],
) -> Grant:
    """Give each machine its place, address and port."""
    networks = (str(settings.vm.network),)
    # machines on another network are all new
    held = previous.machines if previous and previous.networks == networks else {}
    kept = {
        node.host: machine
        for node in plan.nodes
        for machine in [held.get(node.host)]
        if machine and machine.hosted and machine.hosted.name in accounts
    }
    offers = [vm_accounts.offer(settings, name, found) for name, found in accounts.items()]
    seated = {host: m.hosted.name for host, m in kept.items() if m.hosted}
    places = place(plan.nodes, offers, seated)
    used = {name: accounts[name] for name in accounts if name in places.values()}
    mtu = min(found.mtu for found in used.values())
    hosts = {
        name: offered[name].model_copy(update={"address": found.address})
        for name, found in used.items()
    }
    taken = {name: {m.ssh_port for m in kept.values() if _is_on(m, name)} for name in used}
    ports = {name: _ports(settings, found.ports, taken[name]) for name, found in used.items()}
    addresses = plans.addresses(plan, settings.vm.network)
    machines = {}
    for node in plan.nodes:
        name = places[node.host]
        machine = kept.get(node.host) or Machine(
            host=node.host,
            address=str(addresses[node.host]),
            ssh_host=LOOPBACK,
            ssh_port=next(ports[name]),
            mac=mac(node),
        )
        access, _ = reach.vm_host(hosts[name], home)
        update = {
            "hosted": Hosted(name=name, mtu=mtu, port=settings.vm.vxlan_port),
            "ssh_options": ssh.through(access),
        }
        machines[node.host] = machine.model_copy(update=update)
    return Grant(machines, networks, vm_hosts=tuple(hosts.values()))


def _is_on(machine: Machine, name: str) -> bool:
    return machine.hosted is not None and machine.hosted.name == name


def _ports(settings: Settings, busy: Iterable[int], taken: Iterable[int]) -> Iterator[int]:
    """Return ports of a host's loopback that nothing listens on; all are found as needed."""
    used = {*busy, *taken}
    first = settings.vm.ssh_port
    start = first or FIRST_PORTS[secrets.randbelow(len(FIRST_PORTS))]
    for port in count(start):
        if port > LAST_PORT or (first and port in used - {*taken}):
            raise PlatformError(
                f"vm.ssh_port: port {port} of a VM host is taken, or is none",
                resolution="set vm.ssh_port to another range, or leave it out",
            )
        if port not in used:
            yield port
