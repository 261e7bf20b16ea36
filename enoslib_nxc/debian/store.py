"""Source files in the Nix store: their paths, and how they get there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from enoslib_nxc import nix
from enoslib_nxc.debian.lock import Source
from enoslib_nxc.nix import NixStore

_ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"
"""Nix's base 32: no e, o, u, t."""


def store_path(source: Source) -> str:
    """Return the store path of a fixed-output file (flat, sha256).

    From the Nix manual, "complete store path calculation": the digest of the fingerprint
    `output:out:sha256:INNER:/nix/store:NAME`, folded to 160 bits.
    """
    inner = hashlib.sha256(f"fixed:out:sha256:{source.sha256}:".encode()).hexdigest()
    fingerprint = f"output:out:sha256:{inner}:/nix/store:{source.filename}"
    digest = _fold(hashlib.sha256(fingerprint.encode()).digest(), 20)
    return f"/nix/store/{_base32(digest)}-{source.filename}"


def _fold(digest: bytes, size: int) -> bytes:
    folded = bytearray(size)
    for place, byte in enumerate(digest):
        folded[place % size] ^= byte
    return bytes(folded)


def _base32(digest: bytes) -> str:
    number = int.from_bytes(digest, "little")
    length = -(-len(digest) * 8 // 5)
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))


def invalid(sources: Sequence[Source], store: NixStore, *, timeout: float) -> list[Source]:
    """Return those sources that the Nix store does not hold (one process, about 30 ms)."""
    by_path = {store_path(source): source for source in sources}
    words = ("--check-validity", "--print-invalid", *by_path)
    result = store.run("nix-store", *words, timeout=timeout)
    return [by_path[path] for path in result.stdout.split() if path in by_path]


def add(
    sources: Sequence[Source],
    cache: Path,
    store: NixStore,
    *,
    timeout: float,
    sent: Callable[[int], None],
) -> None:
    """Add files of the cache to the Nix store; see `nix.add_files`."""
    files = [cache / source.filename for source in sources]
    nix.add_files(store, files, timeout=timeout, sent=sent)
