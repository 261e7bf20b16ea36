"""The pinned host keys of a deployment's machines: its own known_hosts file, by host name."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

_pinning = threading.Lock()
"""Machines start side by side, and each rewrites the file."""


def pin(known_hosts: Path, name: str, shown: str = "") -> None:
    """Replace the pinned keys of a machine.

    Args:
        known_hosts: the deployment's file; it may be absent.
        name: the machine's host name.
        shown: the new lines; "" where it is about to make new keys.
    """
    with _pinning:
        lines = _lines(known_hosts)
        kept = [line for line in lines if not _is_of(line, name)]
        if shown or len(kept) != len(lines):
            _replace(known_hosts, "".join(kept) + shown)


def _replace(file: Path, text: str) -> None:
    """Write a file anew: ssh processes, which read it meanwhile, see it whole."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
        if file.exists():
            shutil.copymode(file, name)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def rename(known_hosts: Path, old: str, new: str) -> None:
    """Let the pinned keys of a machine be those of another name."""
    with _pinning:
        keys = renamed(known_hosts, old, new)
        lines = _lines(known_hosts)
        kept = [line for line in lines if not (_is_of(line, old) or _is_of(line, new))]
        # at once: what is killed in between would lose them
        _replace(known_hosts, "".join(kept) + keys)


def renamed(known_hosts: Path, name: str, other: str) -> str:
    """Return the pinned keys of a machine as lines for another name of it."""
    lines = _lines(known_hosts)
    return "".join(other + line[len(name) :] for line in lines if _is_of(line, name))


def copy(held: Iterable[tuple[Path, str, str]], target: Path) -> None:
    """Write the pinned keys of machines to a file of their own, under other names.

    Args:
        held: for each machine the file that has its keys, its name there, and the name that
            the other file has it under.
        target: the other file; it is replaced.
    """
    with _pinning:
        keys = [renamed(known_hosts, name, other) for known_hosts, name, other in held]
        _replace(target, "".join(keys))


def pinned(known_hosts: Path, name: str) -> bool:
    """Tell whether keys of a machine are pinned."""
    return any(_is_of(line, name) for line in _lines(known_hosts))


def _lines(known_hosts: Path) -> list[str]:
    return known_hosts.read_text().splitlines(keepends=True) if known_hosts.exists() else []


def _is_of(line: str, name: str) -> bool:
    return line.split(" ", 1)[0] == name
