"""How large a rehearsal is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Size:
    """How large a rehearsal is; the nodes' memory is that of their cluster.

    Args:
        frontend_memory: MiB of each frontend.
        disk: bytes of each frontend's disk, for homes; it takes no more than is written.
        lifetime: seconds after which everything ends, whatever happens.
        accel: accelerator of the virtual machines.
    """

    frontend_memory: int = 384
    disk: int = 8 << 30
    lifetime: float = 12 * 3600.0
    accel: Literal["auto", "kvm", "tcg"] = "auto"
