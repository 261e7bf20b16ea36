"""The table of flavours: a flavour is a platform and a boot.

Names are NXC's (`nix/flavours.json` of NixOS Compose 0.7.11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from enoslib_nxc.boots import Boot
from enoslib_nxc.boots.qemu import QemuBoot
from enoslib_nxc.platforms import Platform
from enoslib_nxc.platforms.local import LocalPlatform


@dataclass(frozen=True)
class Flavour:
    """One row of the table.

    Args:
        name: NXC's name.
        platform: makes the platform that gives the machines.
        boot: makes the boot that puts the system on them.
        description: one line for people.
    """

    name: str
    platform: Callable[[], Platform]
    boot: Callable[[], Boot]
    description: str


FLAVOURS = {
    row.name: row
    for row in (
        Flavour("vm-ramdisk", LocalPlatform, QemuBoot, "virtual machines here, in memory"),
    )
}
"""Every flavour that this version runs, by name."""
