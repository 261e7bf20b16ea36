"""Fetches the sources of a lock: from the Nix store, the cache, apt and pip, in this order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from enoslib_nxc.debian import store as nix_store
from enoslib_nxc.debian import wheel, workdir
from enoslib_nxc.debian.apt import AptRoot, sha256
from enoslib_nxc.debian.lock import Lock, Package, Source, read_lock
from enoslib_nxc.debian.stanzas import closure
from enoslib_nxc.errors import BuildError
from enoslib_nxc.events import Step
from enoslib_nxc.nix import NixStore


class Fetcher:
    """Fetches the sources of a lock into the cache and the Nix store.

    Args:
        root: directory of the cache.
        store: the Nix store.
        timeout: seconds for each process.
        running: the step that progress is reported to.
    """

    def __init__(self, root: Path, store: NixStore, *, timeout: float, running: Step) -> None:
        self._root = root
        self._cache = root / "debian"
        self._store = store
        self._timeout = timeout
        self._running = running
        self.fetched = False
        self._cache.mkdir(parents=True, exist_ok=True)

    @property
    def _apt(self) -> AptRoot:
        return AptRoot(self._root / "apt", timeout=self._timeout)

    def fetch(self, pinned: Lock, *, locked: bool) -> Lock:
        """Make all sources available; return the lock that holds, pinned or of successors."""
        absent = self._absent(pinned)
        if absent:
            effective = self._effective_path(pinned)
            known = read_lock(effective) if effective.exists() and not locked else None
            if known is not None and not self._absent(known):
                self._add(known)
                return known
            lock = self._from_network(pinned, absent, locked=locked)
            if lock != pinned:
                effective.parent.mkdir(parents=True, exist_ok=True)
                workdir.write_atomic(effective, lock.dump())
            self._add(lock)
            return lock
        self._add(pinned)
        return pinned

    def _effective_path(self, pinned: Lock) -> Path:
        return self._root / "locks" / f"{pinned.digest}.json"

    def _absent(self, lock: Lock) -> list[Source]:
        """Return the sources that neither the Nix store nor the cache holds."""
        missing = nix_store.invalid(lock.sources, self._store, timeout=self._timeout)
        return [source for source in missing if not self._cached(source)]

    def _cached(self, source: Source) -> bool:
        file = self._cache / source.filename
        return file.is_file() and sha256(file) == source.sha256

    def _add(self, lock: Lock) -> None:
        missing = nix_store.invalid(lock.sources, self._store, timeout=self._timeout)
        self.fetched = self.fetched or bool(missing)
        nix_store.add(missing, self._cache, self._store, timeout=self._timeout)

    def _from_network(self, pinned: Lock, absent: Sequence[Source], *, locked: bool) -> Lock:
        self.fetched = True
        packages = [source for source in absent if isinstance(source, Package)]
        wheel_gone = False
        if pinned.wheel in absent:
            self._running.progress(f"download {pinned.wheel.pin}")
            exact = f"{wheel.WHEEL}=={pinned.wheel.version}"
            got = wheel.download(exact, self._cache, timeout=self._timeout)
            wheel_gone = got is None or got.sha256 != pinned.wheel.sha256
        gone = self._download_pinned(packages) if packages else []
        if not gone and not wheel_gone:
            return pinned
        names = [source.pin for source in gone] + [pinned.wheel.pin] * wheel_gone
        if locked:
            raise BuildError(
                f"{len(names)} pinned sources are no longer to be had: " + ", ".join(names),
                resolution="build without build.locked to take their successors, "
                "or renew the lock with `enoslib-nxc lock`",
            )
        return self._successor(pinned, packages_gone=bool(gone), wheel_gone=wheel_gone)

    def _download_pinned(self, packages: Sequence[Package]) -> list[Package]:
        """Download what still exists; return what does not."""
        apt = self._apt
        if not apt.has_lists():
            self._update(apt)
        here = apt.available(packages)
        if len(here) < len(packages) and apt.stale():
            self._update(apt)
            here = apt.available(packages)
        found = [package for package in packages if package.name in here]
        if len(found) == len(packages):
            apt.download(found, self._cache, self._on_progress())
        return [package for package in packages if package.name not in here]

    def _update(self, apt: AptRoot) -> None:
        self._running.progress("apt-get update")
        apt.update()

    def _successor(self, pinned: Lock, *, packages_gone: bool, wheel_gone: bool) -> Lock:
        update: dict[str, object] = {}
        if packages_gone:
            update["packages"] = self.resolve(pinned.wanted())
        if wheel_gone:
            update["wheel"] = self.newest_wheel()
        return pinned.model_copy(update=update)

    def resolve(self, wanted: Sequence[str]) -> tuple[Package, ...]:
        """Choose packages as apt offers them now, and download those that are not cached."""
        apt = self._apt
        if apt.stale():
            self._update(apt)
        packages = closure(wanted, apt.solve(wanted))
        missing = nix_store.invalid(packages, self._store, timeout=self._timeout)
        absent = [p for p in packages if p in missing and not self._cached(p)]
        apt.download(absent, self._cache, self._on_progress())
        return packages

    def newest_wheel(self) -> Source:
        """Download the newest release of NXC's package."""
        found = wheel.download(wheel.WHEEL, self._cache, timeout=self._timeout)
        if found is None:
            raise BuildError(
                f"pip found no wheel of {wheel.WHEEL}",
                resolution="check the network and pip's configuration, and try again",
            )
        return found

    def _on_progress(self) -> Callable[[int, int], None]:
        def progress(done: int, total: int) -> None:
            self._running.progress("download", done=done, total=total, unit="packages")

        return progress
