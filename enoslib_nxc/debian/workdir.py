"""Working copies of flakes, beside the cache: one directory for each content.

A copy holds the user's files, the Nix library (unless the user keeps a copy of it), and
the lock that is in force. Equal content gives the same directory with the same times, so
that Nix's evaluation cache hits.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from enoslib_nxc import shell
from enoslib_nxc.debian.lock import LOCK_NAME
from enoslib_nxc.errors import BuildError

LIBRARY_NAME = "nxc"
"""The Nix library beside a flake: `import ./nxc`."""

KEPT = 10
"""Working copies that stay."""

_MTIME = 1
"""Seconds since the epoch, of every file: what Nix gives to store files."""


def materialise(flake_dir: Path, *, library: Path, lock: str, parent: Path) -> Path:
    """Return a copy of a flake with the library and the lock that is in force.

    Args:
        flake_dir: the flake.
        library: directory whose `nxc` the copy gets where the flake has none.
        lock: text of the lock in force.
        parent: directory of the copies.
    """
    files = {name: (flake_dir / name).read_bytes() for name in _listed(flake_dir)}
    if not any(name.parts[0] == LIBRARY_NAME for name in files):
        source = library / LIBRARY_NAME
        files |= {LIBRARY_NAME / name: (source / name).read_bytes() for name in _walk(source)}
    files[Path(LOCK_NAME)] = lock.encode()
    target = parent / _digest(files)
    if target.exists():
        # last use is kept as time of access: that of change is part of what Nix sees
        os.utime(target, ns=(time.time_ns(), target.stat().st_mtime_ns))
    else:
        _write(files, target)
        _prune(parent)
    return target


def _prune(parent: Path) -> None:
    """Remove all copies but the last ones that were used."""
    copies = [copy for copy in parent.iterdir() if copy.is_dir()]
    copies.sort(key=lambda copy: copy.stat().st_atime_ns, reverse=True)
    for copy in copies[KEPT:]:
        grave = tempfile.mkdtemp(prefix="old-", dir=parent)
        with suppress(OSError):  # another process was first
            copy.rename(Path(grave, copy.name))
        shutil.rmtree(grave, ignore_errors=True)


def _listed(flake_dir: Path) -> list[Path]:
    """Return a flake's files: those that git would know of, or all that are not hidden."""
    if (flake_dir / ".git").exists():
        words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = shell.run(["git", "-C", flake_dir, *words], timeout=60).stdout
        names = [Path(name) for name in listing.split("\0") if name]
        return sorted(name for name in names if _inside(flake_dir / name, flake_dir))
    return _walk(flake_dir)


def _walk(top: Path) -> list[Path]:
    found = []
    for directory, below, names in os.walk(top):
        below[:] = [name for name in below if not name.startswith((".", "__"))]
        here = Path(directory)
        visible = (here / name for name in names if not name.startswith("."))
        found += [file.relative_to(top) for file in visible if _inside(file, top)]
    return sorted(found)


def _inside(file: Path, top: Path) -> bool:
    """Whether this is a file of the flake, and not a link out of it, as `result` is."""
    return file.is_file() and file.resolve().is_relative_to(top.resolve())


def _digest(files: dict[Path, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:32]


def _write(files: dict[Path, bytes], target: Path) -> None:
    """Write a directory at once: readers see all of it or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix="new-", dir=target.parent))
    try:
        for name, content in files.items():
            file = staging / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            os.utime(file, (_MTIME, _MTIME))
        staging.chmod(0o755)
        try:
            staging.rename(target)
        except OSError:  # another process was first, with the same content
            if not target.exists():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_atomic(path: Path, text: str) -> None:
    """Replace a file's content: readers see the old text or the new one."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    Path(name).chmod(0o644)
    Path(name).replace(path)


@contextmanager
def alone(directory: Path, *, timeout: float) -> Iterator[None]:
    """Run the body while no other process of ours does so for the same directory.

    Raises:
        BuildError: another process kept it for `timeout` seconds.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    deadline = time.monotonic() + timeout
    try:
        while not _locked(handle):
            if time.monotonic() > deadline:
                raise BuildError(
                    f"another process has been fetching into {directory} for {timeout:g} s"
                )
            time.sleep(0.2)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
