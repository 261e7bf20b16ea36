"""The record of a deployment on disk: by job name, atomic, locked.

One directory per job name holds the record, the pinned host keys, the deployment's ssh key
and the consoles. Its lock is on the directory itself, so that nothing of a deployment is
left once the directory is gone.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from enoslib_nxc import whole
from enoslib_nxc.errors import StateError
from enoslib_nxc.model import RECORD_VERSION, Deployment, Machine
from enoslib_nxc.names import JOB_NAME_PATTERN

_merging = threading.Lock()
"""Boots of several flavours write one record side by side."""


def state_root() -> Path:
    """Return where deployments are kept: `$XDG_STATE_HOME/enoslib-nxc/deployments`."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "enoslib-nxc" / "deployments"


def runs_root() -> Path:
    """Return where records of runs are kept, beside the deployments: see `history`."""
    return state_root().with_name("runs")


@dataclass(frozen=True)
class Home:
    """The directory of one deployment.

    Args:
        path: the directory.
    """

    path: Path

    @property
    def job_name(self) -> str:
        """Name of the deployment."""
        return self.path.name

    @property
    def record(self) -> Path:
        """The record itself."""
        return self.path / "deployment.json"

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys."""
        return self.path / "known_hosts"

    @property
    def entry_hosts(self) -> Path:
        """Keys of the systems that machines had before ours, taken at first contact."""
        return self.path / "known_hosts.entry"

    @property
    def known_places(self) -> Path:
        """The pinned host keys by where ssh connects to, for tools that know no other name."""
        return self.path / "known_hosts.places"

    @property
    def key(self) -> Path:
        """The deployment's own ssh key."""
        return self.path / "id_ed25519"

    @property
    def node_context(self) -> Path:
        """The deployment JSON that machines fetch when it does not fit their command line."""
        return self.path / "node-deployment.json"

    @property
    def composition(self) -> Path:
        """Directory that machines of flavour vm read the deployment JSON from."""
        return self.path / "composition"

    @property
    def shared(self) -> Path:
        """Directory that machines of flavour vm have in common with this computer."""
        return self.path / "shared"

    def gc_root(self, flavour: str) -> Path:
        """Return the link by which Nix's garbage collector knows what a flavour is made of."""
        return self.path / f"result-{flavour}"

    def console(self, host: str) -> Path:
        """Return the console log of a machine."""
        return self.path / "console" / f"{host}.log"

    def load(self) -> Deployment | None:
        """Return the record, or None when nothing was recorded.

        Raises:
            StateError: the file cannot be read or understood.
        """
        try:
            text = self.record.read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not text"
            raise StateError(
                f"the record of deployment {self.job_name} cannot be read: {self.record}: "
                f"{reason.lower()}"
            ) from error
        try:
            deployment = Deployment.model_validate_json(text)
        except ValidationError as error:
            raise StateError(
                f"the record of deployment {self.job_name} is damaged or of another version "
                f"of enoslib-nxc: {self.record}",
                details=str(error.errors(include_url=False)[:2]),
                resolution="destroy() it with the version that made it, or end its processes"
                f"{_search(text)} and remove {self.path}",
            ) from error
        if deployment.version != RECORD_VERSION:
            raise StateError(
                f"the record of deployment {self.job_name} has format {deployment.version}, "
                f"this version of enoslib-nxc reads {RECORD_VERSION}",
                resolution="destroy() it with the version that made it",
            )
        return deployment

    def save(self, deployment: Deployment) -> None:
        """Write the record: whole or not at all, readable by its owner only.

        Raises:
            StateError: it cannot be written; the old record stays.
        """
        text = deployment.model_dump_json(indent=1)
        try:
            whole.write(self.record, text)
        except OSError as error:
            raise _unwritable(self.record, error) from error

    def put_context(self, text: str) -> None:
        """Have the deployment JSON in `node_context`: whole, whoever reads or writes it too.

        Raises:
            StateError: it cannot be written.
        """
        try:
            whole.write(self.node_context, text)
        except OSError as error:
            raise _unwritable(self.node_context, error) from error

    def share(self, name: str, text: str) -> None:
        """Have the directories that machines of flavour vm mount, with a file to read.

        Args:
            name: of the file in `composition`.
            text: its content.

        Raises:
            StateError: it cannot be written.
        """
        try:
            for directory in (self.composition, self.shared):
                directory.mkdir(mode=0o700, exist_ok=True)
            whole.write(self.composition / name, text)
        except OSError as error:
            raise _unwritable(self.composition, error) from error

    def merge(self, seen: Deployment, machines: Mapping[str, Machine]) -> None:
        """Write what became of some machines; others write what became of others meanwhile.

        Args:
            seen: the record, or a part of it, as the caller knows it.
            machines: host -> machine, as it is now.

        Raises:
            StateError: it cannot be written.
        """
        with _merging:
            self.save((self.load() or seen).having(machines))

    def remove(self) -> None:
        """Delete the directory with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def _unwritable(path: Path, error: OSError) -> StateError:
    reason = (error.strerror or str(error)).lower()
    return StateError(
        f"the record of the deployment cannot be kept in {path}: {reason}",
        resolution="make room or give access there, or set XDG_STATE_HOME to another directory",
    )


def _search(text: str) -> str:
    """Tell how to find the processes of a record that cannot be read otherwise."""
    token = re.search(r'"token": *"(\w+)"', text)
    return f" (pgrep -af {token[1]})" if token else ""


def find(job_name: str) -> Home | None:
    """Return the directory of a deployment, or None when there is none of that name."""
    if re.fullmatch(JOB_NAME_PATTERN, job_name) is None:
        return None  # as a path it would lead elsewhere
    home = Home(state_root() / job_name)
    return home if home.path.is_dir() else None


@contextmanager
def claim(job_name: str) -> Iterator[Home]:
    """Hold a deployment for this process; its directory is created if needed.

    The lock ends with the process, SIGKILL included. A directory that the body leaves
    without a record is removed.

    Args:
        job_name: the deployment's name.

    Yields:
        Its directory.

    Raises:
        StateError: another process holds it, or it cannot be written.
    """
    if re.fullmatch(JOB_NAME_PATTERN, job_name) is None:
        raise StateError(f"{job_name!r} is no name of a deployment")
    home = Home(state_root() / job_name)
    handle = _lock(home)
    try:
        (home.path / "owner").write_text(str(os.getpid()))
        yield home
    finally:
        if home.path.is_dir():
            (home.path / "owner").unlink(missing_ok=True)
            if not home.record.exists():
                home.remove()
        # what Ansible has forked may have it open a moment longer
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _lock(home: Home) -> int:
    """Lock the directory; take care that it is still the one at that path."""
    while True:
        try:
            home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _unwritable(home.path, error) from error
        try:
            handle = os.open(home.path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise _held(home) from error
        if home.path.is_dir() and os.path.samestat(os.fstat(handle), home.path.stat()):
            return handle
        os.close(handle)


def _held(home: Home) -> StateError:
    try:
        owner = f"process {(home.path / 'owner').read_text()}"
    except OSError:
        owner = "another process"
    return StateError(
        f"deployment {home.job_name} is in use by {owner}",
        resolution="wait for it to end, or give this configuration another job_name",
    )
