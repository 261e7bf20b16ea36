"""Reading a machine's console: known ends of a boot that will never answer."""

from __future__ import annotations

import re
from pathlib import Path

from enoslib_nxc import shell

TAIL_BYTES = 65536
"""Of a console log that are looked at."""

_SIGNS = (
    (
        r"mounting nix-store on \S+ failed: No such device",
        "its kernel has no 9p, by which it was to mount the store of this computer",
    ),
    (
        r"mounting (nix-store|nxc-composition) on \S+ failed: (.*)",
        "stage 1 could not mount {0}, which is shared with it ({1})",
    ),
    (
        r"cp: can't stat '/nxc-composition/([^']*)'",
        "the deployment JSON is not in the directory that is shared with it ({0})",
    ),
    (
        r"jq: (?:open|error: Could not open file) /mnt-root(/nix/store/\S+): [Nn]o such file",
        "the store that is shared with it lacks {0}",
    ),
    (
        r"Initramfs unpacking failed: (.*)",
        "its initrd could not be unpacked ({0}): give it more memory",
    ),
    (r"^role: null", "stage 1 did not find its address in the deployment JSON"),
    (r"(?:parse error|invalid json): (.*)", "stage 1 could not read the deployment JSON ({0})"),
    (r"wget: (.*)", "stage 1 could not fetch the deployment JSON ({0})"),
    (
        r"stage 2 init script \(([^)]*)\) not found",
        "the role's system is not in the image ({0})",
    ),
    (r"Out of memory: Killed process", "it ran out of memory: give it more"),
    (r"Kernel panic - not syncing: (.*)", "its kernel panicked ({0})"),
)
"""Texts of the kernel and of NixOS's and NXC's stage 1, the most telling first, with what
they mean. Each was seen on a machine that then stayed silent."""


def read(path: Path) -> str:
    """Return the end of a console log; "" when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            return file.read().decode(errors="replace").replace("\r", "")
    except FileNotFoundError:
        return ""


def trouble(text: str) -> str:
    """Return what went wrong according to a console, or "" when nothing did.

    Args:
        text: the console log.
    """
    for pattern, meaning in _SIGNS:
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            return meaning.format(*(" ".join(group.split()) for group in found.groups()))
    return ""


def tail(path: Path, lines: int = shell.TAIL_LINES) -> str:
    """Return the last lines of a console log, without control sequences.

    Args:
        path: the log.
        lines: how many; no more than the last 64 KiB hold.
    """
    return ending(read(path), lines)


def ending(text: str, lines: int = shell.TAIL_LINES) -> str:
    """Return the last lines of what a console said, without control sequences."""
    return shell.tail(plain(text), lines)


def plain(text: str) -> str:
    """Return a text without the control sequences of terminals."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc", "", text)
