"""A package of somebody else: a flavour of its own, made of this project's public parts."""

from __future__ import annotations

from enoslib_nxc.boots import Run
from enoslib_nxc.boots.qemu import QemuBoot
from enoslib_nxc.flavours import Flavour, Source
from enoslib_nxc.platforms.local import LocalPlatform


class PausedBoot(QemuBoot):
    """Virtual machines that tell when they are ended."""

    ended: list[str] = []

    def stop(self, run: Run, hosts: list[str]) -> None:
        """End machines, and remember which."""
        self.ended += hosts
        super().stop(run, hosts)


def _here(_source: Source) -> LocalPlatform:
    return LocalPlatform()


PAUSED = Flavour("vm-paused", _here, PausedBoot, "virtual machines of another package")
