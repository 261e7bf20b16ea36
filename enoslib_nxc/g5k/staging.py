"""Files in the user's home on a site, which its nodes read over NFS or fetch by HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from enoslib_nxc import multiplexing
from enoslib_nxc.config_g5k import G5k
from enoslib_nxc.errors import CommandError, PlatformError
from enoslib_nxc.files import File
from enoslib_nxc.g5k import where
from enoslib_nxc.model import Deployment
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.transfer import Place

SERVED = "public"
"""Directory of a home that the site serves by HTTP (Grid'5000 wiki, "HTTP access")."""

OURS = "enoslib-nxc"
"""Our directory in it."""

TIMEOUT = 60.0
"""Seconds for a small file."""

FULL = ("No space left on device", "Disk quota exceeded")
"""What strerror(3) says of a file system that takes no more."""


class FullError(PlatformError):
    """The home takes no more: trying again does not help."""


@dataclass(frozen=True)
class Staged:
    """A file on a site.

    Args:
        path: absolute path in the user's home there.
        url: the same by HTTP, for machines inside Grid'5000.
    """

    path: str
    url: str


class Staging:
    """Our directory in the user's home on one site.

    Args:
        frontend: how the home is reached; None where it is mounted here.
        public_url: where the home's directory `public` is served.
    """

    def __init__(self, frontend: Access | None, public_url: str) -> None:
        self._frontend = frontend
        self._public_url = public_url

    @property
    def name(self) -> str:
        """The home, for people."""
        return f"the home on {self._frontend.name if self._frontend else 'this machine'}"

    @cached_property
    def home(self) -> str:
        """Absolute path of the home there.

        Raises:
            PlatformError: it cannot be reached.
        """
        with self.told("what is to be staged"):
            return self._place("").run("public", {"ACTION": "home"}, timeout=TIMEOUT).strip()

    def put(self, file: File, timeout: float) -> Staged:
        """Have a file there, under its digest: sent once, gone on with where it broke off.

        Args:
            file: which.
            timeout: seconds.

        Raises:
            FullError: the home takes no more.
            PlatformError: it did not get there whole.
        """
        place = self.place()
        with self.told(file.path.name):
            try:
                path = place.ensure(file, timeout)
            except CommandError as error:
                if _is_full(error):
                    self.discard(self._staged(PurePosixPath(place.part(file)).name))
                raise
        return self._staged(PurePosixPath(path).name)

    def write(self, name: str, text: str, *, under: str = "") -> Staged:
        """Have a small file there, on a path that nobody can guess.

        Args:
            name: last part of its path.
            text: its content; the site's users can read it once they know the path.
            under: a random word for its directory; one is made up without it. A file that
                is there is replaced.

        Raises:
            PlatformError: it did not get there.
        """
        staged = self.place_of(name, under=under or secrets.token_hex(16))
        values = {"ACTION": "write", "FILE": staged.path, "TEXT": text}
        with self.told(name):
            try:
                self.place().run("public", values, timeout=TIMEOUT)
            except CommandError as error:
                if _is_full(error):
                    self.discard(staged)
                raise
        return staged

    def place_of(self, name: str, *, under: str) -> Staged:
        """Return where `write` puts a file."""
        return self._staged(f"{under}/{name}")

    def discard(self, staged: Staged) -> None:
        """Remove a file, and the random directory that it was alone in.

        Raises:
            PlatformError: it could not be removed.
        """
        values = {"ACTION": "discard", "FILE": staged.path}
        with self.told(f"the end of {staged.path}"):
            self.place().run("public", values, timeout=TIMEOUT)

    def place(self) -> Place:
        """Return our directory there."""
        return self._place(self._directory)

    @property
    def _directory(self) -> str:
        return f"{self.home}/{SERVED}/{OURS}"

    def _place(self, directory: str) -> Place:
        # a frontend is vouched for by the user's known_hosts, or the options of its access
        return Place(self._frontend, HostKey.PINNED, directory, public=True)

    def _staged(self, name: str) -> Staged:
        return Staged(f"{self._directory}/{name}", f"{self._public_url}/{OURS}/{name}")

    @contextmanager
    def told(self, what: str) -> Iterator[None]:
        """Say of the body's failures that something did not get to this home.

        Args:
            what: the thing, for people.

        Raises:
            FullError: the home takes no more.
            PlatformError: any other failure of a program.
        """
        try:
            yield
        except CommandError as error:
            if _is_full(error):
                raise FullError(
                    f"{self.name} is full: no room for {what}",
                    details=error.details,
                    resolution=f"make room there; ~/{SERVED}/{OURS} has images of earlier runs",
                ) from error
            raise PlatformError(
                f"{what} did not get to {self.name}: {error.brief}",
                details=error.details,
                resolution="" if self._frontend is None else "reach it by ssh once by hand",
            ) from error


def at(settings: G5k, site: str, login: str) -> Staging:
    """Return the user's home on a site, as it is reached from here.

    Args:
        settings: the configuration.
        site: the site.
        login: of Grid'5000.
    """
    url = where.public_url(settings, site, login)
    return Staging(where.frontend(settings, site, login), url)


def of_run(deployment: Deployment, settings: G5k, site: str) -> Staging:
    """Return the same for a run: all that it does there goes over one connection.

    From outside Grid'5000 a login is two key exchanges, at the gateway and on the site.

    Args:
        deployment: the run's; the connection ends with the run.
        settings: the configuration.
        site: the site.
    """
    url = where.public_url(settings, site, deployment.login)
    access = where.frontend(settings, site, deployment.login)
    return Staging(access and multiplexing.briefly(access, deployment), url)


def _is_full(error: CommandError) -> bool:
    return any(words in error.details for words in FULL)
