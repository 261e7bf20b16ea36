"""What a machine is and has, before kexec: its own account, and what follows from it.

Pure but for `ask`, `keep` and `recall`.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import dataclass
from ipaddress import IPv4Interface

from enoslib_nxc import node, ramdisk, ssh
from enoslib_nxc.errors import CommandError
from enoslib_nxc.ssh import Access, HostKey

TIMEOUT = 45.0
"""Seconds for one question to a machine."""

IN_MEMORY = frozenset({"tmpfs", "ramfs", "overlayfs"})
"""File systems (`stat -f`) that take, or may take, from the memory that kexec needs."""

RECENT_SECONDS = 60.0
"""In which what a machine told of itself is taken for true still."""

SPARE_KIB = 32 << 10
"""Memory that the system which loads the image needs for itself."""


@dataclass(frozen=True)
class Room:
    """A directory that may take kernel and initrd for a while.

    Args:
        path: the directory.
        kib: free KiB.
        in_memory: whether what it holds is in memory.
    """

    path: str
    kib: int
    in_memory: bool


@dataclass(frozen=True)
class Survey:
    """A machine's own account (the output of `playbooks/survey.sh`).

    Args:
        values: one-valued keys.
        rooms: directories, those on disk first.
        words: kernel parameters that name consoles and interfaces.
        interface: address and network by which it reaches others; None where it has none.
        leased: whether that address came by DHCP.
    """

    values: dict[str, str]
    rooms: tuple[Room, ...]
    words: tuple[str, ...]
    interface: IPv4Interface | None
    leased: bool

    @property
    def boot_id(self) -> str:
        """Changes with each boot."""
        return self.values.get("boot_id", "")

    @property
    def ip(self) -> str:
        """Kernel parameter that gives its address to the next system, "" without a gateway.

        Format: Documentation/admin-guide/nfs/nfsroot.rst of Linux.
        """
        gateway, device = self.values.get("gateway"), self.values.get("device")
        if not (gateway and device and self.interface):
            return ""
        return f"ip={self.interface.ip}::{gateway}:{self.interface.netmask}::{device}:off"

    def room(self, kib: int) -> Room | None:
        """Return the first directory with so many KiB free: on disk if there is one."""
        return next((room for room in self.rooms if room.kib >= kib), None)

    def faults(self, *, machine: str, kernel: int, initrd: int) -> list[str]:
        """Say why it cannot boot an image by kexec; empty when it can.

        Args:
            machine: processor architecture of the image, as `uname -m` has it.
            kernel: bytes of the kernel.
            initrd: bytes of the initrd.
        """
        size = (kernel + initrd) >> 10
        found = [fault for fault in (self._login(), self._kexec()) if fault]
        if self.values.get("machine") != machine:
            found.append(f"it is {self.values.get('machine')}, the image is for {machine}")
        room = self.room(size)
        if room is None:
            places = ", ".join(each.path for each in self.rooms)
            found.append(f"it has no room for {size >> 10} MiB in any of {places}")
        # kexec reads the image and keeps a second copy; a room in memory holds a third
        copies = 3 if room is None or room.in_memory else 2
        available = int(self.values.get("MemAvailable", "0"))
        needed = copies * size + SPARE_KIB
        total = int(self.values.get("MemTotal", "0")) >> 10
        boots = ramdisk.memory_mib(initrd)
        if available < needed:
            found.append(
                f"it has {available >> 10} MiB of memory available, "
                f"an image of {size >> 10} MiB needs {needed >> 10}"
            )
        elif total < boots:
            found.append(f"it has {total} MiB of memory, the image needs {boots}")
        return found

    def _login(self) -> str:
        uid = self.values.get("uid")
        return "" if uid == "0" else f"it lets us in as uid {uid}, not as root"

    def _kexec(self) -> str:
        if not self.values.get("kexec"):
            return "kexec is not installed (package kexec-tools)"
        lockdown = self.values.get("lockdown", "")
        if self.values.get("kexec_disabled") == "1" or (lockdown and "[none]" not in lockdown):
            return "its kernel refuses kexec (kernel.kexec_load_disabled, or lockdown)"
        return ""


def parse(text: str) -> Survey:
    """Read the output of `playbooks/survey.sh`."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        key, _, value = line.partition("=")
        found[key].append(value)
    address = found.get("address", [""])[0]
    mine = [line for line in found.get("inet", []) if f" {address}/" in line]
    interface = next((w for line in mine for w in line.split() if "/" in w), "")
    rooms = [
        Room(path, int(kib), kind in IN_MEMORY)
        for path, kib, kind in (value.split(" ", 2) for value in found.get("room", []))
    ]
    return Survey(
        values={key: each[0] for key, each in found.items()},
        rooms=tuple(sorted(rooms, key=lambda room: room.in_memory)),
        words=tuple(found.get("word", [])),
        interface=IPv4Interface(interface) if address and interface else None,
        leased=any(" dynamic" in line for line in mine),
    )


def ask(access: Access, host_key: HostKey) -> Survey:
    """Ask a machine what it is and has.

    Raises:
        CommandError: it did not answer, or refused.
    """
    result = ssh.script(access, node.text("survey"), timeout=TIMEOUT, host_key=host_key)
    survey = parse(result.stdout)
    if not survey.boot_id:
        raise CommandError(f"{access.name} gave no account of itself", details=result.stdout)
    return survey


def keep(access: Access, survey: Survey) -> None:
    """Spare the next one who wants to know it the question.

    Args:
        access: how the machine was asked.
        survey: what it said, now.
    """
    _told[access.name, access.address, access.port] = time.monotonic(), survey


def recall(access: Access) -> Survey | None:
    """Return what a machine said a moment ago, once; None where it is to be asked.

    Args:
        access: how it would be asked.
    """
    at, survey = _told.pop((access.name, access.address, access.port), (-math.inf, None))
    return survey if time.monotonic() - at < RECENT_SECONDS else None


_told: dict[tuple[str, str, int], tuple[float, Survey]] = {}
"""Name, address and port of a machine -> when it said what."""
