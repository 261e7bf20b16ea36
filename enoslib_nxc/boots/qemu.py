"""Virtual machines under QEMU, without root: flavours vm-ramdisk and vm.

Each machine has two network cards. The first is QEMU's user network, restricted, with ssh
forwarded to a loopback port; the second is on the deployment's switch, and carries the
default route and the address that identifies the machine to NXC's stage 1.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field

import psutil

from enoslib_nxc import context, pins, procs, ramdisk, shell, status
from enoslib_nxc.boots import Checked, Run, accel, console
from enoslib_nxc.boots.qemu_argv import TRANSLATED_MIB, Command
from enoslib_nxc.boots.qemu_image import Image, Ramdisk, Way
from enoslib_nxc.config import Settings
from enoslib_nxc.data import Scalar
from enoslib_nxc.errors import ArtifactError, CommandError, PlatformError
from enoslib_nxc.model import Deployment, Identity, Machine, Node
from enoslib_nxc.platforms.local import switch_socket
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline, until_greeting

QEMU = "qemu-system-x86_64"
QEMU_START_SECONDS = 60.0
"""QEMU detaches once its devices are there; loading a large initrd takes a few seconds."""

OVERHEAD_MIB = 64
"""Memory of a QEMU process beside its guest's."""


@dataclass(frozen=True)
class QemuBoot:
    """Starts the built kernel and initrd in QEMU.

    Args:
        image: how guests come by their system and the deployment JSON.
    """

    image: Image = field(default_factory=Ramdisk)

    def require(self) -> None:
        """Refuse a machine without QEMU, or with one that cannot do what the image needs."""
        self.image.require(_program())

    def shape(self, settings: Settings, node: Node, machine: Machine) -> dict[str, Scalar]:
        """Return its memory, cores and address."""
        return {"memory": node.memory, "cores": node.cores, "address": machine.address}

    def check(self, run: Run, wanted: Mapping[str, Identity]) -> Checked:
        """Refuse what cannot start: memory, here or in the guests, command line, KVM."""
        for host, identity in wanted.items():
            _append(run, self.image, run.machine(host), identity)
        artifacts = run.deployment.artifacts
        kernel = artifacts.store.real(artifacts.kernel)
        chosen = accel.choose(run.settings.vm.accel, qemu=_program(), kernel=kernel)
        extra = OVERHEAD_MIB + (TRANSLATED_MIB if chosen == "tcg" else 0)
        _check_memory(run, wanted, extra)
        self.image.check(run)
        return Checked(run)

    def start(self, run: Run, host: str, deadline: Deadline) -> None:
        """Start QEMU for one machine; a guest that ran in its place is ended."""
        self.stop(run, [host])
        pins.pin(run.home.known_hosts, host)  # it is about to make new keys
        qemu = _program()
        log = run.home.console(host)
        log.parent.mkdir(mode=0o700, exist_ok=True)
        log.unlink(missing_ok=True)  # what an earlier boot said is no news of this one
        command = _command(run, self.image, host, qemu)
        try:
            shell.run(command.argv(qemu), timeout=QEMU_START_SECONDS)
        except CommandError as error:
            raise _refusal(error, run.machine(host)) from error

    def stop(self, run: Run, hosts: list[str]) -> None:
        """End the QEMU processes of machines."""
        stubborn = procs.end(_machines(run.deployment, hosts), run.settings.deadlines.destroy)
        if stubborn:
            raise PlatformError(
                "QEMU does not end: process "
                + ", ".join(str(process.pid) for process in stubborn)
            )

    def alive(self, deployment: Deployment, home: Home) -> set[str]:
        """Return the hosts that have a QEMU process."""
        found = procs.tagged(_tag(deployment, ""))
        return {word for process in found for word in [_host_of(deployment, process)] if word}

    def arrive(self, run: Run, access: Access, deadline: Deadline) -> Report:
        """Wait for the guest's ssh server; a guest that cannot come up ends the wait."""
        until_greeting(access, deadline, lambda: self._trouble(run, access.name))
        return status.ask(access, HostKey.FIRST_CONTACT, max(1.0, deadline.remaining()))

    def _trouble(self, run: Run, host: str) -> str:
        """Read the console, and see whether QEMU still runs."""
        told = console.trouble(console.read(run.home.console(host)))
        if told or _machines(run.deployment, [host]):
            return told
        return "its QEMU process ended"

    def log(self, run: Run, host: str) -> str:
        """Return the last lines of the console."""
        told = console.tail(run.home.console(host))
        return f"last lines of {run.home.console(host)}:\n{told}" if told else ""

    def close(self) -> None:
        """Nothing serves: QEMU does so by itself."""


def _program() -> str:
    return shell.require(QEMU, purpose="to start virtual machines", package="qemu-system-x86")


def _check_memory(run: Run, hosts: Collection[str], extra: int) -> None:
    """Refuse machines too small for their initrd, or too many for this computer.

    Args:
        run: the run.
        hosts: those to be started.
        extra: MiB that each takes here beside its own memory.
    """
    initrd = run.deployment.artifacts.store.real(run.deployment.artifacts.initrd)
    size = initrd.stat().st_size
    needed = ramdisk.memory_mib(size)
    nodes = [node for node in run.deployment.plan.nodes if node.host in hosts]
    for node in nodes:
        if node.memory < needed:
            raise PlatformError(
                f"{node.host} has {node.memory} MiB of memory, too little for an initrd "
                f"of {size >> 20} MiB",
                resolution=f"set vm.memory (or roles.{node.role}.memory) to {needed} at least",
            )
    total = sum(node.memory + extra for node in nodes)
    freed = sum(_resident(process) for process in _machines(run.deployment, hosts))
    available = (psutil.virtual_memory().available >> 20) + freed
    if total > available:
        machines = "1 machine needs" if len(nodes) == 1 else f"{len(nodes)} machines need"
        raise PlatformError(
            f"not enough memory: {machines} {total} MiB, {available} MiB are available",
            resolution="lower vm.memory, or start fewer machines",
        )


def _command(run: Run, image: Image, host: str, qemu: str) -> Command:
    machine = run.machine(host)
    artifacts = run.deployment.artifacts
    node = next(node for node in run.deployment.plan.nodes if node.host == host)
    kernel = artifacts.store.real(artifacts.kernel)
    identity = machine.identity
    if identity is None:
        raise ArtifactError(f"{host} was not told what to run")
    append, way = _append(run, image, machine, identity)
    if way.served:
        way.served.write_text(run.context.text)
    return Command(
        name=_tag(run.deployment, host),
        kernel=kernel,
        initrd=artifacts.store.real(artifacts.initrd),
        append=append,
        memory=node.memory,
        cores=node.cores,
        accel=accel.choose(run.settings.vm.accel, qemu=qemu, kernel=kernel),
        ssh_port=machine.ssh_port,
        mac=machine.mac,
        switch=switch_socket(run.deployment.token),
        console=run.home.console(host),
        served=way.served,
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


def _tag(deployment: Deployment, host: str) -> str:
    return f"enoslib-nxc:{deployment.token}:{host}"


def _host_of(deployment: Deployment, process: psutil.Process) -> str:
    prefix = _tag(deployment, "")
    try:
        words = process.cmdline()
    except psutil.Error:
        return ""
    return next((word[len(prefix) :] for word in words if word.startswith(prefix)), "")


def _machines(deployment: Deployment, hosts: Container[str]) -> list[psutil.Process]:
    found = procs.tagged(_tag(deployment, ""))
    return [process for process in found if _host_of(deployment, process) in hosts]


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss >> 20)
    except psutil.Error:
        return 0


def _refusal(error: CommandError, machine: Machine) -> PlatformError:
    """Return what a failed start of QEMU means to the user."""
    if "Could not set up host forwarding rule" in error.details:
        return PlatformError(
            f"port {machine.ssh_port} of 127.0.0.1, for ssh to {machine.host}, is taken",
            resolution="end what listens there, or destroy() and init() to get another port",
        )
    return PlatformError(f"{machine.host}: {error.brief}", details=error.details)
