"""What a deployment has published in homes on sites: on record, until it is taken back.

Nodes that Kadeploy installed fetch their deployment JSON again at each boot of theirs, so it
stays, at the same address, until `destroy()`.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from enoslib_nxc.config_g5k import G5k
from enoslib_nxc.data import Data
from enoslib_nxc.errors import NxcError
from enoslib_nxc.g5k import staging
from enoslib_nxc.g5k.staging import Staged, Staging
from enoslib_nxc.state import Home

FILE = "published.json"
"""The record, in the deployment's directory."""


class Kept(Data):
    """A file on a site.

    Args:
        site: the site.
        path: absolute path in the user's home there.
        url: the same by HTTP, inside Grid'5000.
    """

    site: str
    path: str
    url: str

    @property
    def staged(self) -> Staged:
        """The same as `Staging` knows it."""
        return Staged(self.path, self.url)


class Published(Data):
    """What is, or may be, in homes on sites.

    Args:
        login: the user's on Grid'5000.
        g5k: the configuration by which the homes are reached.
        files: what was written there.
        environments: host -> address of the description that it was last deployed with.
    """

    login: str = ""
    g5k: G5k = Field(default_factory=G5k)
    files: tuple[Kept, ...] = ()
    environments: dict[str, str] = Field(default_factory=dict)

    def home_of(self, site: str) -> Staging:
        """Return the home on a site."""
        return staging.at(self.g5k, site, self.login)


def load(home: Home) -> Published:
    """Return the record, an empty one where there is none or none that can be read."""
    try:
        return Published.model_validate_json(_file(home).read_text())
    except (FileNotFoundError, ValidationError):
        return Published()


def save(home: Home, published: Published) -> None:
    """Write the record, whole or not at all."""
    new = _file(home).with_suffix(".new")
    new.write_text(published.model_dump_json(indent=1))
    new.replace(_file(home))


def take_back(home: Home) -> tuple[str, ...]:
    """Remove all that a deployment has published; nodes can no longer reboot into it.

    What cannot be removed stays on record.

    Returns:
        What could not be removed, for people.
    """
    published = load(home)
    left, troubles = [], []
    for each in published.files:
        try:
            published.home_of(each.site).discard(each.staged)
        except NxcError as error:
            left.append(each)
            troubles.append(f"{each.path} on {each.site} was not removed: {error.brief}")
    if left:
        save(home, published.model_copy(update={"files": tuple(left)}))
    else:
        _file(home).unlink(missing_ok=True)
    return tuple(troubles)


def _file(home: Home) -> Path:
    return home.path / FILE
