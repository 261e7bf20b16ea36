"""A row of the table of flavours, and where a deployment's machines come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from enoslib_nxc.booking import Booking
from enoslib_nxc.boots import Boot
from enoslib_nxc.config import Settings
from enoslib_nxc.platforms import Platform
from enoslib_nxc.platforms.lent import Given


@dataclass(frozen=True)
class Source:
    """Where the machines of one deployment come from, beside its flavour.

    Args:
        hosts: another EnOSlib provider, or the hosts that it gave; None for our own.
        lent: whether another provider gave them, when it is not at hand.
        booking: when they are wanted, where there is a calendar.
        vm_hosts: another EnOSlib provider, or the hosts that it gave, to run virtual machines;
            None for this computer, or for what the configuration says.
    """

    hosts: Given = None
    lent: bool = False
    booking: Booking = field(default_factory=Booking)
    vm_hosts: Given = None

    @classmethod
    def of(cls, hosts: Given, booking: Booking, vm_hosts: Given = None) -> Source:
        """Return the source of a provider's machines.

        Args:
            hosts: as given to it.
            booking: when.
            vm_hosts: as given to it.
        """
        return cls(hosts, hosts is not None, booking, vm_hosts)

    def elsewhere(self, settings: Settings) -> bool:
        """Tell whether virtual machines in memory run on other hosts than this computer."""
        return self.vm_hosts is not None or bool(settings.vm.on)


@dataclass(frozen=True)
class Flavour:
    """One row of the table.

    Args:
        name: NXC's name.
        platform: makes the platform that gives the machines.
        boot: makes the boot that puts the system on them.
        description: one line for people.
        ramdisk: whether its image is in memory altogether, so that any machine can boot it.
        calendar: whether the platform's machines are reserved.
        stock: whether machines keep the system that they have: nothing is built for them.
        boot_seconds: deadlines.boot when it is not given, None for the usual one.
    """

    name: str
    platform: Callable[[Source], Platform]
    boot: Callable[[], Boot]
    description: str
    ramdisk: bool = False
    calendar: bool = False
    stock: bool = False
    boot_seconds: float | None = None

    def effective(self, settings: Settings) -> Settings:
        """Return the settings with what this flavour takes for granted."""
        given = settings.deadlines
        if self.boot_seconds is None or "boot" in given.model_fields_set:
            return settings
        deadlines = given.model_copy(update={"boot": self.boot_seconds})
        return settings.model_copy(update={"deadlines": deadlines})
