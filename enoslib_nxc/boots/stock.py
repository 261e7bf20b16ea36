"""Machines that keep the system which they have: there is nothing to boot.

Nodes of a Grid'5000 job of type deploy get the environment of `g5k.env_name` first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from enoslib_nxc import own_system, shell, status
from enoslib_nxc.boots import Checked, Run
from enoslib_nxc.boots import deployed as deployed_first
from enoslib_nxc.config import Settings
from enoslib_nxc.data import Scalar
from enoslib_nxc.events import Event, Phase, Status
from enoslib_nxc.model import Deployment, Identity, Machine, Node
from enoslib_nxc.own_system import Met
from enoslib_nxc.parallel import Outcomes
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline


class StockBoot:
    """Leaves machines as they are; see `enoslib_nxc.stock` for what they are told."""

    def require(self) -> None:
        """Refuse a machine without ssh."""
        shell.require("ssh", purpose="to reach the machines", package="openssh-client")

    def shape(self, settings: Settings, node: Node, machine: Machine) -> dict[str, Scalar]:
        """Return nothing: there is no boot."""
        return {}

    def check(self, run: Run, wanted: Mapping[str, Identity]) -> Checked:
        """See which machines let root in."""
        return Checked(run, self.met(run, wanted).failed)

    def met(
        self, run: Run, hosts: Iterable[str], *, anew: Collection[str] = ()
    ) -> Outcomes[Met]:
        """Meet machines; nodes of a deploy job that let no root in are deployed first.

        Args:
            run: the run.
            hosts: which.
            anew: those that are deployed whatever they run, where they can be.
        """

        def meet(host: str) -> Met:
            return own_system.meet(run.deployment, run.home, host)

        return deployed_first.reached(run, hosts, meet, anew=anew)

    def start(self, run: Run, host: str, deadline: Deadline) -> None:
        """Start nothing."""

    def stop(self, run: Run, hosts: list[str]) -> None:
        """Have machines forget the deployment; what stays on those that do not is told."""
        seconds = run.settings.deadlines.destroy
        for line in own_system.leave(run.deployment, run.home, hosts, seconds):
            run.report(Event(Phase.BOOT, Status.PROGRESS, "", line))

    def alive(self, deployment: Deployment, home: Home) -> set[str]:
        """Return the hosts that were up when they were last seen."""
        return {m.host for m in deployment.machines.values() if m.state == "up"}

    def arrive(self, run: Run, access: Access, deadline: Deadline) -> Report:
        """Ask a machine what it says of itself; it was never away."""
        _, host_key = own_system.ways(run.deployment, run.home, access.name)[0]
        return status.ask(access, host_key)

    def log(self, run: Run, host: str) -> str:
        """Return "": its console is not ours to read."""
        return ""

    def close(self) -> None:
        """Have nothing to end."""
