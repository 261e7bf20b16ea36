"""This machine as a platform: loopback ports, and a switch that only its owner can join.

The machines share an Ethernet made by `vde_switch` (the program that NXC uses), behind a
unix socket in a 0700 directory: unlike QEMU's multicast sockets, no other user of the
computer can listen to it.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import psutil

from enoslib_nxc import plan as plans
from enoslib_nxc import procs, shell
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import PlatformError
from enoslib_nxc.events import Reporter
from enoslib_nxc.model import Deployment, Machine, Node, Plan
from enoslib_nxc.multiplexing import runtime_dir
from enoslib_nxc.names import NETWORK_ROLE
from enoslib_nxc.outlook import Net, Outlook, Seat
from enoslib_nxc.platforms import Grant, NoCalendar
from enoslib_nxc.state import Home

LOOPBACK = "127.0.0.1"
LAST_PORT = 65535

END_SECONDS = 60.0
"""For processes of this machine to end."""


def switch_socket(token: str) -> Path:
    """Return the switch's socket directory, for QEMU's `-netdev vde,sock=`."""
    return runtime_dir(token) / "switch"


class LocalPlatform(NoCalendar):
    """Gives addresses, loopback ports and a switch on this machine."""

    def check(self, settings: Settings) -> None:
        """Refuse a machine without the programs, or with the wanted ports taken."""
        shell.require("vde_switch", purpose="to connect virtual machines", package="vde2")
        shell.require("ssh", purpose="to reach the machines", package="openssh-client")

    def acquire(
        self,
        settings: Settings,
        home: Home,
        plan: Plan,
        previous: Deployment | None,
        report: Reporter,
    ) -> Grant:
        """Give each host an address on the network and a loopback port for ssh."""
        networks = (str(settings.vm.network),)
        # machines on another network are all new
        held = previous.machines if previous and previous.networks == networks else {}
        addresses = plans.addresses(plan, settings.vm.network)
        new = [node for node in plan.nodes if node.host not in held]
        ports = _ports(settings, len(new), [machine.ssh_port for machine in held.values()])
        machines = {
            node.host: Machine(
                host=node.host,
                address=str(addresses[node.host]),
                ssh_host=LOOPBACK,
                ssh_port=port,
                mac=mac(node),
            )
            for node, port in zip(new, ports, strict=True)
        }
        kept = {node.host: held[node.host] for node in plan.nodes if node.host in held}
        return Grant({**kept, **machines}, networks)

    def foresee(self, settings: Settings, plan: Plan, previous: Deployment | None) -> Outlook:
        """Tell the addresses: they follow from the plan."""
        places = {node.host: "this computer" for node in plan.nodes}
        return foreseen(settings, plan, places, kind="switch of the deployment")

    def connect(self, deployment: Deployment) -> bool:
        """Start the switch unless it runs."""
        if self.connected(deployment):
            return False
        place = switch_socket(deployment.token)
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        switch = shell.require(
            "vde_switch", purpose="to connect virtual machines", package="vde2"
        )
        shell.run(
            [switch, "--sock", place, "--dirmode", "0700", "--mode", "0600", "--daemon"],
            timeout=10,
        )
        return True

    def connected(self, deployment: Deployment) -> bool:
        """Tell whether the switch runs."""
        return any(map(_is_switch, procs.tagged(str(switch_socket(deployment.token)))))

    def release(self, deployment: Deployment, home: Home, timeout: float) -> tuple[str, ...]:
        """End every process of the deployment and remove its sockets."""
        stubborn = procs.end(procs.tagged(deployment.token), min(timeout, END_SECONDS))
        shutil.rmtree(runtime_dir(deployment.token), ignore_errors=True)
        if stubborn:
            names = ", ".join(str(process.pid) for process in stubborn)
            raise PlatformError(f"deployment {deployment.job_name}: still running: {names}")
        return ()


def mac(node: Node) -> str:
    """Return a machine's hardware address, unique on the deployment's network.

    Its prefix is that of QEMU's own addresses.
    """
    return f"52:54:00:12:01:{node.index:02x}"


def foreseen(
    settings: Settings, plan: Plan, places: Mapping[str, str], *, kind: str
) -> Outlook:
    """Return the outlook on virtual machines: their addresses follow from the plan.

    Args:
        settings: the configuration.
        plan: the hosts.
        places: host -> the computer that would run it, for people.
        kind: of their network, for people.
    """
    addresses = plans.addresses(plan, settings.vm.network)
    keys = {NETWORK_ROLE, *(key for wish in settings.networks for key in wish.roles)}
    cidr = str(settings.vm.network)
    network = Net(id=NETWORK_ROLE, kind=kind, cidr=cidr, keys=tuple(sorted(keys)))
    seats = {
        node.host: Seat(
            place=places.get(node.host, ""),
            address=str(addresses[node.host]),
            networks=(network.id,),
            size=f"{node.memory} MiB, {node.cores} core" + ("s" if node.cores > 1 else ""),
        )
        for node in plan.nodes
    }
    return Outlook(seats=seats, networks=(network,))


def _is_switch(process: psutil.Process) -> bool:
    return [Path(word).name for word in procs.words(process)[:1]] == ["vde_switch"]


def _ports(settings: Settings, count: int, used: list[int]) -> Iterator[int]:
    """Return loopback ports that nothing listens on now."""
    if settings.vm.ssh_port is None:
        return iter(free_ports(count))
    first = settings.vm.ssh_port
    wanted = [port for port in range(first, first + count + len(used)) if port not in used]
    wanted = wanted[:count]
    if wanted and wanted[-1] > LAST_PORT:
        raise PlatformError(
            f"vm.ssh_port: {count} machines need a port each, from {first} on, "
            f"and the last port is {LAST_PORT}",
            resolution=f"set vm.ssh_port to {LAST_PORT + 1 - count - len(used)} at most",
        )
    for port in wanted:
        _require_free(port)
    return iter(wanted)


def free_ports(count: int) -> list[int]:
    """Return loopback ports that the kernel picks; all are held until the last is known."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [one.getsockname()[1] for one in sockets]


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise PlatformError(
                f"vm.ssh_port: port {port} of {LOOPBACK} is taken",
                resolution="end what listens there, or set vm.ssh_port to another range",
            ) from error
