"""Which accelerator QEMU can really use here: decided by trying, and remembered.

A `/dev/kvm` that opens may still never run a guest (nested virtualisation that is half
there), so the kernel of the composition itself is started for a moment.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

from enoslib_nxc import shell
from enoslib_nxc.errors import CommandError, PlatformError

Accel = Literal["kvm", "tcg"]

DEVICE = Path("/dev/kvm")

TRIAL_SECONDS = 10.0
"""A kernel under working KVM prints its first line in well under a second."""

FIRST_WORDS = "Linux version"
"""What a kernel greets with on its console."""


def choose(wanted: Literal["auto", "kvm", "tcg"], *, qemu: str, kernel: Path) -> Accel:
    """Return the accelerator to use.

    Args:
        wanted: the configuration's `vm.accel`.
        qemu: path of QEMU.
        kernel: a kernel to try with.

    Raises:
        PlatformError: KVM was asked for and does not work.
    """
    if wanted == "tcg":
        return "tcg"
    works = _remembered(qemu, kernel)
    if wanted == "kvm" and not works:
        raise unusable("this machine")
    return "kvm" if works else "tcg"


def known(qemu: str) -> bool | None:
    """Tell whether KVM works here, as far as that was tried; None where it was not.

    Args:
        qemu: path of QEMU.
    """
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return False
    verdict = _verdict(qemu)
    return verdict.read_text() == "works" if verdict.exists() else None


def _verdict(qemu: str) -> Path:
    """Return the file of the verdict; it holds while user, QEMU and the running kernel stay."""
    machine = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    stamp = Path(qemu).resolve().stat().st_mtime_ns
    signature = f"{machine}:{os.getuid()}:{qemu}:{stamp}:{DEVICE.stat().st_ino}"
    return _cache() / ("kvm-" + hashlib.sha256(signature.encode()).hexdigest()[:16])


def _remembered(qemu: str, kernel: Path) -> bool:
    """Return the verdict on KVM, after a trial if there is none yet."""
    there = known(qemu)
    if there is not None:
        return there
    verdict = _verdict(qemu)
    works = _trial(qemu, kernel)
    with suppress(OSError):  # it is only tried again next time
        verdict.parent.mkdir(parents=True, exist_ok=True)
        for old in verdict.parent.glob("kvm-*"):
            old.unlink(missing_ok=True)
        verdict.write_text("works" if works else "fails")
    return works


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "enoslib-nxc"


def _trial(qemu: str, kernel: Path) -> bool:
    """Boot the kernel without a root file system: it greets, panics, and QEMU ends."""
    with tempfile.TemporaryDirectory(prefix="enoslib-nxc-kvm-") as scratch:
        console = Path(scratch) / "console"
        try:
            shell.run(trial(qemu, str(kernel), str(console)), timeout=TRIAL_SECONDS)
        except CommandError:
            return False
        return console.exists() and FIRST_WORDS in console.read_text(errors="replace")


def trial(qemu: str, kernel: str, console: str) -> list[str]:
    """Return the command line of a trial; `FIRST_WORDS` on the console tell that KVM works.

    Args:
        qemu: path of QEMU, where it is tried.
        kernel: path of a kernel there.
        console: path of the console's log there.
    """
    append = "console=ttyS0 earlyprintk=ttyS0 panic=-1"
    return [
        *[qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
        *["-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256"],
        *["-kernel", kernel, "-append", append, "-serial", f"file:{console}"],
    ]


def unusable(where: str) -> PlatformError:
    """Return what is said where KVM was asked for, and does not work.

    Args:
        where: the computer, for people.
    """
    return PlatformError(
        f"vm.accel: kvm was asked for, but a trial boot with KVM failed on {where}",
        resolution='set vm.accel to "auto", or check /dev/kvm and its permissions',
    )
