"""The step before a build: its sources into the Nix store, and a flake that names them.

Nothing is asked of the network that the cache or the Nix store already holds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc.debian import workdir
from enoslib_nxc.debian.fetch import Fetcher
from enoslib_nxc.debian.lock import LOCK_NAME, Lock, read_lock, successors
from enoslib_nxc.events import Phase, Reporter, step
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
    flake_dir: Path,
    *,
    store: NixStore,
    locked: bool,
    report: Reporter,
    timeout: float,
    flavour: str = "",
) -> Prepared:
    """Bring a composition's sources into the Nix store.

    Args:
        flake_dir: directory with `flake.nix` and `debian.lock.json`; `EMBEDDED_DIR` for the
            composition of this package.
        store: the Nix store that will build it.
        locked: refuse successors of packages whose pinned version has gone.
        report: takes the events of phase `FETCH`.
        timeout: seconds that each call of apt, pip or Nix may take.
        flavour: the flavour to be built; "" stands for all of them.

    Returns:
        The flake to build.

    Raises:
        BuildError: the lock is unreadable, a source cannot be had, or, with `locked`, not
            in its pinned version.
    """
    pinned = read_lock(flake_dir / LOCK_NAME)
    with step(report, Phase.FETCH, "fetch the composition's sources") as running:
        fetcher = Fetcher(
            cache_root(), store, timeout=timeout, running=running, flavour=flavour
        )
        lock = fetcher.fetch(pinned, locked=locked)
        changed = successors(pinned, lock)
        if not fetcher.fetched:
            running.noop(f"all {len(lock.needed(flavour))} sources are in the store")
        elif changed:
            running.message = f"sources fetched, {len(changed)} as successors"
        work = workdir.materialise(
            flake_dir, library=EMBEDDED_DIR, lock=lock.dump(), parent=cache_root() / "flakes"
        )
    return Prepared(work, lock, changed)


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
    embedded = read_lock(EMBEDDED_DIR / LOCK_NAME)
    before = read_lock(path) if path.exists() else embedded
    extra = (*before.groups.get("extra", ()), *add)
    groups = {**before.groups, "extra": tuple(sorted(set(extra)))}
    with step(report, Phase.FETCH, "lock the composition's packages") as running:
        fetcher = Fetcher(cache_root(), store, timeout=timeout, running=running)
        wheels = before.wheels or embedded.wheels  # older locks have none
        asked = before.model_copy(update={"groups": groups, "wheels": wheels})
        with workdir.alone(cache_root(), timeout=timeout):
            after = fetcher.resolve(asked)
        workdir.write_atomic(path, after.dump())
    return successors(before, after)
