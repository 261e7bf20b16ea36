"""The table of flavours: a flavour is a platform and a boot.

Names are NXC's (`nix/flavours.json` of NixOS Compose 0.7.11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from enoslib_nxc.booking import Booking
from enoslib_nxc.boots import Boot
from enoslib_nxc.boots.kadeploy import KadeployBoot
from enoslib_nxc.boots.kexec import KexecBoot
from enoslib_nxc.boots.nspawn import NspawnBoot
from enoslib_nxc.boots.qemu import QemuBoot
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import ConfigError
from enoslib_nxc.platforms import Platform
from enoslib_nxc.platforms.g5k import G5kPlatform
from enoslib_nxc.platforms.hosts import Given, HostsPlatform
from enoslib_nxc.platforms.local import LocalPlatform
from enoslib_nxc.platforms.nspawn import NspawnPlatform


@dataclass(frozen=True)
class Source:
    """Where the machines of one deployment come from, beside its flavour.

    Args:
        hosts: another EnOSlib provider, or the hosts that it gave; None for our own.
        lent: whether another provider gave them, when it is not at hand.
        booking: when they are wanted, where there is a calendar.
    """

    hosts: Given = None
    lent: bool = False
    booking: Booking = field(default_factory=Booking)

    @classmethod
    def of(cls, hosts: Given, booking: Booking) -> Source:
        """Return the source of a provider's machines.

        Args:
            hosts: as given to it.
            booking: when.
        """
        return cls(hosts, hosts is not None, booking)


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
        boot_seconds: deadlines.boot when it is not given, None for the usual one.
    """

    name: str
    platform: Callable[[Source], Platform]
    boot: Callable[[], Boot]
    description: str
    ramdisk: bool = False
    calendar: bool = False
    boot_seconds: float | None = None

    def effective(self, settings: Settings) -> Settings:
        """Return the settings with what this flavour takes for granted."""
        given = settings.deadlines
        if self.boot_seconds is None or "boot" in given.model_fields_set:
            return settings
        deadlines = given.model_copy(update={"boot": self.boot_seconds})
        return settings.model_copy(update={"deadlines": deadlines})


KADEPLOY_SECONDS = 1800.0
"""Kadeploy takes 5 to 10 minutes where servers have to reboot; once more for a retry."""


def _local(_source: Source) -> Platform:
    return LocalPlatform()


def _nspawn(_source: Source) -> Platform:
    return NspawnPlatform()


def _hosts(source: Source) -> Platform:
    return HostsPlatform(source.hosts)


def _grid5000(source: Source) -> Platform:
    return G5kPlatform(source.booking)


FLAVOURS = {
    row.name: row
    for row in (
        Flavour("vm-ramdisk", _local, QemuBoot, "virtual machines here, in memory", True),
        Flavour("nspawn", _nspawn, NspawnBoot, "containers here, by systemd-nspawn, as root"),
        Flavour(
            "g5k-ramdisk",
            _grid5000,
            KexecBoot,
            "Grid'5000, in memory, by kexec",
            ramdisk=True,
            calendar=True,
        ),
        Flavour(
            "g5k-nfs-store",
            _grid5000,
            KexecBoot,
            "Grid'5000, by kexec, with the store over NFS",
            calendar=True,
        ),
        Flavour(
            "g5k-image",
            _grid5000,
            KadeployBoot,
            "Grid'5000, on disk, by Kadeploy",
            calendar=True,
            boot_seconds=KADEPLOY_SECONDS,
        ),
    )
}
"""Every flavour that this version runs, by name."""


def on(name: str, source: Source) -> Flavour:
    """Return the row of a flavour, or what takes its place on machines of another provider.

    Args:
        name: the flavour.
        source: where the machines come from.

    Raises:
        ConfigError: the flavour's image does not boot anywhere else.
    """
    row = FLAVOURS[name]
    if not source.lent:
        return row
    if not row.ramdisk:
        known = ", ".join(each.name for each in FLAVOURS.values() if each.ramdisk)
        raise ConfigError(
            f"flavour {name} cannot be booted on hosts of another provider",
            resolution=f"set flavour to one of: {known}",
        )
    description = "hosts of another EnOSlib provider, in memory, by kexec"
    return Flavour(name, _hosts, KexecBoot, description, row.ramdisk)
