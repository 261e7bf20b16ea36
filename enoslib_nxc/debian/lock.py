"""The lock file of a composition made of Debian packages: `debian.lock.json`.

Pure data and pure functions. Nix reads the same file (`embedded/nxc/debian.nix`), so that
what is fetched here and what a build expects cannot differ.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from enoslib_nxc.errors import BuildError

LOCK_NAME = "debian.lock.json"
"""The file beside `flake.nix` that makes a flake one of Debian packages."""

LOCK_VERSION = 1
"""Format of the lock file."""

ON_DEMAND = {"kernel-9p": frozenset({"vm"})}
"""Groups that only some flavours need -> those flavours. For others they are not fetched."""

_REFUSED = re.compile(r"[^0-9A-Za-z+._?=-]")


class _Locked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Locked):
    """A file that a build needs, known by its content.

    Args:
        name: package name.
        version: exact version.
        sha256: of the file, hexadecimal.
        filename: name of the file in the cache and in the Nix store.
    """

    name: str
    version: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    filename: str = Field(pattern=r"^[0-9A-Za-z+_?=-][0-9A-Za-z+._?=-]*$")

    @property
    def pin(self) -> str:
        """The package and its version, as apt and people write them."""
        return f"{self.name}={self.version}"


class Package(Source):
    """A Debian package.

    Args:
        architecture: `amd64` or `all`.
        depends: names, in the same lock, of the packages that it needs at run time.
    """

    architecture: str
    depends: tuple[str, ...] = ()


class Lock(_Locked):
    """What a composition is made of.

    Args:
        version: format of the file.
        groups: group -> the names asked for; `base`, `stage1`, `kernel`, `extra` (what
            roles may add) and those of `ON_DEMAND` are those of the embedded library.
        packages: the groups' packages and all that they depend on, by name.
        wheel: NXC's own package, whose stage-1 text the images run.
        wheels: what roles may add that Debian does not have, from PyPI.
    """

    version: int = LOCK_VERSION
    groups: dict[str, tuple[str, ...]]
    packages: tuple[Package, ...]
    wheel: Source
    wheels: tuple[Source, ...] = ()

    @property
    def from_pip(self) -> tuple[Source, ...]:
        """All wheels."""
        return (self.wheel, *self.wheels)

    @property
    def sources(self) -> tuple[Source, ...]:
        """All files that a build of this lock needs."""
        return (*self.packages, *self.from_pip)

    def with_wheels(self, newer: Mapping[str, Source]) -> Lock:
        """Return the same lock with other wheels in the place of those of their names."""
        first, *others = (newer.get(one.name, one) for one in self.from_pip)
        return self.model_copy(update={"wheel": first, "wheels": tuple(others)})

    def needed(self, flavour: str) -> tuple[Source, ...]:
        """Return the files that a build of one flavour needs.

        Args:
            flavour: its name; "" stands for all flavours.
        """
        if not flavour:
            return self.sources
        known = {package.name: package for package in self.packages}
        todo = [
            name
            for group, names in self.groups.items()
            if flavour in ON_DEMAND.get(group, {flavour})
            for name in names
        ]
        found = set[str]()
        while todo:
            name = todo.pop()
            if name in known and name not in found:
                found.add(name)
                todo += known[name].depends
        return (*(one for one in self.packages if one.name in found), *self.from_pip)

    def wanted(self) -> tuple[str, ...]:
        """Return the names asked for, of all groups, sorted and without duplicates."""
        return tuple(sorted({name for names in self.groups.values() for name in names}))

    def dump(self) -> str:
        """Return the text of the lock file: stable, one line for each package."""
        packages = ",\n    ".join(package.model_dump_json() for package in self.packages)
        groups = ",\n    ".join(
            f'"{group}": [{", ".join(_quote(name) for name in names)}]'
            for group, names in self.groups.items()
        )
        wheels = ",\n    ".join(one.model_dump_json() for one in self.wheels)
        more = f'  "wheels": [\n    {wheels}\n  ],\n' if wheels else ""
        return (
            f'{{\n  "version": {self.version},\n  "groups": {{\n    {groups}\n  }},\n'
            f'  "wheel": {self.wheel.model_dump_json()},\n{more}'
            f'  "packages": [\n    {packages}\n  ]\n}}\n'
        )

    @property
    def digest(self) -> str:
        """The sha256 (hex) of its text."""
        return hashlib.sha256(self.dump().encode()).hexdigest()


def _quote(name: str) -> str:
    """Return a package name as a JSON string; Debian names need no escapes."""
    return f'"{name}"'


def sanitise(filename: str) -> str:
    """Return a file name that the Nix store accepts.

    Store names hold letters, digits and `+-._?=` (Nix manual, "store path"); Debian
    versions may hold `~` and `:` besides.
    """
    return _REFUSED.sub("-", filename)


def read_lock(path: Path) -> Lock:
    """Read a lock file.

    Raises:
        BuildError: it is absent, not JSON, or not of this format.
    """
    resolution = "restore it from version control, or make it anew with `enoslib-nxc lock`"
    try:
        lock = Lock.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BuildError(
            f"cannot read {path}: {error.strerror}", resolution=resolution
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BuildError(
            f"{path} is not a lock file: {where}: {first['msg']}", resolution=resolution
        ) from error
    if lock.version != LOCK_VERSION:
        raise BuildError(
            f"{path} has format {lock.version}, this version reads {LOCK_VERSION}",
            resolution=resolution,
        )
    return lock


def successors(old: Lock, new: Lock) -> tuple[str, ...]:
    """Return what changed between two locks, one line a package: `old -> new`.

    A package that only one of them has shows as added or as gone.
    """
    before = {source.name: source for source in old.sources}
    after = {source.name: source for source in new.sources}
    lines = []
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was and now and was.sha256 != now.sha256:
            lines.append(f"{name} {was.version} -> {now.version}")
        elif was and not now:
            lines.append(f"{name} {was.version} -> gone")
        elif now and not was:
            lines.append(f"{name} added -> {now.version}")
    return tuple(lines)
