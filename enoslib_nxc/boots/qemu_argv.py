"""What one QEMU is started with: its command line. Pure."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc.boots import accel

CONTEXT_ADDRESS = "10.0.2.100"
"""Where stage 1 fetches the deployment JSON, inside QEMU's user network (10.0.2.0/24)."""

TRANSLATED_MIB = 128
"""Memory for translated code under TCG. QEMU's own default let a guest of 384 MiB grow to
over 700; with this bound it stays below 600, and is as fast (boot, tar and Python measured)."""


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
        place = f"path={_escape(str(self.path))},mount_tag={self.tag}"
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
        switch: directory of the switch's sockets.
        console: file for the serial console.
        served: file to serve as the deployment JSON, None when it is not fetched.
        shares: directories that the guest may mount.
    """

    name: str
    kernel: Path
    initrd: Path
    append: str
    memory: int
    cores: int
    accel: accel.Accel
    ssh_port: int
    mac: str
    switch: Path
    console: Path
    served: Path | None
    shares: tuple[Share, ...] = ()

    def argv(self, qemu: str) -> list[str]:
        """Return the command line.

        PCI addresses are fixed since stage 1 names the cards by their order.
        """
        user = f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22"
        if self.served:
            user += f",guestfwd=tcp:{CONTEXT_ADDRESS}:80-cmd:{_escape(_server(self.served))}"
        cpu = "host" if self.accel == "kvm" else "max"
        translation = f",thread=multi,tb-size={TRANSLATED_MIB}" if self.accel == "tcg" else ""
        return [
            *[qemu, "-name", self.name, "-daemonize"],
            *["-nodefaults", "-no-user-config", "-display", "none"],
            *["-machine", "q35", "-accel", self.accel + translation, "-cpu", cpu],
            *["-m", str(self.memory), "-smp", str(self.cores)],
            *["-kernel", str(self.kernel), "-initrd", str(self.initrd)],
            *["-append", self.append],
            *["-serial", f"file:{_escape(str(self.console))}"],
            *["-device", "virtio-rng-pci"],
            *["-netdev", user],
            *["-device", "virtio-net-pci,netdev=n0,romfile=,addr=0x10"],
            *["-netdev", f"vde,id=n1,sock={_escape(str(self.switch))}"],
            *["-device", f"virtio-net-pci,netdev=n1,mac={self.mac},romfile=,addr=0x11"],
            *[word for share in self.shares for word in share.words()],
        ]


def _server(served: Path) -> str:
    """Return the command that QEMU runs for each connection to `CONTEXT_ADDRESS`."""
    program = Path(__file__).with_name("serve_file.py")
    return shlex.join([sys.executable, "-I", "-S", str(program), str(served)])


def _escape(value: str) -> str:
    """Return a value for a QEMU option list, where a comma is written twice."""
    return value.replace(",", ",,")
