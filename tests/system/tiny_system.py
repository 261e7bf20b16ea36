"""The smallest system that can be deployed: a kernel, and an initrd that says what it finds."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc import nix, shell
from enoslib_nxc.config_sections import Build
from enoslib_nxc.debian import EMBEDDED_DIR
from tests.system import embedded_build

# To whoever connects to its ssh port it says what its disk holds, without one what it is.
INIT = """#!/bin/busybox sh
export PATH=/bin:/sbin
mkdir -p /proc /sys /dev /mnt
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
load() { while read -r module; do insmod "/modules/$module"; done < "/modules/$1"; }
load order
load order.disk
echo SSH-2.0-tiny > /greeting
for n in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vda ] || usleep 100000; done
mount -t ext4 /dev/vda /mnt && cat /mnt/greeting /mnt/root/.ssh/authorized_keys > /greeting
ip link set lo up
ip link set eth0 up
udhcpc --quit --now --retries 20 --timeout 1 --interface eth0 --script /dhcp
echo tiny-ready > /dev/console
exec nc -ll -p 22 -e cat /greeting
"""


@dataclass(frozen=True)
class Tiny:
    """Its files.

    Args:
        kernel: file.
        initrd: file.
        tarball: of a root file system that holds them.
    """

    kernel: Path
    initrd: Path
    tarball: Path


def make(directory: Path) -> Tiny:
    """Make it."""
    attribute = '"composition::g5k-nfs-store"'
    built = embedded_build.build(nix.choose(Build()), EMBEDDED_DIR, attribute)
    kernel, stage1 = embedded_build.kernel_and_initrd(built)
    root = directory / "root"
    (root / "boot").mkdir(parents=True)
    (directory / "over").mkdir()
    init = directory / "over/init"
    init.write_text(INIT)
    init.chmod(0o755)
    archive = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"],
        cwd=directory / "over",
        input=b"init\n",
        capture_output=True,
        check=True,
    ).stdout
    shutil.copy(kernel, root / "boot/vmlinuz-1")
    (root / "vmlinuz").symlink_to("/boot/vmlinuz-1")
    # of two archives, the later one's files are kept
    (root / "boot/initrd").write_bytes(stage1.read_bytes() + archive)
    (root / "greeting").write_text("SSH-2.0-tiny-on-disk\n")
    tarball = directory / "tiny.tar.gz"
    shell.run(["tar", "-czf", tarball, "--owner=0", "--group=0", "-C", root, "."], timeout=60)
    return Tiny(root / "boot/vmlinuz-1", root / "boot/initrd", tarball)
