"""What computer the figures are of."""

from __future__ import annotations

import os
import platform
import shutil
import time
from pathlib import Path

import psutil

from enoslib_nxc.boots import accel
from enoslib_nxc.boots.computer import QEMU
from enoslib_nxc.data import Data
from enoslib_nxc.nix.provenance import versions


class Computer(Data):
    """The computer that a benchmark ran on.

    Args:
        date: the day.
        processor: its name.
        cores: how many the system has.
        memory: GiB.
        kernel: release of Linux.
        kvm: whether KVM runs guests, by a trial; they are emulated otherwise. None where no
            guest was ever tried.
        load: how many processes wanted to run on average of the minute before.
        versions: program or package -> version.
    """

    date: str
    processor: str
    cores: int
    memory: float
    kernel: str
    kvm: bool | None
    load: float
    versions: dict[str, str]

    def same(self, other: Computer) -> bool:
        """Tell whether figures of both are of one computer, with the same versions."""
        changing = {"date", "kvm", "load"}
        return self.model_dump(exclude=changing) == other.model_dump(exclude=changing)


def here() -> Computer:
    """Describe this computer, as it is now."""
    return Computer(
        date=time.strftime("%Y-%m-%d"),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory=round(psutil.virtual_memory().total / (1 << 30), 1),
        kernel=platform.release(),
        kvm=None,
        load=round(os.getloadavg()[0], 2),
        versions={"python": platform.python_version(), **versions()},
    )


def kvm() -> bool | None:
    """Tell whether KVM runs guests here, as far as that was tried; None where it was not."""
    found = shutil.which(QEMU)
    return accel.known(found) if found else None


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
