"""This computer as one that runs machines under QEMU, without root."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from enoslib_nxc import procs, shell
from enoslib_nxc.boots import Run, accel, console
from enoslib_nxc.boots.computer import QEMU, SERVE, Computer, tag
from enoslib_nxc.boots.qemu_argv import Command, escape
from enoslib_nxc.errors import PlatformError
from enoslib_nxc.model import Deployment, Machine
from enoslib_nxc.platforms.local import switch_socket
from enoslib_nxc.state import Home

QEMU_START_SECONDS = 60.0
"""QEMU detaches once its devices are there; loading a large initrd takes a few seconds."""


def program() -> str:
    """Return the path of QEMU here.

    Raises:
        ToolMissingError: it is not installed.
    """
    return shell.require(QEMU, purpose="to start virtual machines", package="qemu-system-x86")


def here(deployment: Deployment, home: Home) -> Mapping[str, Computer]:
    """Return this computer for every host."""
    return dict.fromkeys(deployment.machines, Here(deployment.token, home))


@dataclass(frozen=True)
class Here:
    """This computer; the process table tells what runs.

    Args:
        token: the deployment's.
        home: its directory.
    """

    token: str
    home: Home

    @property
    def name(self) -> str:
        """For people."""
        return "this computer"

    @property
    def qemu(self) -> str:
        """Path of QEMU."""
        return program()

    def prepare(self, run: Run) -> None:
        """Kernel and initrd are here."""

    def files(self, run: Run) -> tuple[Path, Path]:
        """Return where they are, in the store."""
        artifacts = run.deployment.artifacts
        return artifacts.store.real(artifacts.kernel), artifacts.store.real(artifacts.initrd)

    def accel(self, run: Run) -> accel.Accel:
        """Return KVM where a trial boot works."""
        kernel, _ = self.files(run)
        return accel.choose(run.settings.vm.accel, qemu=self.qemu, kernel=kernel)

    def available(self, hosts: Collection[str]) -> int:
        """Return what the kernel says, and what those machines have of it."""
        freed = sum(_resident(process) for process in self._processes(hosts))
        return int(psutil.virtual_memory().available >> 20) + freed

    def card(self, machine: Machine) -> str:
        """Return a card on the deployment's switch."""
        return f"vde,id=n1,sock={escape(str(switch_socket(self.token)))}"

    def answer(self, run: Run) -> tuple[str, ...]:
        """Have the deployment JSON in a file, and return what serves it."""
        run.home.put_context(run.context.text)
        return ("sh", str(SERVE), str(run.home.node_context))

    def console(self, host: str) -> Path:
        """Return a file of the deployment's directory."""
        return self.home.console(host)

    def read(self, host: str) -> str:
        """Return the end of that file."""
        return console.read(self.console(host))

    def running(self) -> set[str]:
        """Return the hosts whose QEMU is in the process table."""
        return {host for process in self._tagged() for host in [self._host(process)] if host}

    def start(self, command: Command, machine: Machine) -> None:
        """Start QEMU, which detaches."""
        log = self.console(machine.host)
        log.parent.mkdir(mode=0o700, exist_ok=True)
        log.unlink(missing_ok=True)  # what an earlier boot said is no news of this one
        shell.run(command.argv(self.qemu), timeout=QEMU_START_SECONDS)

    def end(self, hosts: Collection[str], timeout: float) -> None:
        """End QEMU processes: TERM, then KILL."""
        stubborn = procs.end(self._processes(hosts), timeout)
        if stubborn:
            raise PlatformError(
                "QEMU does not end: process "
                + ", ".join(str(process.pid) for process in stubborn)
            )

    def _tagged(self) -> list[psutil.Process]:
        return procs.tagged(tag(self.token))

    def _processes(self, hosts: Collection[str]) -> list[psutil.Process]:
        return [process for process in self._tagged() if self._host(process) in hosts]

    def _host(self, process: psutil.Process) -> str:
        prefix = tag(self.token)
        words = procs.words(process)
        return next((word[len(prefix) :] for word in words if word.startswith(prefix)), "")


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss >> 20)
    except psutil.Error:
        return 0
