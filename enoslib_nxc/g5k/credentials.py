"""The user's file for the Grid'5000 API, which python-grid5000 reads without checking it.

A file that it cannot read, or a key that it does not know, leaves it with the real API and
nobody's name, without a word that reaches the user; so the file is looked at here first.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from enoslib.infra.enos_g5k.utils import inside_g5k

from enoslib_nxc.errors import ConfigError

FILE = ".python-grid5000.yaml"
"""Its name in $HOME (EnOSlib 10.9.0, `get_api_client`)."""

HOW = f"write uri, username and password (YAML) into ~/{FILE}, mode 0600"


@dataclass(frozen=True)
class Credentials:
    """What the file says; `None` where it does not, so that python-grid5000's default holds.

    Args:
        uri: address of the API.
        username: Grid'5000 login.
        password: its password.
        exposed: file that others can read although it holds a password, "" when all is well.
    """

    uri: str | None = None
    username: str | None = None
    password: str | None = None
    exposed: str = ""


def path() -> Path:
    """Return where the file is, or would be.

    Raises:
        ConfigError: $HOME is not set.
    """
    home = os.environ.get("HOME")
    if not home:
        raise ConfigError(f"HOME is not set: ~/{FILE} cannot be found")
    return Path(home) / FILE


def read() -> Credentials:
    """Read the file.

    Raises:
        ConfigError: it is absent outside Grid'5000, cannot be read, or says what
            python-grid5000 would not understand.
    """
    file = path()
    try:
        text = file.read_text()
        mode = stat.S_IMODE(file.stat().st_mode)
    except FileNotFoundError:
        # on its own machines Grid'5000 knows who asks without a password
        if inside_g5k():
            return Credentials()
        raise ConfigError(
            f"no Grid'5000 credentials: {file} does not exist", resolution=HOW
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise ConfigError(f"{file} cannot be read: {reason.lower()}", resolution=HOW) from error
    found = _parse(file, text)
    exposed = str(file) if found.password and mode & 0o077 else ""
    return Credentials(found.uri, found.username, found.password, exposed)


def _parse(file: Path, text: str) -> Credentials:
    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not YAML", details=str(error), resolution=HOW) from error
    if not isinstance(content, Mapping):
        raise ConfigError(f"{file} is not a mapping of keys to values", resolution=HOW)
    if "base_uri" in content and "uri" not in content:
        raise ConfigError(
            f"{file}: base_uri is not read by python-grid5000, which would ask the real API",
            resolution="call it uri",
        )
    for key in ("uri", "username", "password"):
        if not isinstance(content.get(key), str | None):
            raise ConfigError(f"{file}: {key} is not text", resolution="put it in quotes")
    if content.get("username") and not content.get("password"):
        raise ConfigError(f"{file}: username without password", resolution=HOW)
    if not (inside_g5k() or {"uri", "username", "sslcert"} & set(content)):
        raise ConfigError(f"{file} has no username", resolution=HOW)
    return Credentials(content.get("uri"), content.get("username"), content.get("password"))
