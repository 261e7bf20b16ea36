"""The table of flavours: a flavour is a platform and a boot.

Names are NXC's (`nix/flavours.json` of NixOS Compose 0.7.11), but for those of machines that
keep their own system.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from enoslib_nxc.boots import Boot
from enoslib_nxc.boots.compose import ComposeBoot
from enoslib_nxc.boots.kadeploy import KadeployBoot
from enoslib_nxc.boots.kexec import KexecBoot
from enoslib_nxc.boots.nspawn import NspawnBoot
from enoslib_nxc.boots.qemu import QemuBoot
from enoslib_nxc.boots.qemu_image import SharedStore
from enoslib_nxc.boots.stock import StockBoot
from enoslib_nxc.boots.there import there
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import ConfigError
from enoslib_nxc.flavour import Flavour, Source
from enoslib_nxc.model import Deployment
from enoslib_nxc.platforms import Platform, vm_hosts
from enoslib_nxc.platforms.containers import ContainerPlatform
from enoslib_nxc.platforms.g5k import G5kPlatform
from enoslib_nxc.platforms.hosts import HostsPlatform
from enoslib_nxc.platforms.local import LocalPlatform
from enoslib_nxc.platforms.nspawn import NspawnPlatform
from enoslib_nxc.platforms.vm_hosts import VM_RAMDISK, VmHostsPlatform

__all__ = [
    "ENTRY_POINTS",
    "FLAVOURS",
    "KADEPLOY_SECONDS",
    "STOCK",
    "Flavour",
    "Source",
    "booked",
    "names",
    "of_others",
    "on",
    "platforms",
    "recorded",
    "row",
    "rows",
]


STOCK = "stock"
"""The flavour of machines that keep their own system, of another provider always."""

KADEPLOY_SECONDS = 1800.0
"""Kadeploy takes 5 to 10 minutes where servers have to reboot; once more for a retry."""


def _local(_source: Source) -> Platform:
    return LocalPlatform()


def _sharing() -> Boot:
    return QemuBoot(SharedStore())


def _containers(_source: Source) -> Platform:
    return ContainerPlatform()


def _nspawn(_source: Source) -> Platform:
    return NspawnPlatform()


def _on_vm_hosts(source: Source) -> Platform:
    return VmHostsPlatform(source.vm_hosts)


def _there() -> Boot:
    return QemuBoot(computers=there)


def _hosts(source: Source) -> Platform:
    return HostsPlatform(source.hosts)


def _grid5000(source: Source) -> Platform:
    return G5kPlatform(source.booking)


FLAVOURS = {
    row.name: row
    for row in (
        Flavour("vm-ramdisk", _local, QemuBoot, "virtual machines here, in memory", True),
        Flavour("docker", _containers, ComposeBoot, "containers here, by Docker"),
        Flavour(
            "vm", _local, _sharing, "virtual machines here, with the store of this computer"
        ),
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
        Flavour(
            "g5k-stock",
            _grid5000,
            StockBoot,
            "Grid'5000, in the nodes' own environment",
            calendar=True,
            stock=True,
        ),
        Flavour(
            STOCK,
            _hosts,
            StockBoot,
            "hosts of another EnOSlib provider, in their own system",
            stock=True,
        ),
    )
}
"""Every flavour that this package runs, by name."""

ENTRY_POINTS = "enoslib_nxc.flavours"
"""Group of entry points by which other packages add flavours: `NAME = "MODULE:FLAVOUR"`."""


def names() -> tuple[str, ...]:
    """Return the names of all flavours, those of other packages last."""
    return tuple(dict.fromkeys((*FLAVOURS, *of_others())))


def row(name: str) -> Flavour:
    """Return the row of a flavour.

    Args:
        name: one of `names`.

    Raises:
        ConfigError: another package has it, and cannot be loaded.
    """
    if name in FLAVOURS:
        return FLAVOURS[name]
    entry = of_others()[name]
    package = f"package {entry.dist.name}" if entry.dist else entry.value
    try:
        loaded = entry.load()
    except Exception as error:  # whatever a foreign module does while it is imported
        raise ConfigError(
            f"flavour {name} of {package} cannot be loaded",
            details=f"{type(error).__name__}: {error}",
            resolution="mend or remove that package",
        ) from error
    if not isinstance(loaded, Flavour):
        raise ConfigError(f"flavour {name} of {package}: {entry.value} is not a Flavour")
    return loaded


@cache
def of_others() -> dict[str, EntryPoint]:
    """Return the flavours of other packages, which are not loaded yet."""
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def on(name: str, source: Source) -> Flavour:
    """Return the row of a flavour, or what takes its place on machines of another provider.

    Args:
        name: the flavour.
        source: where the machines come from.

    Raises:
        ConfigError: the flavour's image does not boot anywhere else; or it is for machines
            of another provider, and there are none.
    """
    if source.vm_hosts is not None and name == VM_RAMDISK:
        return _hosted()
    found = row(name)
    if name == STOCK:
        if source.lent:
            return found
        raise ConfigError(
            f"flavour {STOCK} is for hosts of another provider, and none were given",
            resolution="give them, or their provider: NixOSCompose(conf, hosts=PROVIDER); "
            "nodes of Grid'5000 in their own environment are flavour g5k-stock",
        )
    if not source.lent:
        return found
    if not found.ramdisk:
        known = ", ".join([*(each.name for each in FLAVOURS.values() if each.ramdisk), STOCK])
        raise ConfigError(
            f"flavour {name} cannot be booted on hosts of another provider",
            resolution=f"set flavour to one of: {known}",
        )
    description = "hosts of another EnOSlib provider, in memory, by kexec"
    return Flavour(name, _hosts, KexecBoot, description, found.ramdisk)


def _hosted() -> Flavour:
    """Return what takes the place of `VM_RAMDISK` on hosts that run virtual machines."""
    description = "virtual machines on other hosts, in memory"
    return Flavour(VM_RAMDISK, _on_vm_hosts, _there, description, ramdisk=True)


def rows(settings: Settings, source: Source) -> dict[str, Flavour]:
    """Return the rows of all flavours that the roles of a configuration run with.

    Hosts of another provider are for the roles without a flavour of their own, and for those
    of flavour `stock`.

    Args:
        settings: the configuration.
        source: where the machines come from.

    Raises:
        ConfigError: a flavour's image does not boot on hosts of another provider, or no role
            is left for them.
    """
    theirs = {settings.flavour, STOCK}
    if source.lent and theirs.isdisjoint(settings.flavours):
        raise ConfigError(
            "hosts of another provider were given, but every role has a flavour of its own",
            resolution="leave hosts= out, or take flavour from the roles that they are for",
        )
    own = replace(source, hosts=None, lent=False)
    found = {name: on(name, source if name in theirs else own) for name in settings.flavours}
    if source.elsewhere(settings):
        vm_hosts.check_flavours(settings, source.vm_hosts, taken_over=source.lent)
        # what concerns virtual machines means nothing to containers
        found |= {name: _hosted() for name in found if name == VM_RAMDISK}
    return found


def recorded(deployment: Deployment, source: Source) -> dict[str, Flavour]:
    """Return the rows of all flavours that a deployment runs with, by its record.

    Args:
        deployment: the record.
        source: where the machines came from, as far as is known.
    """
    return {
        part.flavour: _hosted()
        if part.vm_hosts
        else on(part.flavour, replace(source, lent=part.lent))
        for part in deployment.parts
    }


def platforms(rows: Mapping[str, Flavour], source: Source) -> dict[Platform, tuple[str, ...]]:
    """Make each platform of some flavours once.

    Args:
        rows: flavour -> its row.
        source: where the machines come from.

    Returns:
        Platform -> the flavours that it gives machines to.
    """
    names: dict[Callable[[Source], Platform], list[str]] = {}
    for name, row in rows.items():
        names.setdefault(row.platform, []).append(name)
    return {make(source): tuple(given) for make, given in names.items()}


def booked(settings: Settings, source: Source) -> dict[Platform, Settings]:
    """Return the platforms with a calendar, and the configuration of their roles.

    Args:
        settings: the configuration.
        source: where the machines come from.

    Raises:
        ConfigError: as `rows`.
    """
    with_calendar = {n: row for n, row in rows(settings, source).items() if row.calendar}
    made = platforms(with_calendar, source)
    return {platform: settings.only(*names) for platform, names in made.items()}
