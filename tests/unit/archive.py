"""What stands for apt, pip and the Nix store, and a lock of three packages."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from enoslib_nxc.debian import LOCK_NAME
from enoslib_nxc.debian import store as nix_store
from enoslib_nxc.debian import wheel as wheel_module
from enoslib_nxc.debian.lock import Lock, Package, Source
from enoslib_nxc.debian.stanzas import Stanza


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def pin(name: str, version: str, *depends: str) -> Package:
    return Package(
        name=name,
        version=version,
        sha256=digest(f"{name} {version}"),
        filename=f"{name}_{version}_amd64.deb",
        architecture="amd64",
        depends=depends,
    )


WHEEL = Source(
    name="nixos-compose", version="1", sha256=digest("nixos-compose 1"), filename="n-1.whl"
)
PINNED = Lock(
    groups={"base": ("bash",), "extra": ("hello",)},
    packages=(pin("bash", "1", "libc6"), pin("hello", "1"), pin("libc6", "1")),
    wheel=WHEEL,
)


class Archive:
    """Stands for apt, pip and the Nix store; keeps account of what was asked."""

    def __init__(self) -> None:
        self.versions = {"bash": "1", "hello": "1", "libc6": "1"}
        self.depends = {"bash": ("libc6",)}
        self.wheels = {"nixos-compose==1": "1", "nixos-compose": "1"}
        self.store: set[str] = set()
        self.calls: list[str] = []

    # AptRoot
    def __call__(self, root: Path, *, timeout: float) -> Archive:
        return self

    def has_lists(self) -> bool:
        return True

    def stale(self) -> bool:
        return False

    def update(self) -> None:
        self.calls.append("update")

    def available(self, packages):
        return {p.name for p in packages if self.versions.get(p.name) == p.version}

    def solve(self, wanted):
        self.calls.append("solve")
        return [
            Stanza(name, version, "amd64", digest(f"{name} {version}"),
                   tuple((word,) for word in self.depends.get(name, ())))
            for name, version in self.versions.items()
        ]  # fmt: skip

    def download(self, packages, cache, progress):
        for package in packages:
            self.calls.append(f"get {package.pin}")
            (cache / package.filename).write_text(f"{package.name} {package.version}")
            progress(1, len(packages))

    # wheel
    def pip(self, requirement, cache, *, timeout):
        self.calls.append(f"pip {requirement}")
        version = self.wheels.get(requirement)
        if version is None:
            return None
        name = requirement.partition("==")[0]
        text, filename = f"{name} {version}", f"{name[0]}-{version}.whl"
        (cache / filename).write_text(text)
        return Source(name=name, version=version, sha256=digest(text), filename=filename)

    # store
    def invalid(self, sources, store, *, timeout):
        return [one for one in sources if nix_store.store_path(one) not in self.store]

    def add(self, sources, cache, store, *, timeout, sent):
        if sources:
            self.calls.append(f"add {len(sources)}")
        self.store |= {nix_store.store_path(one) for one in sources}


def install(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Archive:
    """Put one in the place of the real ones, with an empty cache."""
    made = Archive()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr("enoslib_nxc.debian.fetch.AptRoot", made)
    monkeypatch.setattr(wheel_module, "download", made.pip)
    monkeypatch.setattr(nix_store, "invalid", made.invalid)
    monkeypatch.setattr(nix_store, "add", made.add)
    return made


def write_flake(directory: Path) -> Path:
    """Write a flake with the lock."""
    directory.mkdir()
    (directory / "flake.nix").write_text("{ }")
    (directory / LOCK_NAME).write_text(PINNED.dump())
    return directory
