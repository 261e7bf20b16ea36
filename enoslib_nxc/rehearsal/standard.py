"""The environments that a rehearsed site's Kadeploy knows by name.

All are the one system of the rehearsal's nodes, in memory, under another name.
"""

from __future__ import annotations

from collections.abc import Mapping

from enoslib_nxc.rehearsal.environments import Boot, Environment, Image

STANDARD = "server:///standard"
"""What stands for an image: the system that the nodes have anyway."""

_SYSTEMS = ("debian11", "debian11-x64", "debian12", "debian12-x64")
_VARIANTS = ("min", "base", "nfs", "big", "std")


def environments() -> Mapping[str, Environment]:
    """Return the environments by name: `debian12-nfs` and the like."""
    names = [f"{system}-{variant}" for system in _SYSTEMS for variant in _VARIANTS]
    return {
        name: Environment(
            name=name,
            os="linux",
            image=Image(file=STANDARD, kind="tar", compression="zstd"),
            boot=Boot(kernel="/vmlinuz"),
            filesystem="ext4",
            visibility="public",
        )
        for name in names
    }


def is_standard(environment: Environment) -> bool:
    """Tell whether an environment is one of these."""
    return environment.image.file == STANDARD
