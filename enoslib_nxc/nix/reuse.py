"""Tells in milliseconds, without asking Nix, whether a build would give the same again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from enoslib_nxc.built import Artifacts
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import NxcError
from enoslib_nxc.nix import setup_toml, source
from enoslib_nxc.version import __version__

SMALL = 64 * 1024
"""Bytes up to which a file counts by its content; above, by size and time of change."""

MAX_FILES = 20_000
"""Files above which asking Nix costs less than looking at each (2.5 s at 8,000 per second)."""

IMPURE = ("--impure", "--override-input", "--override-flake", "--update-input", "--refresh")
"""Flags with which a build depends on more than the flake's own files."""


def fingerprint(settings: Settings, flake: str) -> str:
    """Return what a build is made from, as a digest; equal digests need no new build.

    Args:
        settings: the configuration.
        flake: the composition, resolved to a path or flake reference.

    Returns:
        sha256 (hex), or "" when only Nix can tell: a reference that may move, impure flags,
        too many files, or a flake that is wrong.
    """
    try:
        place = source.locate(flake)
        flags = setup_toml.resolve(settings.build, place.directory).nix_flags
    except NxcError:
        return ""  # the build says it, as a step of its own
    if any(flag in IMPURE for flag in (*flags, *settings.build.nix_flags)):
        return ""
    digest = hashlib.sha256()
    for part in (
        __version__,
        settings.build.model_dump_json(),
        settings.flavour,
        settings.composition_name,
        str(settings.all_in_one),
        place.ref,
        str(place.git),
    ):
        digest.update(part.encode() + b"\0")
    try:
        known = _add_source(digest, place)
    except OSError:
        return ""  # unreadable, or changing under our eyes
    return digest.hexdigest() if known else ""


def reusable(artifacts: Artifacts, mark: str) -> bool:
    """Tell whether recorded artifacts can be used as they are.

    Args:
        artifacts: those of an earlier build.
        mark: today's `fingerprint`.
    """
    if not mark or mark != artifacts.fingerprint:
        return False
    named = (artifacts.kernel, artifacts.initrd, artifacts.image, artifacts.compose_file)
    needed = [artifacts.store.real(path) for path in named if path]
    return all(path.is_file() for path in (artifacts.compose_info, *needed))


def _add_source(digest: hashlib._Hash, place: source.Source) -> bool:
    """Add what Nix would read to a digest; False when that cannot be known."""
    if place.file is not None:
        digest.update(place.file.read_bytes())
        return True
    if place.root is not None:
        return _add_tree(digest, place.root, git=place.git)
    return place.locked


def _add_tree(digest: hashlib._Hash, root: Path, *, git: bool) -> bool:
    """Add a directory's files to a digest; False when there are too many."""
    for count, entry in enumerate(source.walk(root)):
        if count >= MAX_FILES:
            return False
        digest.update(os.fsencode(entry.path) + b"\0")
        if entry.is_symlink():
            digest.update(os.fsencode(Path(entry.path).readlink()))
            continue
        found = entry.stat()
        digest.update(f"{found.st_mode & 0o100} {found.st_size}\0".encode())
        if found.st_size <= SMALL and entry.is_file():
            digest.update(Path(entry.path).read_bytes())
        else:
            digest.update(str(found.st_mtime_ns).encode())
    index = root / ".git" / "index"
    if git and index.exists():
        # `git add` changes what Nix sees and no file of the tree
        digest.update(str(index.stat().st_mtime_ns).encode())
    return True
