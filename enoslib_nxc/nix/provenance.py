"""Where artifacts come from: versions and hashes, for the record of an experiment."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path

from enoslib_nxc.built import Artifacts, Provenance
from enoslib_nxc.errors import CommandError
from enoslib_nxc.nix.store import NixStore

PACKAGES = ("enoslib-nxc", "enoslib", "ansible", "ansible-core", "nixos-compose")
TIMEOUT = 60.0
"""Seconds for `nix path-info`, which reads a database."""


def collect(
    artifacts: Artifacts,
    *,
    flake: str,
    directory: Path | None = None,
    store: NixStore | None = None,
) -> Provenance:
    """Gather where artifacts come from; costs one Nix process and reading two files.

    Args:
        artifacts: what was built.
        flake: the flake, or the compose-info file, as the user gave it.
        directory: the flake's directory, when it is on this machine.
        store: the store that built it; None when Nix took no part.
    """
    toplevels = sorted({role.toplevel for role in artifacts.roles.values()})
    files = {"kernel": artifacts.kernel, "initrd": artifacts.initrd}
    return Provenance(
        flake=flake,
        lock_hash=_lock_hash(directory),
        nar_hashes=_nar_hashes(store, toplevels) if store else {},
        digests={
            name: digest(artifacts.store.real(path)) for name, path in files.items() if path
        },
        versions=versions(nix=store.version if store else ""),
    )


def versions(*, nix: str = "") -> dict[str, str]:
    """Return the versions of what takes part in a deployment.

    Args:
        nix: that of Nix, "" when it took no part.
    """
    found = {"python": platform.python_version()} | ({"nix": nix} if nix else {})
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def digest(path: Path) -> str:
    """Return the sha256 (hex) of a file."""
    total = hashlib.sha256()
    with path.open("rb") as content:
        while block := content.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def _lock_hash(directory: Path | None) -> str:
    """Return the digest of flake.lock and of what else is locked beside it."""
    locks = sorted(directory.glob("*.lock*")) if directory else []
    total = hashlib.sha256(b"".join(path.read_bytes() for path in locks if path.is_file()))
    return total.hexdigest() if locks else ""


def _nar_hashes(store: NixStore, paths: list[str]) -> dict[str, str]:
    try:
        result = store.run("nix", "path-info", "--json", *paths, timeout=TIMEOUT, check=False)
        return parse_path_info(result.stdout) if result.returncode == 0 else {}
    except CommandError:
        return {}


def parse_path_info(text: str) -> dict[str, str]:
    """Read `nix path-info --json`: a list (2.8) or an object by path (2.19 and later).

    Returns:
        Store path -> NAR hash.
    """
    tree = json.loads(text)
    entries = tree.items() if isinstance(tree, dict) else ((e.get("path"), e) for e in tree)
    return {
        str(path): entry["narHash"]
        for path, entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("narHash"), str)
    }
