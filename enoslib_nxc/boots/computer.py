"""Where QEMU runs: what its boot asks of a computer, be it this one or a host of others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePath
from typing import Protocol, TypeAlias

from enoslib_nxc.boots import Run
from enoslib_nxc.boots.accel import Accel
from enoslib_nxc.boots.qemu_argv import Command
from enoslib_nxc.errors import CommandError, NxcError, PlatformError
from enoslib_nxc.model import Deployment, Machine
from enoslib_nxc.state import Home

QEMU = "qemu-system-x86_64"

SERVE = Path(__file__).with_name("serve_file.sh")
"""Answers a machine that fetches the deployment JSON."""


class Computer(Protocol):
    """A computer that runs machines of a deployment.

    Attributes:
        name: for people.
    """

    @property
    def name(self) -> str:
        """For people."""

    @property
    def qemu(self) -> str:
        """Path of QEMU.

        Raises:
            ToolMissingError: it is not installed.
        """

    def prepare(self, run: Run) -> None:
        """Have there what machines are started from.

        Raises:
            NxcError: it did not get there.
        """

    def files(self, run: Run) -> tuple[PurePath, PurePath]:
        """Return the paths there of kernel and initrd."""

    def accel(self, run: Run) -> Accel:
        """Return the accelerator to use, found by trying.

        Raises:
            PlatformError: KVM was asked for and does not work.
        """

    def available(self, hosts: Collection[str]) -> int:
        """Return the MiB of memory that machines can have.

        Args:
            hosts: those that end before.
        """

    def card(self, machine: Machine) -> str:
        """Return QEMU's network backend (`-netdev`) n1: the deployment's network."""

    def answer(self, run: Run) -> tuple[str, ...]:
        """Return the command that answers a machine with the deployment JSON."""

    def console(self, host: str) -> PurePath:
        """Return the path there of a machine's console log."""

    def read(self, host: str) -> str:
        """Return the end of a machine's console log, "" where there is none."""

    def running(self) -> set[str]:
        """Return the hosts that have a QEMU process there."""

    def start(self, command: Command, machine: Machine) -> None:
        """Start a machine; none of its host runs.

        Raises:
            CommandError: QEMU did not start.
        """

    def end(self, hosts: Collection[str], timeout: float) -> None:
        """End machines.

        Args:
            hosts: of which hosts.
            timeout: seconds.

        Raises:
            PlatformError: some do not end.
        """


Computers: TypeAlias = Callable[[Deployment, Home], Mapping[str, Computer]]
"""Gives the computer of each host; hosts of one share it."""


def tag(token: str, host: str = "") -> str:
    """Return the word in a QEMU's command line by which a machine is found again.

    Args:
        token: the deployment's.
        host: host name; "" for what is common to all.
    """
    return f"enoslib-nxc:{token}:{host}"


def refusal(error: CommandError, machine: Machine, where: str) -> NxcError:
    """Return what a failed start of QEMU means to the user.

    Args:
        error: what was told.
        machine: that of the start.
        where: the computer's loopback, for people.
    """
    if "Could not set up host forwarding rule" in error.details:
        return PlatformError(
            f"port {machine.ssh_port} of {where}, for ssh to {machine.host}, is taken",
            resolution="end what listens there, or destroy() and init() to get another port",
        )
    return PlatformError(f"{machine.host}: {error.brief}", details=error.details)
