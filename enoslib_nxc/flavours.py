"""The table of flavours: a flavour is a platform and a boot.

Names are NXC's (`nix/flavours.json` of NixOS Compose 0.7.11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from enoslib_nxc.boots import Boot
from enoslib_nxc.boots.kexec import KexecBoot
from enoslib_nxc.boots.qemu import QemuBoot
from enoslib_nxc.errors import ConfigError
from enoslib_nxc.platforms import Platform
from enoslib_nxc.platforms.hosts import Given, HostsPlatform
from enoslib_nxc.platforms.local import LocalPlatform


@dataclass(frozen=True)
class Flavour:
    """One row of the table.

    Args:
        name: NXC's name.
        platform: makes the platform that gives the machines.
        boot: makes the boot that puts the system on them.
        description: one line for people.
        ramdisk: whether its image is in memory altogether, so that any machine can boot it.
    """

    name: str
    platform: Callable[[], Platform]
    boot: Callable[[], Boot]
    description: str
    ramdisk: bool = False


FLAVOURS = {
    row.name: row
    for row in (
        Flavour(
            "vm-ramdisk", LocalPlatform, QemuBoot, "virtual machines here, in memory", True
        ),
    )
}
"""Every flavour that this version runs, by name."""


def on(name: str, *, lent: bool, hosts: Given = None) -> Flavour:
    """Return the row of a flavour, or what takes its place on machines of another provider.

    Args:
        name: the flavour.
        lent: whether the machines are those of another EnOSlib provider.
        hosts: that provider, or the hosts that it gave.

    Raises:
        ConfigError: the flavour's image does not boot anywhere else.
    """
    row = FLAVOURS[name]
    if not lent:
        return row
    if not row.ramdisk:
        known = ", ".join(each.name for each in FLAVOURS.values() if each.ramdisk)
        raise ConfigError(
            f"flavour {name} cannot be booted on hosts of another provider",
            resolution=f"set flavour to one of: {known}",
        )
    description = "hosts of another EnOSlib provider, in memory, by kexec"
    return Flavour(name, lambda: HostsPlatform(hosts), KexecBoot, description, row.ramdisk)
