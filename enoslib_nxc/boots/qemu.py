"""Virtual machines under QEMU: flavours vm-ramdisk and vm, here or on hosts of others.

Each machine has two network cards. The first is QEMU's user network, restricted, with ssh
forwarded to a loopback port; the second is on the deployment's network, and carries the
default route and the address that identifies the machine to NXC's stage 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from enoslib_nxc import context, parallel, pins, ramdisk, shell, status
from enoslib_nxc.boots import Checked, Run, console
from enoslib_nxc.boots.computer import QEMU, Computer, Computers, refusal, tag
from enoslib_nxc.boots.delivery import tried
from enoslib_nxc.boots.here import here, program
from enoslib_nxc.boots.qemu_argv import Command
from enoslib_nxc.boots.qemu_image import Image, Ramdisk, Way
from enoslib_nxc.config import Settings
from enoslib_nxc.data import Scalar
from enoslib_nxc.errors import ArtifactError, BootError, CommandError, NxcError, PlatformError
from enoslib_nxc.handover import taken
from enoslib_nxc.model import Deployment, Identity, Machine, Node
from enoslib_nxc.platforms.placement import extra_mib
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline, until_greeting

__all__ = ["QEMU", "QemuBoot"]

LOOKS = 2
"""Looks that have to fail until a computer is taken for gone: its machines would be booted
anew, or given up, for one connection that its ssh server dropped."""

LOOK_SECONDS = 60.0
"""After which nobody looks once more."""


@dataclass(frozen=True)
class QemuBoot:
    """Starts the built kernel and initrd in QEMU.

    Args:
        image: how guests come by their system and the deployment JSON.
        computers: where they run.
    """

    image: Image = field(default_factory=Ramdisk)
    computers: Computers = here

    def require(self) -> None:
        """Refuse a machine without QEMU, or with one that cannot do what the image needs."""
        if self.computers is here:
            self.image.require(program())
        else:
            shell.require("ssh", purpose="to reach the hosts", package="openssh-client")

    def shape(self, settings: Settings, node: Node, machine: Machine) -> dict[str, Scalar]:
        """Return its memory, cores and address; the size of packets where that is not usual."""
        shape: dict[str, Scalar] = {"memory": node.memory, "cores": node.cores}
        shape["address"] = machine.address
        return {**shape, "mtu": machine.hosted.mtu} if machine.hosted else shape

    def check(self, run: Run, wanted: Mapping[str, Identity]) -> Checked:
        """Refuse what cannot start: memory, there or in the guests, command line, KVM."""
        for host, identity in wanted.items():
            _append(run, self.image, run.machine(host), identity)
        _check_initrd(run, wanted)
        self.image.check(run)
        places = self._places(run.deployment, run.home, wanted)

        def check(name: str) -> None:
            computer, hosts = places[name]
            computer.prepare(run)
            _check_memory(run, computer, hosts, extra_mib(computer.accel(run)))

        failed = parallel.each(places, check).failed
        if len(failed) == len(places) == 1:
            raise next(iter(failed.values()))
        return Checked(run, {h: error for n, error in failed.items() for h in places[n][1]})

    def start(self, run: Run, host: str, deadline: Deadline) -> None:
        """Start QEMU for one machine; a guest that ran in its place is ended."""
        self.stop(run, [host])
        pins.pin(run.home.known_hosts, host)  # it is about to make new keys
        computer = self.computers(run.deployment, run.home)[host]
        machine = run.machine(host)
        try:
            computer.start(_command(run, self.image, computer, host), machine)
        except CommandError as error:
            where = machine.ssh_host
            if machine.hosted:
                where = f"{computer.name}'s loopback"
            raise refusal(error, machine, where) from error

    def stop(self, run: Run, hosts: list[str]) -> None:
        """End the QEMU processes of machines."""
        places = self._places(run.deployment, run.home, hosts)
        seconds = run.settings.deadlines.destroy
        failed = parallel.each(
            places, lambda name: places[name][0].end(places[name][1], seconds)
        ).failed
        for error in failed.values():
            raise error

    def alive(self, deployment: Deployment, home: Home) -> set[str]:
        """Return the hosts that have a QEMU process; not where nothing answers."""
        begun = [m.host for m in deployment.machines.values() if m.state != "planned"]
        places = self._places(deployment, home, begun)
        deadline = Deadline(LOOK_SECONDS)

        def look(name: str) -> set[str]:
            return tried(LOOKS, deadline, lambda _left: places[name][0].running())

        found = parallel.each(places, look, cancel=deadline.cancel).done
        return {
            host for name, running in found.items() for host in running & {*places[name][1]}
        }

    def arrive(self, run: Run, access: Access, deadline: Deadline) -> Report:
        """Wait for the guest's ssh server; a guest that cannot come up ends the wait."""
        connection = until_greeting(
            access, deadline, lambda: self._trouble(run, access.name, deadline)
        )
        with taken(access, connection, run.deployment) as way:
            return status.ask(way, HostKey.FIRST_CONTACT, max(1.0, deadline.remaining()))

    def _trouble(self, run: Run, host: str, deadline: Deadline) -> str:
        """Read the console, and see whether QEMU still runs.

        Raises:
            BootError: the computer that runs it does not answer.
        """
        computer = self.computers(run.deployment, run.home)[host]

        def look(_left: float) -> str:
            told = console.trouble(computer.read(host))
            ended = not told and host not in computer.running()
            return "its QEMU process ended" if ended else told

        try:
            return tried(LOOKS, deadline, look)
        except CommandError as error:
            raise BootError(
                f"{host} did not come up: {computer.name}, which runs it, does not answer",
                details=error.details,
            ) from error

    def log(self, run: Run, host: str) -> str:
        """Return the last lines of the console."""
        if run.machine(host).state == "planned":
            return ""
        computer = self.computers(run.deployment, run.home)[host]
        with suppress(NxcError):
            if told := console.ending(computer.read(host)):
                of = f" of {computer.name}" if run.machine(host).hosted else ""
                return f"last lines of {computer.console(host)}{of}:\n{told}"
        return ""

    def close(self) -> None:
        """Nothing serves: QEMU does so by itself."""

    def _places(
        self, deployment: Deployment, home: Home, hosts: Iterable[str]
    ) -> dict[str, tuple[Computer, list[str]]]:
        """Return the computers of some hosts: name -> computer, and which of these it has."""
        found = self.computers(deployment, home)
        places: dict[str, tuple[Computer, list[str]]] = {}
        for host in hosts:
            places.setdefault(found[host].name, (found[host], []))[1].append(host)
        return places


def _check_initrd(run: Run, hosts: Collection[str]) -> None:
    """Refuse machines too small for their initrd."""
    initrd = run.deployment.artifacts.store.real(run.deployment.artifacts.initrd)
    size = initrd.stat().st_size
    needed = ramdisk.memory_mib(size)
    for node in run.deployment.plan.nodes:
        if node.host in hosts and node.memory < needed:
            raise PlatformError(
                f"{node.host} has {node.memory} MiB of memory, too little for an initrd "
                f"of {size >> 20} MiB",
                resolution=f"set vm.memory (or roles.{node.role}.memory) to {needed} at least",
            )


def _check_memory(run: Run, computer: Computer, hosts: Collection[str], extra: int) -> None:
    """Refuse too many machines for a computer.

    Args:
        run: the run.
        computer: where they are to be started.
        hosts: those.
        extra: MiB that each takes there beside its own memory.
    """
    nodes = [node for node in run.deployment.plan.nodes if node.host in hosts]
    total = sum(node.memory + extra for node in nodes)
    available = computer.available(hosts)
    if total > available:
        machines = "1 machine needs" if len(nodes) == 1 else f"{len(nodes)} machines need"
        where = f" on {computer.name}" if run.machine(nodes[0].host).hosted else ""
        raise PlatformError(
            f"not enough memory{where}: {machines} {total} MiB, {available} MiB are available",
            resolution="lower vm.memory, or start fewer machines",
        )


def _command(run: Run, image: Image, computer: Computer, host: str) -> Command:
    machine = run.machine(host)
    node = next(node for node in run.deployment.plan.nodes if node.host == host)
    identity = machine.identity
    if identity is None:
        raise ArtifactError(f"{host} was not told what to run")
    append, way = _append(run, image, machine, identity)
    kernel, initrd = computer.files(run)
    return Command(
        name=tag(run.deployment.token, host),
        kernel=kernel,
        initrd=initrd,
        append=append,
        memory=node.memory,
        cores=node.cores,
        accel=computer.accel(run),
        ssh_port=machine.ssh_port,
        mac=machine.mac,
        card=computer.card(machine),
        console=computer.console(host),
        answer=computer.answer(run) if way.served else (),
        mtu=machine.hosted.mtu if machine.hosted else 0,
        shares=image.shares(run),
    )


def _append(run: Run, image: Image, machine: Machine, identity: Identity) -> tuple[str, Way]:
    """Return the kernel's command line, and the way of the deployment JSON that fits in it.

    Raises:
        PlatformError: none does.
    """
    network = run.settings.vm.network
    gateway = network.broadcast_address - 1
    # one ip= only, with a gateway: its default route is what stage 1 asks for its address
    address = f"ip={machine.address}::{gateway}:{network.netmask}::eth1:off"
    words = ["console=tty0 console=ttyS0,115200", "net.ifnames=0", "panic=-1", address]
    words.append(run.settings.kernel_params)
    for way in image.ways(run):
        line = context.command_line(identity, *words, way.parameter)
        if context.fits(line):
            return line, way
    raise PlatformError(
        f"the kernel command line of {machine.host} has {len(line)} characters, "
        f"the limit is {context.COMMAND_LINE_LIMIT}",
        resolution="shorten kernel_params",
    )
