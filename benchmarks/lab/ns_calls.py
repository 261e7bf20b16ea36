"""System calls that Python 3.10 has no names for: namespaces (unshare(2)), mount(2)."""

from __future__ import annotations

import ctypes
import os

NEW_MOUNTS = 0x00020000
"""CLONE_NEWNS."""
NEW_NAMES = 0x04000000
"""CLONE_NEWUTS."""
NEW_PROCESSES = 0x20000000
"""CLONE_NEWPID: for the children that are forked from then on."""
NETWORK = 0x40000000
"""CLONE_NEWNET."""

BIND = 0x1000
"""MS_BIND."""
PRIVATE = 0x40000 | 0x4000
"""MS_PRIVATE and MS_REC: what is mounted below stays unknown elsewhere."""

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave namespaces for new ones.

    Args:
        flags: which, as CLONE_ flags.
    """
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def enter(namespace: int, kind: int) -> None:
    """Enter a namespace.

    Args:
        namespace: file descriptor of it.
        kind: its CLONE_ flag.
    """
    _check(_libc.setns(ctypes.c_int(namespace), ctypes.c_int(kind)), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system.

    Args:
        source: what.
        target: where; it is there.
        kind: of file system, "" where flags say it all.
        flags: MS_ flags.
        options: of that file system.
    """
    words = [os.fsencode(word) for word in (source, target, kind)]
    done = _libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(options))
    _check(done, f"mount {target}")


def _check(done: int, what: str) -> None:
    if done:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
