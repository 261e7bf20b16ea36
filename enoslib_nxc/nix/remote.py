"""Builds on another machine: its sources go there, what is needed comes back.

Over ssh, as argv that the caller wraps; nothing but sh, tar and Nix is needed there.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from enoslib_nxc.built import StoreMap
from enoslib_nxc.config_sections import Build
from enoslib_nxc.errors import ArtifactError, BuildError, CommandError, ConfigError
from enoslib_nxc.nix.site import HERE, Site
from enoslib_nxc.nix.store import NixStore

LOCAL = "local"
BATCH = 32 << 20
"""Bytes of sources that go there in one stream."""

KEPT_SOURCES = 10
"""Flake sources that stay on the other machine, the latest ones."""

# Prints the directory of a source by its content; with it there already, says so too.
FIND = r"""
dir="${XDG_CACHE_HOME:-$HOME/.cache}/enoslib-nxc/sources/$1"
echo "$dir"
[ -d "$dir" ] && touch "$dir" && echo present
exit 0
"""

# Unpacks a tar aside: a cut connection leaves nothing.
RECEIVE = r"""
set -e
umask 077
cache="${XDG_CACHE_HOME:-$HOME/.cache}/enoslib-nxc/sources"
mkdir -p "$cache"
part=$(mktemp -d "$cache/.part.XXXXXX")
trap 'rm -rf "$part"' EXIT
tar -x --no-same-owner -C "$part" -f -
"""

PUSH = rf"""{RECEIVE}
mv -T "$part" "$cache/$1" 2>/dev/null || [ -d "$cache/$1" ]
cd "$cache" && ls -1t | tail -n +{KEPT_SOURCES + 1} | while read -r old; do rm -rf "$old"; done
"""

# Runs a command on the files that came.
ADD = rf"""{RECEIVE}
cd "$part" && "$@" ./*
"""

# Store paths may be links to others; what arrives is the file itself. Some names are dummies.
FETCH = r"""
set -e
cd "$1"
shift
for path; do if [ -f "$path" ]; then printf '%s\n' "$path"; fi; done | tar -c -h -f - -T -
"""


@dataclass(frozen=True)
class Address:
    """What `build.on` names; None is for ssh's own configuration to say."""

    host: str
    user: str | None
    port: int | None


def address(on: str) -> Address:
    """Read `build.on`.

    Raises:
        ConfigError: it is not ssh://[USER@]HOST[:PORT].
    """
    parts = urlsplit(on)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme != "ssh" or not parts.hostname or port == -1 or parts.path.strip("/"):
        raise ConfigError(
            f'build.on {on!r} is neither "local" nor ssh://[USER@]HOST[:PORT]',
            resolution="for example build.on: ssh://me@builder.example.org",
        )
    return Address(parts.hostname, parts.username, port)


def site(build: Build, reach: Callable[[Address, Sequence[str]], Sequence[str]]) -> Site:
    """Return the machine that builds.

    Args:
        build: the configuration's section.
        reach: turns an argv into one that runs at an address.

    Raises:
        ConfigError: `build.on` is no address.
    """
    if build.on == LOCAL:
        return HERE
    there = address(build.on)
    # with the port: behind two ports of one host are two machines, with caches of their own
    name = f"{there.host}:{there.port}" if there.port else there.host
    return Site(name=name, wrap=lambda words: reach(there, words))


def push(there: Site, packed: Path, left: Callable[[], float]) -> str:
    """Copy a packed source to the other machine, unless it has it.

    Args:
        there: the machine.
        packed: the tar.
        left: seconds until the deadline.

    Returns:
        The directory that holds it there.
    """
    with packed.open("rb") as content:
        digest = hashlib.sha256(content.read()).hexdigest()
    found = there.run(_sh(FIND, digest), timeout=left()).stdout.splitlines()
    if "present" not in found[1:]:
        there.stream(_sh(PUSH, digest), timeout=left(), stdin_from=packed)
    return found[0]


def add_files(
    store: NixStore,
    files: Sequence[Path],
    *,
    timeout: float,
    sent: Callable[[int], None] = lambda _: None,
) -> None:
    """Add files to a store under their names, where builds find them by their sha256.

    To another machine they go in a few streams; what a stream brought is in the store, so
    that a cut connection costs one of them.

    Args:
        store: the store.
        files: files on this machine.
        timeout: seconds for each process.
        sent: called with the number of files there so far.

    Raises:
        BuildError: the other machine did not take them.
    """
    add = ("--add-fixed", "sha256")
    if store.site.wrap is None:
        if files:
            store.run("nix-store", *add, *map(str, files), timeout=timeout)
        return
    variables = [f"{key}={value}" for key, value in store.env.items()]
    command = _sh(ADD, "env", *variables, *store.argv("nix-store", *add))
    there = 0
    for batch in batches(files, [file.stat().st_size for file in files]):
        with TemporaryDirectory(prefix="enoslib-nxc-") as scratch:
            packed = Path(scratch, "files.tar")
            with tarfile.open(packed, "w") as archive:
                for file in batch:
                    archive.add(file, file.name)
            try:
                store.site.stream(command, timeout=timeout, stdin_from=packed)
            except CommandError as error:
                raise BuildError(
                    f"sources could not be sent to {store.site.name}: {error.brief}",
                    details=error.details,
                    resolution="try again: what is there already is not sent anew",
                ) from error
        there += len(batch)
        sent(there)


def batches(files: Sequence[Path], sizes: Sequence[int]) -> Iterator[list[Path]]:
    """Yield files in order, in groups of `BATCH` bytes, or one larger file alone. Pure."""
    group: list[Path] = []
    room = BATCH
    for file, size in zip(files, sizes, strict=True):
        if group and size > room:
            yield group
            group, room = [], BATCH
        group.append(file)
        room -= size
    if group:
        yield group


def fetch(
    store: NixStore, compose_info: str, left: Callable[[], float]
) -> tuple[Path, StoreMap]:
    """Bring what a deployment needs into a cache here that is laid out as a store.

    Args:
        store: the store that built it.
        compose_info: store path of the compose info.
        left: seconds until the deadline.

    Returns:
        The compose info's file here, and where the store paths are here.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    here = StoreMap(root=Path(cache, "enoslib-nxc", "remote", store.site.name))
    _bring(store, here, [compose_info], left)
    file = here.real(compose_info)
    _bring(store, here, sorted(set(needed(file.read_text(), compose_info))), left)
    return file, here


def needed(text: str, source: str) -> Iterator[str]:
    """Yield the store paths that a deployment reads on this machine. Pure.

    Args:
        text: a compose info.
        source: its path, for messages.

    Raises:
        ArtifactError: it is not JSON.
    """
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise ArtifactError(f"{source} is not JSON: {error}") from error
    if not isinstance(tree, dict):
        return
    shared, compositions = tree.get("all"), tree.get("compositions_info")
    wanted: list[object] = [tree.get("compositions_info_path"), tree.get("image")]
    if isinstance(shared, dict):
        wanted += [shared.get(key) for key in ("kernel", "initrd", "qemu_script", "image")]
    if isinstance(compositions, dict):
        wanted += [entry.get("test_script") for entry in compositions.values()]
    yield from (str(path) for path in wanted if str(path).startswith("/nix/store/"))


def _bring(
    store: NixStore, here: StoreMap, paths: list[str], left: Callable[[], float]
) -> None:
    """Copy the files that are not here yet; what a store path holds never changes."""
    missing = [path.lstrip("/") for path in paths if not here.real(path).exists()]
    if not missing:
        return
    here.root.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".part-", dir=here.root) as part:
        packed = Path(part, "files.tar")
        command = _sh(FETCH, str(store.map.root), *missing)
        store.site.stream(command, timeout=left(), stdout_to=packed)
        with tarfile.open(packed) as archive:
            archive.extractall(part, filter="data")
        for path in missing:
            if (taken := Path(part, path)).is_file():
                (here.root / path).parent.mkdir(parents=True, exist_ok=True)
                taken.replace(here.root / path)


def _sh(script: str, *arguments: str) -> list[str]:
    return ["sh", "-c", script, "sh", *arguments]
