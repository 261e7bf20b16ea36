"""A real OAR for tests, on a machine of its own made of namespaces; root is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import psutil
import pytest

from enoslib_nxc import shell
from enoslib_nxc.rehearsal import oar_sql
from enoslib_nxc.rehearsal.oar import Oar, Place
from enoslib_nxc.rehearsal.resources import Resource, resources_of
from enoslib_nxc.rehearsal.site import SiteSpec, build

HERE = Path(__file__).parent / "oar"
NAMESPACES = ("--mount", "--pid", "--net")
UNSHARE = ("unshare", *NAMESPACES, "--fork", "--mount-proc", "--kill-child")
DEADLINE = 60


def why_not() -> str:
    """Return why there can be no OAR here, "" when there can."""
    if os.geteuid() != 0:
        return "a real OAR needs root"
    if not (shutil.which("oarsub") and shell.which("Almighty")):
        return "a real OAR needs the packages oar-server and oar-user"
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return "a real OAR needs the package postgresql"
    tried = subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False)
    return "" if tried.returncode == 0 else "a real OAR needs namespaces"


@contextmanager
def running(site: SiteSpec, log: Path) -> Iterator[Oar]:
    """Start an OAR for a site, with the users `rehearsal` and `bob`; skip where none can be."""
    if reason := why_not():
        pytest.skip(reason)
    resources = resources_of(build(site))
    with OarMachine(["rehearsal", "bob"], resources, log) as machine:
        yield Oar(resources, machine.place)


class OarMachine:
    """OAR with given users and resources, from enter to exit.

    Args:
        users: who may submit.
        resources: all resources, in order.
        log: file that takes what its parts print.
    """

    def __init__(self, users: Sequence[str], resources: Sequence[Resource], log: Path) -> None:
        self._users = users
        self._resources = resources
        self._log = log

    def __enter__(self) -> OarMachine:
        with self._log.open("w") as log:
            self._machine = subprocess.Popen(
                [*UNSHARE, HERE / "machine.sh", *self._users],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            self._expect("ready")
            (inner,) = psutil.Process(self._machine.pid).children()
            self.place = Place(("nsenter", "-t", str(inner.pid), *NAMESPACES, "--"))
            self.psql((HERE / "grid5000.sql").read_text())
            self.psql(oar_sql.insertion(self._resources))
            self._say("start")
            self._expect("started")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def psql(self, sql: str) -> None:
        """Change the database."""
        words = ("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", "postgresql://oar@127.0.0.1/oar")
        shell.run((*self.place.prefix, *words), stdin=sql, timeout=DEADLINE)

    def _say(self, word: str) -> None:
        assert self._machine.stdin
        self._machine.stdin.write(f"{word}\n")
        self._machine.stdin.flush()

    def _expect(self, word: str) -> None:
        assert self._machine.stdout
        assert self._machine.stdout.readline() == f"{word}\n", self._log.read_text()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # its first process ends with its input, and all others with that one
        assert self._machine.stdin
        self._machine.stdin.close()
        try:
            self._machine.wait(10)
        except subprocess.TimeoutExpired:
            self._machine.kill()
            self._machine.wait(10)
        assert self._machine.stdout
        self._machine.stdout.close()
