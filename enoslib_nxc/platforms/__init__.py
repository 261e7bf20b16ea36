"""Who gives machines: one module per platform, one interface for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from enoslib_nxc.config import Settings
from enoslib_nxc.model import Deployment, Machine, Plan


class Platform(Protocol):
    """Gives machines, and takes them back."""

    def check(self, settings: Settings) -> None:
        """Refuse what cannot work here, before anything is built.

        Raises:
            NxcError: what is missing.
        """

    def acquire(
        self, settings: Settings, plan: Plan, held: Mapping[str, Machine]
    ) -> dict[str, Machine]:
        """Return a machine for each host of the plan.

        Args:
            settings: the configuration.
            plan: the hosts.
            held: machines that the deployment has already; they are kept as they are.

        Raises:
            NxcError: there are not enough.
        """

    def network(self, settings: Settings) -> str:
        """Return the CIDR of the network that the machines share."""

    def connect(self, deployment: Deployment) -> bool:
        """Make sure that the machines' network is there.

        Returns:
            Whether it had to be made anew: machines that ran on an older one are cut off.
        """

    def connected(self, deployment: Deployment) -> bool:
        """Tell whether the machines' network is there."""

    def release(self, deployment: Deployment, timeout: float) -> None:
        """Give back all that a deployment holds; works from its record alone.

        Args:
            deployment: the record.
            timeout: seconds.

        Raises:
            NxcError: something could not be given back.
        """
