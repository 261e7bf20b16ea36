"""Files of lines to which several processes and threads append; only their owner reads them.

The directory is locked while one is written, for moments. So nothing that is appended gets
lost when the first lines are dropped.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from enoslib_nxc import whole


def append(file: Path, lines: Iterable[str]) -> None:
    """Append lines; one that a process could not write whole, before, is ended first.

    Args:
        file: the file; it and its directory are made where they are not there.
        lines: without their ends.

    Raises:
        OSError: they cannot be written.
    """
    text = "".join(f"{line}\n" for line in lines).encode()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(file.parent):
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(handle).st_size
            whole = not size or os.pread(handle, 1, size - 1) == b"\n"
            os.write(handle, text if whole else b"\n" + text)
        finally:
            os.close(handle)


def lines(file: Path) -> list[str]:
    """Return the lines, the last one too where it was not written whole; none without a file.

    Args:
        file: the file.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []


def shorten(file: Path, chosen: Callable[[Sequence[str]], Sequence[str]]) -> None:
    """Keep some of the lines: all of them or those, whenever this process ends.

    Args:
        file: the file.
        chosen: takes all lines, and returns those to keep.

    Raises:
        OSError: it cannot be read or written.
    """
    if not file.exists():
        return
    with _locked(file.parent):
        before = lines(file)
        after = chosen(before)
        if len(after) < len(before):
            whole.write(file, "\n".join(after))


def remove(file: Path) -> bool:
    """Remove a file; tell whether it was there.

    Args:
        file: the file.

    Raises:
        OSError: it cannot be removed.
    """
    if not file.exists():
        return False
    with _locked(file.parent):
        file.unlink(missing_ok=True)
    return True


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
