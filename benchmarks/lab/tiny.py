"""A composition without weight: what is measured with it is orchestration, not bytes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

KERNEL_BYTES = 16 << 10


@dataclass(frozen=True)
class Tiny:
    """Files of a composition that is already built.

    Args:
        directory: where they are.
    """

    directory: Path

    def compose_info(self, flavour: str) -> Path:
        """Return the compose info for a flavour.

        Args:
            flavour: as NXC names it.
        """
        return self.directory / f"composition::{flavour}"


def make(directory: Path, roles: tuple[str, ...], *, initrd_bytes: int = 64 << 10) -> Tiny:
    """Make a composition as a build gives it, but for its weight.

    Args:
        directory: it is made; hosts read it too.
        roles: of the composition.
        initrd_bytes: of the initrd, which no two compositions have alike.
    """
    directory.mkdir()
    systems = directory / "systems"
    systems.mkdir()
    for name, size in (("kernel", KERNEL_BYTES), ("initrd", initrd_bytes)):
        (directory / name).write_bytes(os.urandom(size))
    infos = directory / "compositions-info.json"
    chosen = {"roles": {role: f"{systems}/{role}" for role in roles}, "test_script": ""}
    infos.write_text(json.dumps({"composition": chosen}))
    for flavour in ("vm-ramdisk", "g5k-ramdisk"):
        image = {"distribution": "all-in-one", "type": "ramdisk"}
        told = {
            "flavour": {"name": flavour, "description": "", "image": image},
            "system": f"{os.uname().machine}-linux",
            "compositions_info_path": str(infos),
            "compositions_info": {"composition": chosen},
            "all": {name: str(directory / name) for name in ("kernel", "initrd")},
        }
        Tiny(directory).compose_info(flavour).write_text(json.dumps(told))
    return Tiny(directory)
