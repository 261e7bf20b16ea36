"""What one QEMU is started with: its command line. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path, PurePath

from enoslib_nxc.boots import accel
from enoslib_nxc.platforms.placement import TRANSLATED_MIB

CONTEXT_ADDRESS = "10.0.2.100"
"""Where stage 1 fetches the deployment JSON, inside QEMU's user network (10.0.2.0/24)."""


@dataclass(frozen=True)
class Share:
    """A directory of this computer that a guest may mount by 9p.

    Args:
        tag: what the guest calls it: `mount -t 9p -o trans=virtio TAG DIRECTORY`.
        path: the directory.
        writable: whether the guest may change it.
    """

    tag: str
    path: Path
    writable: bool = False

    def words(self) -> list[str]:
        """Return QEMU's option.

        With the security model "none", NXC's, files that a guest makes are those of whoever
        runs QEMU. A directory may span file systems, whose inode numbers are kept apart.
        """
        place = f"path={escape(str(self.path))},mount_tag={self.tag}"
        mode = "" if self.writable else ",readonly=on"
        return ["-virtfs", f"local,{place},security_model=none,multidevs=remap{mode}"]


@dataclass(frozen=True)
class Command:
    """What one QEMU is started with.

    Args:
        name: process tag, by which it is found again.
        kernel: file.
        initrd: file.
        append: kernel command line.
        memory: MiB.
        cores: virtual cores.
        accel: "kvm" or "tcg".
        ssh_port: loopback port forwarded to the guest's 22.
        mac: hardware address on the switch.
        card: backend (`-netdev`) n1 of the card on the deployment's network.
        console: file for the serial console.
        answer: command that answers who fetches the deployment JSON; none where nobody does.
        mtu: bytes of the largest packet on that network, 0 for what a guest takes by itself.
        shares: directories that the guest may mount.
    """

    name: str
    kernel: PurePath
    initrd: PurePath
    append: str
    memory: int
    cores: int
    accel: accel.Accel
    ssh_port: int
    mac: str
    card: str
    console: PurePath
    answer: tuple[str, ...] = ()
    mtu: int = 0
    shares: tuple[Share, ...] = ()

    def argv(self, qemu: str) -> list[str]:
        """Return the command line.

        PCI addresses are fixed since stage 1 names the cards by their order.
        """
        user = f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22"
        if self.answer:
            answer = escape(shlex.join(self.answer))
            user += f",guestfwd=tcp:{CONTEXT_ADDRESS}:80-cmd:{answer}"
        mtu = f",host_mtu={self.mtu}" if self.mtu else ""
        cpu = "host" if self.accel == "kvm" else "max"
        translation = f",thread=multi,tb-size={TRANSLATED_MIB}" if self.accel == "tcg" else ""
        return [
            *[qemu, "-name", self.name, "-daemonize"],
            *["-nodefaults", "-no-user-config", "-display", "none"],
            *["-machine", "q35", "-accel", self.accel + translation, "-cpu", cpu],
            *["-m", str(self.memory), "-smp", str(self.cores)],
            *["-kernel", str(self.kernel), "-initrd", str(self.initrd)],
            *["-append", self.append],
            *["-serial", f"file:{escape(str(self.console))}"],
            *["-device", "virtio-rng-pci"],
            *["-netdev", user],
            *["-device", "virtio-net-pci,netdev=n0,romfile=,addr=0x10"],
            *["-netdev", self.card],
            *["-device", f"virtio-net-pci,netdev=n1,mac={self.mac},romfile=,addr=0x11{mtu}"],
            *[word for share in self.shares for word in share.words()],
        ]


def escape(value: str) -> str:
    """Return a value for a QEMU option list, where a comma is written twice."""
    return value.replace(",", ",,")
