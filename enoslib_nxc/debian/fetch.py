"""Fetches the sources of a lock: from the Nix store, the cache, apt and pip, in this order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from enoslib_nxc.debian import store as nix_store
from enoslib_nxc.debian import wheel, workdir
from enoslib_nxc.debian.apt import AptRoot
from enoslib_nxc.debian.lock import Lock, Package, Source, read_lock
from enoslib_nxc.debian.stanzas import closure
from enoslib_nxc.errors import BuildError
from enoslib_nxc.events import Step
from enoslib_nxc.nix import NixStore
from enoslib_nxc.nix.provenance import digest


class Fetcher:
    """Fetches the sources of a lock into the cache and the Nix store.

    Args:
        root: directory of the cache.
        store: the Nix store.
        timeout: seconds for each process.
        running: the step that progress is reported to.
        flavour: fetch what this flavour needs; "" stands for all.
    """

    def __init__(
        self, root: Path, store: NixStore, *, timeout: float, running: Step, flavour: str = ""
    ) -> None:
        self._root = root
        self._cache = root / "debian"
        self._store = store
        self._timeout = timeout
        self._running = running
        self._flavour = flavour
        self.fetched = False
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BuildError(
                f"fetched files cannot be kept in {self._cache}: {str(error.strerror).lower()}",
                resolution="give access there, or set XDG_CACHE_HOME to another directory",
            ) from error

    @property
    def _apt(self) -> AptRoot:
        return AptRoot(self._root / "apt", timeout=self._timeout)

    def fetch(self, pinned: Lock, *, locked: bool) -> Lock:
        """Make all sources available; return the lock that holds, pinned or of successors."""
        lock = self._here(pinned, locked=locked)
        if lock is None:
            with workdir.alone(self._root, timeout=self._timeout):
                # another process may just have fetched it
                lock = self._here(pinned, locked=locked)
                lock = lock or self._from_network(pinned, locked=locked)
        self._add(lock)
        return lock

    def _here(self, pinned: Lock, *, locked: bool) -> Lock | None:
        """Return the lock whose sources are all in the store or the cache, if there is one."""
        if not self._absent(pinned):
            return pinned
        remembered = self._effective_path(pinned)
        if locked or not remembered.exists():
            return None
        effective = read_lock(remembered)
        return None if self._absent(effective) else effective

    def _effective_path(self, pinned: Lock) -> Path:
        return self._root / "locks" / f"{pinned.digest}.json"

    def _absent(self, lock: Lock) -> list[Source]:
        """Return the sources that neither the Nix store nor the cache holds."""
        sources = lock.needed(self._flavour)
        missing = nix_store.invalid(sources, self._store, timeout=self._timeout)
        return [source for source in missing if not self._cached(source)]

    def _cached(self, source: Source) -> bool:
        file = self._cache / source.filename
        return file.is_file() and digest(file) == source.sha256

    def _add(self, lock: Lock) -> None:
        sources = lock.needed(self._flavour)
        missing = nix_store.invalid(sources, self._store, timeout=self._timeout)
        self.fetched = self.fetched or bool(missing)
        nix_store.add(
            missing,
            self._cache,
            self._store,
            timeout=self._timeout,
            sent=lambda done: self._running.progress(
                f"send to {self._store.site.name}",
                done=done,
                total=len(missing),
                unit="packages",
            ),
        )

    def _from_network(self, pinned: Lock, *, locked: bool) -> Lock:
        self.fetched = True
        absent = self._absent(pinned)
        packages = [source for source in absent if isinstance(source, Package)]
        wheels = [one for one in pinned.from_pip if one in absent]
        wheels_gone = [one for one in wheels if not self._download_wheel(one)]
        gone = self._download_pinned(packages) if packages else []
        if not gone and not wheels_gone:
            return pinned
        names = [source.pin for source in (*gone, *wheels_gone)]
        if locked:
            raise BuildError(
                f"{len(names)} pinned sources are no longer to be had: " + ", ".join(names),
                resolution="build without build.locked to take their successors, "
                "or renew the lock with `enoslib-nxc lock`",
            )
        lock = self.resolve(pinned) if gone else pinned
        lock = lock.with_wheels({one.name: self._newest(one.name) for one in wheels_gone})
        remembered = self._effective_path(pinned)
        remembered.parent.mkdir(parents=True, exist_ok=True)
        workdir.write_atomic(remembered, lock.dump())
        return lock

    def _download_wheel(self, pinned: Source) -> bool:
        """Download a pinned wheel; return whether it still exists."""
        self._running.progress(f"download {pinned.pin}")
        exact = f"{pinned.name}=={pinned.version}"
        got = wheel.download(exact, self._cache, timeout=self._timeout)
        return got is not None and got.sha256 == pinned.sha256

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

    def resolve(self, asked: Lock) -> Lock:
        """Choose packages as apt offers them now, and download those that are not cached."""
        apt = self._apt
        if apt.stale():
            self._update(apt)
        wanted = asked.wanted()
        lock = asked.model_copy(update={"packages": closure(wanted, apt.solve(wanted))})
        needed = [one for one in lock.needed(self._flavour) if isinstance(one, Package)]
        missing = nix_store.invalid(needed, self._store, timeout=self._timeout)
        absent = [p for p in needed if p in missing and not self._cached(p)]
        apt.download(absent, self._cache, self._on_progress())
        return lock

    def _newest(self, name: str) -> Source:
        """Download the newest release of a package."""
        found = wheel.download(name, self._cache, timeout=self._timeout)
        if found is None:
            raise BuildError(
                f"pip found no wheel of {name}",
                resolution="check the network and pip's configuration, and try again",
            )
        return found

    def _on_progress(self) -> Callable[[int, int], None]:
        def progress(done: int, total: int) -> None:
            self._running.progress("download", done=done, total=total, unit="packages")

        return progress
