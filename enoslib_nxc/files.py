"""A file that machines need: what it is, and where it is to be had."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

_one_reads = Lock()
"""Many hosts want the same file at once: the first has it read, the others know it then."""


@dataclass(frozen=True)
class File:
    """A file that machines need.

    Args:
        path: the file here.
        sha256: its digest (hex), also its name there.
        store_path: where a machine with the same store has it.
        url: where machines can fetch it, "" to send it over ssh.
        chain: where they ask which of them to take it from; "" where none has it for others.
        lent: where machines have it in a home that only its owner can read; "" if nowhere.
        owner: that owner's login.
    """

    path: Path
    sha256: str
    store_path: str
    url: str = ""
    chain: str = ""
    lent: str = ""
    owner: str = ""

    @property
    def blake2b(self) -> str:
        """Its other digest (hex): without instructions for SHA it takes half the time."""
        with _one_reads:
            return _blake2b(self.path, self.path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=32)
def _blake2b(path: Path, _changed: int) -> str:
    total = hashlib.blake2b()
    with path.open("rb") as content:
        while block := content.read(1 << 20):
            total.update(block)
    return total.hexdigest()
