"""Finds the user's public keys: by reading files only, of any type that OpenSSH has."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable
from pathlib import Path

from enoslib_nxc.errors import ConfigError

_ARMOUR = "-----BEGIN OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"


def public_keys(
    key: Path | None, *, home: Path | None = None, agent: Iterable[str] | None = None
) -> tuple[str, ...]:
    """Return the public keys that machines shall trust.

    Args:
        key: the configuration's `ssh.key`: a private key or a `.pub`; it alone is returned
            then. Without it, all of `~/.ssh/id_*.pub`, and those of the agent.
        home: the user's home directory; `Path.home()` when None.
        agent: lines of `ssh-add -L`; None when the agent was not asked.

    Returns:
        Lines of authorized_keys, each key once; empty when the user has none.

    Raises:
        ConfigError: the key named cannot be read, is no key, is open to others, or has a
            passphrase while the agent, which was asked, does not hold it.
    """
    held = None if agent is None else _distinct(line for line in agent if is_public_key(line))
    if key is not None:
        return _named(key.expanduser(), held)
    files = sorted(((home or Path.home()) / ".ssh").glob("id_*.pub"))
    found = [line for file in files for line in _lines_if_readable(file)]
    return _distinct([*found, *(held or ())])


def is_public_key(line: str) -> bool:
    """Tell whether a line is a public key, of whatever type, and not a certificate.

    The base64 blob starts with the length and text of the type (RFC 4253 section 6.6).
    """
    words = line.split()
    if len(words) < 2 or "-cert-v" in words[0]:
        return False
    try:
        blob = base64.b64decode(words[1], validate=True)
        name, rest = _string(blob)
    except (binascii.Error, ValueError):
        return False
    return name == words[0].encode() and bool(rest)


def _named(file: Path, held: tuple[str, ...] | None) -> tuple[str, ...]:
    text = _read(file)
    if file.suffix == ".pub":
        return _public_half(file, text)
    _refuse_open(file)
    if not text.startswith("-----BEGIN ") or "PRIVATE KEY-----" not in text:
        raise _refusal(file, "not an ssh key")
    if text.startswith(_ARMOUR):
        line, locked = _parse_private(file, text)
        lines: tuple[str, ...] = (line,)
    else:  # PEM and PKCS#8 hide the public half; ssh-keygen left it beside
        beside = file.with_name(f"{file.name}.pub")
        hint = f"ssh-keygen -y -f {file} > {beside}"
        lines = _public_half(beside, _read(beside, resolution=hint))
        locked = "ENCRYPTED" in text
    if locked and held is not None and not _bodies(lines) & _bodies(held):
        raise _refusal(
            file, "it has a passphrase, and no agent holds it", f"ssh-add {file}, and try again"
        )
    return lines


def _parse_private(file: Path, text: str) -> tuple[str, bool]:
    """Read OpenSSH's private key format; its public half is never encrypted.

    Source: OpenSSH, PROTOCOL.key: magic, cipher, kdf, kdf options, number of keys, keys.

    Returns:
        The public key's line, and whether there is a passphrase.
    """
    body = "".join(line for line in text.splitlines() if not line.startswith("-----"))
    try:
        data = base64.b64decode(body, validate=True)
        if not data.startswith(_MAGIC):
            raise _refusal(file, "not an ssh key")
        cipher, data = _string(data[len(_MAGIC) :])
        _kdf, data = _string(data)
        _options, data = _string(data)
        public, _ = _string(data[4:])
        name, _ = _string(public)
    except (binascii.Error, ValueError):
        raise _refusal(file, "not an ssh key") from None
    line = f"{name.decode('ascii', 'replace')} {base64.b64encode(public).decode()}"
    if not is_public_key(line):
        raise _refusal(file, "not an ssh key")
    return line, cipher != b"none"


def _string(data: bytes) -> tuple[bytes, bytes]:
    """Split an SSH string (RFC 4251 section 5: length on four bytes, then so many) off."""
    end = 4 + int.from_bytes(data[:4], "big")
    if len(data) < max(end, 4):
        raise ValueError("truncated")
    return data[4:end], data[end:]


def _public_half(file: Path, text: str) -> tuple[str, ...]:
    lines = _distinct(line for line in text.splitlines() if is_public_key(line))
    if not lines:
        raise _refusal(file, "not an ssh key")
    return lines


def _lines_if_readable(file: Path) -> list[str]:
    """Read a file that the user did not name: one that is no key is passed over."""
    try:
        return [
            line
            for line in file.read_text(errors="replace").splitlines()
            if is_public_key(line)
        ]
    except OSError:
        return []


def _read(file: Path, *, resolution: str = "") -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _refusal(file, "no such file", resolution) from None
    except UnicodeDecodeError:
        raise _refusal(file, "not an ssh key") from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError(f"ssh.key: {file} cannot be read: {reason}") from None


def _refuse_open(file: Path) -> None:
    """Refuse what ssh itself will: it ignores a key of ours that others may read."""
    status = file.stat()
    if status.st_uid == os.getuid() and status.st_mode & 0o077:
        mode = status.st_mode & 0o777
        raise _refusal(file, f"open to other users (mode {mode:04o})", f"chmod 600 {file}")


def _refusal(file: Path, reason: str, resolution: str = "") -> ConfigError:
    return ConfigError(f"ssh.key: {file}: {reason}", resolution=resolution)


def _distinct(lines: Iterable[str]) -> tuple[str, ...]:
    """Drop keys that come again, comments aside."""
    by_body: dict[tuple[str, ...], str] = {}
    for line in lines:
        by_body.setdefault(tuple(line.split()[:2]), line.strip())
    return tuple(by_body.values())


def _bodies(lines: Iterable[str]) -> set[str]:
    return {line.split()[1] for line in lines}
