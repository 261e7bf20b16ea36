"""The store of flavour g5k-nfs-store: the closure in the user's home, which nodes mount.

Stage 1 mounts HOST:DIR over NFS as the lower layer of /nix/store, so DIR holds store paths.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from enoslib_nxc import shell, ssh
from enoslib_nxc.built import Artifacts
from enoslib_nxc.config_g5k import G5k
from enoslib_nxc.errors import ArtifactError, CommandError
from enoslib_nxc.g5k.staging import OURS, SERVED, Staging
from enoslib_nxc.ssh import HostKey
from enoslib_nxc.transfer import Place
from enoslib_nxc.wait import Deadline

FLAVOUR = "g5k-nfs-store"
"""NXC's name of it (`nix/flavours.json`)."""

STORE = "/nix/store/"

DIRECTORY = f"{SERVED}/{OURS}/store"
"""In the home, beside what else of ours is there."""

LIST = "all-store-paths"
"""In `all_compositions_registration_store_path` of a compose info: what a store must have
(NXC 0.7.11, and the embedded composition)."""

NAMED_ONLY = frozenset({"init"})
"""Keys of `all` in a compose info whose paths a build does not bring along, so that they may
be in no store: NXC names the system that has no role, which no machine boots
(nix/multiple_compositions.nix of NXC 0.7.11)."""

PARCEL_BYTES = 256 << 20
"""Sent at once: what a broken connection costs."""

QUESTION_SECONDS = 120.0
"""For a thousand names on a busy file server."""


def place_of(settings: G5k, site: str, login: str) -> str:
    """Return HOST:DIR of the store that a site's nodes mount.

    Args:
        settings: the configuration.
        site: the site.
        login: of Grid'5000.
    """
    if settings.nfs_store:
        return settings.nfs_store
    home = settings.nfs_home.replace("{site}", site).replace("{login}", login)
    return f"{home.rstrip('/')}/{DIRECTORY}"


def stage(home: Staging, artifacts: Artifacts, deadline: Deadline) -> None:
    """Have all store paths of a build in the home on a site; those that are there stay.

    Args:
        home: the home.
        artifacts: what was built.
        deadline: until when.

    Raises:
        ArtifactError: the build does not say what its store must have.
        PlatformError: they did not get there.
    """
    place = home.place()
    # of this call: another process may send to the same home
    incoming = f".incoming-{secrets.token_hex(4)}"
    values = {"STORE": f"{home.home}/{DIRECTORY}", "INCOMING": incoming}

    def run(action: str, **more: str) -> str:
        words = {**values, "ACTION": action, **more}
        return place.run("store", words, timeout=QUESTION_SECONDS)

    real = artifacts.store.real(STORE)
    with home.told("the store"):
        missing = run("missing", NAMES="\n".join(names(artifacts))).split()
        for parcel in parcels(real, missing):
            try:
                run("begin")
                _send(place, real, parcel, f"{values['STORE']}/{incoming}", deadline)
                run("accept")
            except CommandError:
                with suppress(CommandError):  # what failed may be the way there
                    run("drop")
                raise


def names(artifacts: Artifacts) -> list[str]:
    """Return the names in the store of all that nodes need.

    Raises:
        ArtifactError: the build does not say it.
    """
    registration = artifacts.all_info.get("all_compositions_registration_store_path", "")
    try:
        listed = (artifacts.store.real(registration or "/none") / LIST).read_text().split()
    except OSError as error:
        raise ArtifactError(
            "the build does not list what its store must have "
            f"({registration or 'no all_compositions_registration_store_path'})",
            resolution="build it for the flavour g5k-nfs-store",
        ) from error
    brought = (path for key, path in artifacts.all_info.items() if key not in NAMED_ONLY)
    more = [artifacts.compositions_info_path, *brought]
    more += [role.toplevel for role in artifacts.roles.values()]
    paths = [path for path in (*listed, *more) if path.startswith(STORE)]
    return sorted({path.removeprefix(STORE).partition("/")[0] for path in paths})


def parcels(store: Path, missing: Iterable[str]) -> Iterator[list[str]]:
    """Yield names of store paths in groups of at most `PARCEL_BYTES`, one at least.

    Args:
        store: where they are.
        missing: their names.

    Raises:
        ArtifactError: one is not there.
    """
    parcel: list[str] = []
    size = 0
    for name in missing:
        own = _size(store / name)
        if parcel and size + own > PARCEL_BYTES:
            yield parcel
            parcel, size = [], 0
        parcel.append(name)
        size += own
    if parcel:
        yield parcel


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    try:
        return sum(file.lstat().st_size for file in files)
    except OSError as error:
        raise ArtifactError(
            f"{path} is not in the store here any more",
            resolution="build it again",
        ) from error


def _send(
    place: Place, store: Path, parcel: list[str], target: str, deadline: Deadline
) -> None:
    """Send store paths; their owner there may move them, which Nix lets nobody do.

    Raises:
        CommandError: they did not all arrive.
    """
    pack = ["tar", "-C", str(store), "--mode=u+w", "-cf", "-", "--", *parcel]
    unpack = ["tar", "-C", target, "-xf", "-"]
    seconds = max(1.0, deadline.remaining())
    if place.access is None:
        shell.pipe(pack, unpack, timeout=seconds)
        return
    with ssh.turn(place.access, seconds) as left:
        words = ssh.argv(place.access, *unpack, host_key=HostKey.PINNED)
        shell.pipe(pack, words, timeout=left)
