"""The flake as the user gave it: where it is, and which of its files Nix sees."""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc import shell
from enoslib_nxc.errors import BuildError, ConfigError

MAX_SOURCE = 512 * 1024 * 1024
"""Bytes of a flake's source that are copied; more is data that does not belong in a flake."""

GIT_TIMEOUT = 60.0
"""Seconds for `git ls-files`."""

STORE = "/nix/store"

PLAIN = re.compile(r"[A-Za-z0-9/._+=,@:-]+")

# a URL, or a name of the registry (Nix manual, "flake references"); the rest can but be paths
REFERENCE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|[A-Za-z][\w-]*([/?]|$)", re.ASCII)

# a full commit, a NAR hash, or a commit in the place that github: and the like have for it
LOCKED = re.compile(r"[?&](rev=[0-9a-f]{40}|narHash=)|^\w+:[^/?]+/[^/?]+/[0-9a-f]{40}(\?|$)")


@dataclass(frozen=True)
class Source:
    """A composition's source.

    Args:
        ref: the flake reference for Nix, without attribute; "" for a file.
        directory: the directory that holds flake.nix, when it is on this machine.
        file: the compose-info file, when that is what was given.
        git: Nix sees the files of its git repository that git knows, and no others.
    """

    ref: str
    directory: Path | None = None
    file: Path | None = None
    git: bool = False

    @property
    def locked(self) -> bool:
        """The reference names one content for ever."""
        return self.directory is None and LOCKED.search(self.ref) is not None

    @property
    def odd(self) -> bool:
        """Its path has characters that not every version of Nix reads as they are."""
        return self.directory is not None and not PLAIN.fullmatch(str(self.directory))

    @property
    def root(self) -> Path | None:
        """The directory that Nix copies: the repository, or the flake's own directory."""
        if self.directory is None or not self.git:
            return self.directory
        return _repository(self.directory)


def locate(flake: str) -> Source:
    """Find what a `composition` is.

    Args:
        flake: a path, a flake reference, or the path of a compose-info file.

    Raises:
        ConfigError: it looks like a path and is not there, or there is no flake.nix in it.
    """
    if "#" in flake:
        raise ConfigError(
            f"composition {flake!r} names an attribute",
            resolution="give the flake alone; composition_name and flavour name the attribute",
        )
    is_plain = flake.startswith("path:")
    path = Path(flake.removeprefix("path:").partition("?")[0]).expanduser()
    if path.is_file():
        return Source(ref="", file=path.absolute())
    if not path.is_dir():
        if is_plain or not REFERENCE.match(flake):
            raise ConfigError(
                f"composition {flake} does not exist",
                details="" if path == path.absolute() else f"looked for {path.absolute()}",
                resolution="give a directory with a flake.nix, a flake reference, "
                "or a compose-info file",
            )
        return Source(ref=flake)
    if "?" in flake:
        return Source(ref=flake)
    directory = path.absolute()
    if not (directory / "flake.nix").is_file():
        raise ConfigError(
            f"there is no flake.nix in composition {directory}",
            resolution="`nxc init` writes one; or give the directory that has it",
        )
    git = not is_plain and _repository(directory) is not None
    return Source(ref=f"{'path:' if is_plain else ''}{directory}", directory=directory, git=git)


def _repository(directory: Path) -> Path | None:
    return next((up for up in (directory, *directory.parents) if (up / ".git").exists()), None)


def walk(root: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the files and links under a directory, in order, without .git and result links."""
    with os.scandir(root) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != ".git":
                yield from walk(Path(entry.path))
        elif not (entry.is_symlink() and Path(entry.path).readlink().is_relative_to(STORE)):
            yield entry


def files(source: Source) -> list[str]:
    """Return the paths, relative to the source's root, of the files that Nix sees.

    Raises:
        CommandError: git failed.
    """
    root = source.root
    if root is None:
        return []
    if source.git:
        listing = ["git", "-C", str(root), "ls-files", "-z", "--cached"]
        known = shell.run(listing, timeout=GIT_TIMEOUT).stdout.split("\0")
        return sorted(path for path in known if path and os.path.lexists(root / path))
    return [os.path.relpath(entry.path, root) for entry in walk(root)]


def pack(source: Source, target: Path, overlay: Mapping[str, str]) -> None:
    """Write the flake's source as a tar whose bytes depend on contents alone.

    Args:
        source: it must be a local directory.
        target: the tar to write.
        overlay: file in the flake's directory -> text that takes its place.

    Raises:
        BuildError: there is too much to copy.
    """
    root, directory = source.root, source.directory
    if root is None or directory is None:
        raise ValueError(f"{source.ref} is not a local directory")
    try:
        _pack(source, root, directory, target, overlay)
    except OSError as error:
        raise BuildError(f"cannot read the flake's source: {error}") from error


def _pack(
    source: Source, root: Path, directory: Path, target: Path, overlay: Mapping[str, str]
) -> None:
    instead = {os.path.relpath(directory / name, root): text for name, text in overlay.items()}
    names = sorted({*files(source), *instead})
    size = sum((root / name).lstat().st_size for name in names if name not in instead)
    if size > MAX_SOURCE:
        raise BuildError(
            f"the flake's source {root} holds {size >> 20} MiB, more than {MAX_SOURCE >> 20}",
            resolution="move data out of it, or make it a git repository: "
            "only files that git knows are copied then",
        )
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            _add(archive, root, name, instead.get(name))


def _add(archive: tarfile.TarFile, root: Path, name: str, text: str | None) -> None:
    if text is not None:
        data = text.encode()
        member = tarfile.TarInfo(name)
        member.size = len(data)
        member.mode = 0o644
        archive.addfile(member, io.BytesIO(data))
        return
    member = archive.gettarinfo(root / name, name)
    if member is None:
        return  # a socket, which the store cannot hold
    # the store keeps nothing of a file but its content and whether it is executable
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    if member.isreg():
        with (root / name).open("rb") as content:
            archive.addfile(member, content)
    else:
        archive.addfile(member)
