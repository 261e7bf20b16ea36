"""One rehearsed Grid'5000 with machines, shared by the tests that need one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from enoslib.infra.enos_g5k import g5k_api_utils
from grid5000 import Grid5000

from enoslib_nxc.rehearsal.grid import GridRehearsal
from enoslib_nxc.rehearsal.jobs import Pace
from enoslib_nxc.rehearsal.site import read_site
from tests.system import lab

SITE, CLUSTER = "lille", "chiclet"

SPEC = read_site(
    {
        "site": SITE,
        "clusters": [{"cluster": CLUSTER, "nodes": 2, "nics": 1, "memory": 640 << 20}],
    }
)
"""Two nodes with memory for a kexec."""

PACE = Pace(schedule=0.1, to_launch=0.1, launch=0.5, kill=0.1, finish=0.1)

ACCESS = "access.grid5000.fr"


def node(number: int) -> str:
    """Return the name of a node."""
    return f"{CLUSTER}-{number}.{SITE}.grid5000.fr"


@dataclass
class Grid:
    """A rehearsal that runs, and its user's way to it.

    `environment` is also that of the test's process, while the fixture lives.
    """

    rehearsal: GridRehearsal
    environment: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.environment = self.rehearsal.environment

    def ssh(
        self,
        where: str,
        command: str,
        *,
        user: str = "ada",
        check: bool = True,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a user does: through the access machine, unless on it."""
        jump = [] if where == ACCESS else ["-J", f"ada@{ACCESS}"]
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        words = ["ssh", *options, "-o", "LogLevel=ERROR", *jump, f"{user}@{where}", command]
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def state(self, name: str) -> str:
        """Return OAR's state of a node: Alive, Absent, Suspected."""
        service = self.rehearsal.api.sites[SITE]
        with service.lock:
            return service.scheduler.host_state(name)

    def settle(self, seconds: float = 120) -> None:
        """Wait until all nodes are as they were before any job."""
        lab.until(lambda: all(self.state(n) == "Alive" for n in self.rehearsal.nodes), seconds)

    @property
    def api(self) -> Grid5000:
        """Return python-grid5000's client of the user."""
        return Grid5000.from_yaml(Path(self.environment["HOME"], ".python-grid5000.yaml"))

    @contextmanager
    def job(self, nodes: int = 1, **more: object) -> Iterator[object]:
        """Reserve nodes, and wait for them; in the end wait until they are back."""
        resources = f"nodes={nodes},walltime=00:20:00"
        body = {"name": "test", "command": "sleep 3600", "resources": resources, **more}
        job = self.api.sites[SITE].jobs.create(body)
        try:
            lab.until(lambda: job.refresh() or job.state == "running", 30)
            yield job
        finally:
            job.refresh()
            if job.state in ("waiting", "running"):
                job.delete()
            lab.until(lambda: job.refresh() or job.state in ("error", "terminated"), 60)
            self.settle()


def forget() -> None:
    """Clear what EnOSlib keeps of an API between calls in one process."""
    g5k_api_utils._api_client = None
    for cached in vars(g5k_api_utils).values():
        if callable(getattr(cached, "cache_clear", None)):
            cached.cache_clear()


@contextmanager
def used(rehearsal: GridRehearsal) -> Iterator[Grid]:
    """Let this process be the user of a rehearsal that runs."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in rehearsal.environment.items():
            patch.setenv(name, value)
        forget()
        yield Grid(rehearsal)
    forget()


@contextmanager
def running(*specs: object, **more: object) -> Iterator[Grid]:
    """Start a rehearsal, and let this process be its user's until it ends."""
    with (
        GridRehearsal(specs or [SPEC], pace=PACE, **more) as rehearsal,  # type: ignore[arg-type]
        used(rehearsal) as grid,
    ):
        yield grid
