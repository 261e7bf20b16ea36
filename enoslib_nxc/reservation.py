"""What of a provider concerns reservations: whose machines, from when, for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enoslib.errors import NegativeWalltime
from enoslib.infra.provider import Provider
from enoslib.objects import Roles

from enoslib_nxc.booking import Booking
from enoslib_nxc.builder import NixOSComposeConf
from enoslib_nxc.errors import StateError

if TYPE_CHECKING:
    from enoslib_nxc.config import Settings
    from enoslib_nxc.flavours import Source
    from enoslib_nxc.platforms.lent import Given
    from enoslib_nxc.running import RunningDeployment


class ReservingProvider(Provider):  # type: ignore[misc]
    """A provider that knows its configuration, its lenders, its date and its walltime.

    Args:
        provider_conf: the configuration.
        name: name inside EnOSlib's `Providers`.
        hosts: another provider, or hosts, as `NixOSCompose` takes them.
        vm_hosts: likewise.

    Raises:
        ConfigError: the configuration is wrong.
    """

    provider_conf: NixOSComposeConf

    def __init__(
        self, provider_conf: NixOSComposeConf, name: str | None, hosts: Given, vm_hosts: Given
    ) -> None:
        super().__init__(provider_conf, name)
        self.hosts = _kept(hosts)
        self.vm_hosts = _kept(vm_hosts)
        self.reservation: int | None = None
        self.walltime_offset = 0

    @property
    def settings(self) -> Settings:
        """The checked, frozen configuration."""
        return self.provider_conf.settings

    @property
    def deployment(self) -> RunningDeployment | None:
        """The record of the running deployment, None when there is none of this job name."""
        from enoslib_nxc import state
        from enoslib_nxc.running import RunningDeployment

        home = state.find(self.settings.job_name)
        record = home.load() if home else None
        return RunningDeployment.of(record) if record else None

    def set_reservation(self, timestamp: int) -> None:
        """Set the date of the reservation; machines of this computer need none.

        Args:
            timestamp: seconds since the epoch, UTC.
        """
        self.reservation = timestamp
        for lender in self._lenders:
            lender.set_reservation(timestamp)

    def offset_walltime(self, offset: int) -> None:
        """Change the walltime of a reservation to come; machines here have none.

        Args:
            offset: seconds to add; they add up over calls.

        Raises:
            NegativeWalltime: nothing would be left of it.
        """
        from enoslib_nxc.config_g5k import walltime_seconds

        changed = self.walltime_offset + offset
        if walltime_seconds(self.settings.g5k.walltime) + changed <= 0:
            raise NegativeWalltime
        self.walltime_offset = changed
        for lender in self._lenders:
            lender.offset_walltime(offset)

    def remaining_walltime(self) -> float | None:
        """Return the seconds until the first of the running reservations ends, None if none.

        Raises:
            NxcError: the calendar cannot be asked.
        """
        from enoslib_nxc.g5k import walltime

        deployment = self.deployment
        left = walltime.remaining(deployment.jobs) if deployment else ()
        return min((each.seconds for each in left if each.runs), default=None)

    def extend_walltime(self, seconds: int) -> None:
        """Ask for more time for every reservation that runs (or less, when negative).

        What is granted depends on who comes next; see `remaining_walltime`.

        Args:
            seconds: to add.

        Raises:
            NxcError: there is no reservation, or it was refused.
        """
        from enoslib_nxc.g5k import walltime

        deployment = self.deployment
        if deployment is None or not deployment.jobs:
            raise StateError(f"deployment {self.settings.job_name} has no reservation")
        for job in deployment.jobs:
            walltime.extend(job, seconds)

    @property
    def _source(self) -> Source:
        from enoslib_nxc.flavours import Source

        booking = Booking(self.reservation, self.walltime_offset)
        return Source.of(self.hosts, booking, self.vm_hosts)

    @property
    def _lenders(self) -> list[Provider]:
        """The other providers, where some were given and not just their hosts."""
        return [given for given in (self.hosts, self.vm_hosts) if isinstance(given, Provider)]


def _kept(given: Given) -> Given:
    """Return what can be read again, copied and pickled, whatever was given."""
    if given is None or isinstance(given, Provider | Roles):
        return given
    return list(given)
