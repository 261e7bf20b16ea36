"""Who gives machines: one module per platform, one interface for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from enoslib_nxc.config import Settings
from enoslib_nxc.events import Reporter
from enoslib_nxc.model import Deployment, Job, Machine, Plan, SiteNetwork
from enoslib_nxc.outlook import Outlook, unknown
from enoslib_nxc.state import Home


@dataclass(frozen=True)
class Held:
    """What a platform with a calendar reserved, whether it has begun or not.

    Args:
        jobs: the reservations.
        login: the user's login there.
    """

    jobs: tuple[Job, ...] = ()
    login: str = ""


@dataclass(frozen=True)
class Grant:
    """What a platform gave.

    Args:
        machines: host name -> machine, for each host of the plan; fewer within `min`.
        networks: CIDR of each network that they know each other by.
        site_networks: networks that were reserved with them.
        lent: whether another EnOSlib provider gave them.
        ours_to_end: whether another EnOSlib provider made the machines at our wish.
        vm_hosts: the hosts that have something of them, where they are virtual ones.
    """

    machines: dict[str, Machine]
    networks: tuple[str, ...]
    site_networks: tuple[SiteNetwork, ...] = ()
    lent: bool = False
    ours_to_end: bool = False
    vm_hosts: tuple[Machine, ...] = ()


class Platform(Protocol):
    """Gives machines, and takes them back.

    Attributes:
        keeps: whether what it gave stays ours when nothing could be started on it: machines
            that were waited for are not given away for a mistake that can be mended.
    """

    keeps: bool

    def check(self, settings: Settings) -> None:
        """Refuse what cannot work here, before anything is built.

        Raises:
            NxcError: what is missing.
        """

    def reserve(
        self, settings: Settings, plan: Plan, previous: Deployment | None, *, force: bool
    ) -> Held:
        """Reserve machines where there is a calendar, without waiting for them.

        Args:
            settings: the configuration.
            plan: the hosts.
            previous: the record as it stood before.
            force: take machines over whatever they run.

        Raises:
            NxcError: they cannot be had.
            EnosError: EnOSlib's, on dates.
        """

    def acquire(
        self,
        settings: Settings,
        home: Home,
        plan: Plan,
        previous: Deployment | None,
        report: Reporter,
    ) -> Grant:
        """Get a machine for each host of the plan; `reserve` was called before.

        Args:
            settings: the configuration.
            home: the deployment's directory.
            plan: the hosts.
            previous: the record as it stands; machines that it has are kept as they are,
                as long as they can be.
            report: where events go.

        Raises:
            NxcError: there are not enough.
        """

    def find(self, settings: Settings) -> tuple[Job, ...]:
        """Return the live reservations of the configuration's name.

        Raises:
            NxcError: the calendar cannot be asked.
        """

    def give_up(self, settings: Settings) -> tuple[str, ...]:
        """Delete the reservations of the configuration's name, of which nothing is on record.

        Returns:
            What people should know about them.

        Raises:
            NxcError: they could not be deleted.
        """

    def test_slot(self, settings: Settings, plan: Plan) -> bool:
        """Tell whether the machines can be had at the date that is set."""

    def foresee(self, settings: Settings, plan: Plan, previous: Deployment | None) -> Outlook:
        """Tell what it would give, for people; nothing is taken, started or changed.

        Args:
            settings: the configuration.
            plan: the hosts.
            previous: the record as it stands.

        Raises:
            NxcError: it could not be given; found without asking machines.
            EnosError: EnOSlib's, on dates.
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


class NoCalendar:
    """What platforms without reservations have in common."""

    keeps = False

    def reserve(
        self, settings: Settings, plan: Plan, previous: Deployment | None, *, force: bool
    ) -> Held:
        """Reserve nothing."""
        return Held()

    def find(self, settings: Settings) -> tuple[Job, ...]:
        """Find nothing."""
        return ()

    def give_up(self, settings: Settings) -> tuple[str, ...]:
        """Have nothing to give up."""
        return ()

    def test_slot(self, settings: Settings, plan: Plan) -> bool:
        """Any date will do."""
        return True

    def foresee(self, settings: Settings, plan: Plan, previous: Deployment | None) -> Outlook:
        """Know nothing but that the hosts share a network."""
        return unknown(tuple(node.host for node in plan.nodes))
