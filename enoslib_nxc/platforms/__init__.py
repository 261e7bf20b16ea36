"""Who gives machines: one module per platform, one interface for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from enoslib_nxc.config import Settings
from enoslib_nxc.model import Deployment, Machine, Plan
from enoslib_nxc.state import Home


@dataclass(frozen=True)
class Grant:
    """What a platform gave.

    Args:
        machines: host name -> machine, for each host of the plan.
        networks: CIDR of each network that they know each other by.
        lent: whether another EnOSlib provider gave them.
        ours_to_end: whether another EnOSlib provider made the machines at our wish.
    """

    machines: dict[str, Machine]
    networks: tuple[str, ...]
    lent: bool = False
    ours_to_end: bool = False


class Platform(Protocol):
    """Gives machines, and takes them back."""

    def check(self, settings: Settings) -> None:
        """Refuse what cannot work here, before anything is built.

        Raises:
            NxcError: what is missing.
        """

    def acquire(
        self, settings: Settings, home: Home, plan: Plan, previous: Deployment | None
    ) -> Grant:
        """Get a machine for each host of the plan.

        Args:
            settings: the configuration.
            home: the deployment's directory.
            plan: the hosts.
            previous: the record as it stands; machines that it has are kept as they are,
                as long as they can be.

        Raises:
            NxcError: there are not enough.
        """

    def connect(self, deployment: Deployment) -> bool:
        """Make sure that the machines' network is there.

        Returns:
            Whether it had to be made anew: machines that ran on an older one are cut off.
        """

    def connected(self, deployment: Deployment) -> bool:
        """Tell whether the machines' network is there."""

    def release(self, deployment: Deployment, home: Home, timeout: float) -> tuple[str, ...]:
        """Give back all that a deployment holds; works from its record alone.

        Args:
            deployment: the record.
            home: the deployment's directory.
            timeout: seconds.

        Returns:
            What was given back otherwise than it should be, for people; mostly nothing.

        Raises:
            NxcError: something could not be given back.
        """
