"""Compositions made of Debian packages: their lock, and the step that fetches sources."""

from enoslib_nxc.debian.lock import LOCK_NAME, Lock, read_lock, successors
from enoslib_nxc.debian.prepare import EMBEDDED_DIR, Prepared, cache_root, prepare, write_lock

__all__ = [
    "EMBEDDED_DIR",
    "LOCK_NAME",
    "Lock",
    "Prepared",
    "cache_root",
    "prepare",
    "read_lock",
    "successors",
    "write_lock",
]
