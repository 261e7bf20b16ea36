"""What puts the built system on machines: one module per boot, one interface for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from enoslib_nxc.config import Settings
from enoslib_nxc.context import NodeContext
from enoslib_nxc.events import Reporter
from enoslib_nxc.model import Deployment, Identity, Machine
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
        deployment: the record as it stands.
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
        changed = {**self.deployment.machines, **{m.host: m for m in machines}}
        deployment = self.deployment.model_copy(update={"machines": changed})
        self.home.save(deployment)
        return replace(self, deployment=deployment)


class Boot(Protocol):
    """Puts the built system on machines, and takes it off."""

    def require(self) -> None:
        """Refuse a machine without the programs, before anything is built.

        Raises:
            ToolMissingError: what is missing.
        """

    def check(self, run: Run, wanted: Mapping[str, Identity]) -> None:
        """Refuse what cannot work, before anything starts.

        Args:
            run: the run.
            wanted: what is going to be started: host -> what it should run.

        Raises:
            NxcError: what is too small or too long.
        """

    def start(self, run: Run, host: str) -> None:
        """Start one machine with its planned identity, ending what ran in its place.

        Returns as soon as the machine is on its way; called for several hosts at once.

        Raises:
            NxcError: it could not be started.
        """

    def stop(self, run: Run, hosts: list[str]) -> None:
        """End machines, within the deadline for destroying."""

    def alive(self, deployment: Deployment) -> set[str]:
        """Return the hosts whose machine is there at all; it may not answer."""

    def arrive(self, run: Run, access: Access, deadline: Deadline) -> Report:
        """Wait until a started machine answers, and return its account of itself.

        Raises:
            NxcError: it cannot come up any more, or the time is over.
        """

    def log(self, run: Run, host: str) -> str:
        """Return the last lines that the machine wrote, "" where there is no console."""
