"""The step before a build: its sources into the Nix store, and a flake that names them.

Nothing is asked of the network that the cache or the Nix store already holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc.debian import store as nix_store
from enoslib_nxc.debian import wheel, workdir
from enoslib_nxc.debian.apt import AptRoot, sha256
from enoslib_nxc.debian.lock import (
    LOCK_NAME,
    Lock,
    Package,
    Source,
    read_lock,
    sanitise,
    successors,
)
from enoslib_nxc.debian.stanzas import closure
from enoslib_nxc.errors import BuildError
from enoslib_nxc.events import Phase, Reporter, Step, step
from enoslib_nxc.nix import NixStore

EMBEDDED_DIR = Path(__file__).parent.parent / "embedded"
"""The composition, and the Nix library, that come with this package."""


@dataclass(frozen=True)
class Prepared:
    """A flake that is ready to build.

    Args:
        flake_dir: what `nix build` is to be given; a working copy, not to be edited.
        lock: what it is made of.
        successors: `old -> new`, for each package whose pinned version has gone.
    """

    flake_dir: Path
    lock: Lock
    successors: tuple[str, ...] = ()


def cache_root() -> Path:
    """Return where fetched files are kept: `$XDG_CACHE_HOME/enoslib-nxc`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "enoslib-nxc"


def prepare(
    flake_dir: Path, *, store: NixStore, locked: bool, report: Reporter, timeout: float
) -> Prepared:
    """Bring a composition's sources into the Nix store.

    Args:
        flake_dir: directory with `flake.nix` and `debian.lock.json`; `EMBEDDED_DIR` for the
            composition of this package.
        store: the Nix store that will build it.
        locked: refuse successors of packages whose pinned version has gone.
        report: takes the events of phase `FETCH`.
        timeout: seconds that each call of apt, pip or Nix may take.

    Returns:
        The flake to build.

    Raises:
        BuildError: the lock is unreadable, a source cannot be had, or, with `locked`, not
            in its pinned version.
    """
    pinned = read_lock(flake_dir / LOCK_NAME)
    with step(report, Phase.FETCH, "fetch the composition's sources") as running:
        fetcher = Fetcher(cache_root(), store, timeout=timeout, running=running)
        lock = fetcher.fetch(pinned, locked=locked)
        changed = successors(pinned, lock)
        if not fetcher.fetched:
            running.noop(f"all {len(lock.sources)} sources are in the store")
        elif changed:
            running.message = f"sources fetched, {len(changed)} as successors"
        work = workdir.materialise(
            flake_dir, library=EMBEDDED_DIR, lock=lock.dump(), parent=cache_root() / "flakes"
        )
    return Prepared(work, lock, changed)


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
            got = wheel.download(pinned.wheel.pin, self._cache, timeout=self._timeout)
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


def write_lock(
    flake_dir: Path,
    *,
    store: NixStore,
    report: Reporter,
    timeout: float,
    add: Sequence[str] = (),
) -> tuple[str, ...]:
    """Make or renew a flake's lock from what apt offers now.

    Args:
        flake_dir: directory of the flake; without a lock it starts from the embedded one.
        store: the Nix store that will build it; what it holds is not downloaded again.
        report: takes the events of phase `FETCH`.
        timeout: seconds that each call of apt, pip or Nix may take.
        add: further Debian packages that roles may use as `pkgs.NAME`.

    Returns:
        What changed, `old -> new`.
    """
    path = flake_dir / LOCK_NAME
    before = read_lock(path if path.exists() else EMBEDDED_DIR / LOCK_NAME)
    extra = (*before.groups.get("extra", ()), *add)
    groups = {**before.groups, "extra": tuple(sorted(set(extra)))}
    with step(report, Phase.FETCH, "lock the composition's packages") as running:
        fetcher = Fetcher(cache_root(), store, timeout=timeout, running=running)
        asked = before.model_copy(update={"groups": groups})
        after = asked.model_copy(update={"packages": fetcher.resolve(asked.wanted())})
        workdir.write_atomic(path, after.dump())
    return successors(before, after)
