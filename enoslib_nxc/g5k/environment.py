"""Kadeploy's environments: the description of ours, as a text; pure.

Keys: Kadeploy 3, environment.rb (`load_from_desc`), and what NXC 0.7.11 writes.
"""

from __future__ import annotations

import yaml

NAME = "enoslib-nxc"
"""Anonymous environments need a name; it is seen in Kadeploy's output only."""

KERNEL, INITRD = "/boot/bzImage", "/boot/initrd"
"""Where NXC's tarball has them (`make-system-tarball.nix` of NXC 0.7.11)."""

ROOT_CHARACTERS = 64
"""Left for what Kadeploy adds to the kernel command line: ` root=UUID=...` has 47."""


def describe(*, image_url: str, system: str, kernel_params: str) -> str:
    """Return the description of an environment, YAML.

    Args:
        image_url: http(s) address of the tarball, compressed by xz.
        system: Nix system, "x86_64-linux".
        kernel_params: the kernel's command line, but for `root=`.
    """
    content = {
        "name": NAME,
        "version": 1,
        "description": "a NixOS Compose composition",
        "os": "linux",
        "arch": system.partition("-")[0],
        "image": {"file": image_url, "kind": "tar", "compression": "xz"},
        "boot": {"kernel": KERNEL, "initrd": INITRD, "kernel_params": kernel_params},
        "filesystem": "ext4",
        "partition_type": 131,  # 0x83, Linux
        "multipart": False,
    }
    # one line for a value however long it is: Kadeploy's reader is another than ours
    return yaml.safe_dump(content, sort_keys=False, width=1 << 20)
