"""What puts the built system on machines: one module per boot, one interface for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from enoslib_nxc.config import Settings
from enoslib_nxc.context import NodeContext
from enoslib_nxc.data import Scalar
from enoslib_nxc.errors import NxcError
from enoslib_nxc.events import Reporter
from enoslib_nxc.model import Deployment, Identity, Machine, Node
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline


@dataclass(frozen=True)
class Run:
    """One `init()` at work: what boots and platforms need to know.

    Args:
        settings: the checked configuration.
        home: the deployment's directory.
        deployment: the record as it stands, as far as it concerns one flavour.
        context: what the machines are told.
        report: where events go.
    """

    settings: Settings
    home: Home
    deployment: Deployment
    context: NodeContext
    report: Reporter

    def machine(self, host: str) -> Machine:
        """Return the machine of a host."""
        return self.deployment.machines[host]

    def having(self, *machines: Machine) -> Run:
        """Return this run with machines replaced, and record it on disk."""
        changed = {machine.host: machine for machine in machines}
        self.home.merge(self.deployment, changed)
        return replace(self, deployment=self.deployment.having(changed))


@dataclass(frozen=True)
class Checked:
    """What a boot found before it starts anything.

    Args:
        run: the run, with what was learnt of its machines.
        refused: host -> why it cannot be started.
    """

    run: Run
    refused: dict[str, NxcError] = field(default_factory=dict)


class Boot(Protocol):
    """Puts the built system on machines, and takes it off."""

    def require(self) -> None:
        """Refuse a machine without the programs, before anything is built.

        Raises:
            ToolMissingError: what is missing.
        """

    def shape(self, settings: Settings, node: Node, machine: Machine) -> dict[str, Scalar]:
        """Return what of a machine, beside its system, needs a boot to change."""

    def check(self, run: Run, wanted: Mapping[str, Identity]) -> Checked:
        """Refuse what cannot work, before anything starts.

        Args:
            run: the run.
            wanted: what is going to be started: host -> what it should run.

        Returns:
            The run, with what was learnt of its machines, and those that cannot be started.

        Raises:
            NxcError: what is wrong with all of them: too small, too long.
        """

    def start(self, run: Run, host: str, deadline: Deadline) -> None:
        """Start one machine with its planned identity, ending what ran in its place.

        Returns as soon as the machine is on its way; called for several hosts at once.

        Args:
            run: the run.
            host: host name.
            deadline: nothing is tried again once it has passed, as it does on Ctrl-C.

        Raises:
            NxcError: it could not be started.
        """

    def stop(self, run: Run, hosts: list[str]) -> None:
        """End machines, within the deadline for destroying."""

    def alive(self, deployment: Deployment, home: Home) -> set[str]:
        """Return the hosts whose machine is there, as started by us; it may not answer."""

    def arrive(self, run: Run, access: Access, deadline: Deadline) -> Report:
        """Wait until a started machine answers, and return its account of itself.

        Raises:
            NxcError: it cannot come up any more, or the time is over.
        """

    def log(self, run: Run, host: str) -> str:
        """Return the last lines that the machine wrote under a line that says where they are.

        "" where there are none.
        """

    def close(self) -> None:
        """End what served the machines while they booted."""
