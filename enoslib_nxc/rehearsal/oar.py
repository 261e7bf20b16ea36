"""A real OAR as the scheduler of a rehearsed site.

Jobs are submitted, deleted and changed by OAR's own commands, as its REST API does it, and
read from its database, as g5k-api does it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from enoslib_nxc import shell
from enoslib_nxc.errors import CommandError, DeadlineError
from enoslib_nxc.rehearsal import oar_sql
from enoslib_nxc.rehearsal.admission import JobRequest
from enoslib_nxc.rehearsal.jobs import Job
from enoslib_nxc.rehearsal.node_states import ABSENT, ALIVE
from enoslib_nxc.rehearsal.oarsub import OarError
from enoslib_nxc.rehearsal.replies import OURS, RefusalError
from enoslib_nxc.rehearsal.resources import Resource
from enoslib_nxc.rehearsal.walltime import ChangeRequest, Rules

FRESH = 0.2
"""Seconds for which what the database said is taken as up to date."""

TIMEOUT = 60
"""Seconds for a command; a reservation is answered by the next run of the scheduler."""

_MALFORMED = frozenset({4, 5, 6, 7, 8, 10, 16, 17, 18, 254})
"""Exit statuses of oarsub that OAR's API takes for the user's fault (oarapi.pl)."""

_UNKNOWN_NODE = "does not exist in OAR database"
"""What oarnodesetting says where its UPDATE changed no row."""

_TRIES = 5
"""How often a node's state is asked for, where OAR's request ends in a deadlock."""

_STATUS: Mapping[int, int] = {1: 400, 3: 403, 4: 404, 5: 405}
"""Exit status of oarwalltime -> HTTP status (Walltime.pm)."""


@dataclass(frozen=True)
class Place:
    """Where OAR is.

    Args:
        prefix: words before each command, such as nsenter's; () when it is this machine.
        database: address of its database, for psql.
    """

    prefix: tuple[str, ...] = ()
    database: str = "postgresql://oar_ro@127.0.0.1/oar"

    def run(self, user: str, *argv: str) -> shell.Result:
        """Run a command as a user, in their home; both its outputs go to standard output."""
        script = f'cd ~{user} && exec "$@" 2>&1'
        words = (*self.prefix, "runuser", "-u", user, "--", "sh", "-c", script, "sh", *argv)
        return shell.run(words, timeout=TIMEOUT, check=False)

    def administer(self, *argv: str) -> None:
        """Run a command as root.

        Raises:
            CommandError: it failed.
        """
        shell.run((*self.prefix, *argv), timeout=TIMEOUT)

    def query(self, sql: str) -> str:
        """Return what the database answers.

        Raises:
            CommandError: it cannot be asked.
        """
        psql = ("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.database, "-c", sql)
        return shell.run((*self.prefix, *psql), timeout=TIMEOUT).stdout


class Oar:
    """A `Batch` that is a real OAR, version 2.5.9 or alike; root is needed.

    Args:
        resources: what it has, in OAR's order (`oar_sql.insertion`).
        place: where it is.
        rules: of walltime changes, as its oar.conf has them.
    """

    def __init__(
        self,
        resources: Sequence[Resource],
        place: Place | None = None,
        *,
        rules: Rules | None = None,
    ) -> None:
        self.resources: Mapping[int, Resource] = {one.uid: one for one in resources}
        self.rules = rules or Rules()
        self._place = place or Place()
        self._read()
        self._told = {row.uid for row in self._seen.jobs if row.job().ended}

    @property
    def now(self) -> float:
        """The database's clock when it was last read, seconds since the epoch."""
        return self._seen.now

    def advance(self) -> None:
        """Read the database, if that was not done just now."""
        if time.monotonic() > self._read_at + FRESH:
            self._read()

    def _read(self) -> None:
        self._seen = oar_sql.read(self._place.query(oar_sql.QUERY))
        self._read_at = time.monotonic()

    def wake_at(self) -> float:
        """Return when to look again, seconds since the epoch: OAR tells nobody."""
        return self._seen.now + FRESH

    def jobs(self) -> list[Job]:
        """Return all jobs, the newest first."""
        self.advance()
        return [row.job() for row in self._seen.jobs]

    def job(self, uid: int) -> Job | None:
        """Return a job, None when there is none of that number."""
        self.advance()
        return next((row.job() for row in self._seen.jobs if row.uid == uid), None)

    def scheduled(self, job: Job) -> bool:
        """Return whether the scheduler has found a place for a job."""
        return job.planned is not None

    def hosts(self, job: Job) -> tuple[str, ...]:
        """Return the nodes that a job has, had, or is planned on, in OAR's order."""
        names = (self.resources[uid].host for uid in sorted(job.resources))
        return tuple(dict.fromkeys(name for name in names if name))

    def take_ended(self) -> list[Job]:
        """Return the jobs that held resources and ended since the last call.

        The nodes of deploy jobs are set absent, which on Grid'5000 the site's epilogue does.
        """
        rows = [row for row in self._seen.jobs if row.held and row.uid not in self._told]
        ended = [job for row in rows if (job := row.job()).ended]
        self._told.update(job.uid for job in ended)
        for job in ended:
            if job.order.deploy:
                self._set_state(self.hosts(job), ABSENT)
        return ended

    def host_state(self, host: str) -> str:
        """Return OAR's state of a node."""
        return self._seen.hosts.get(host, ALIVE)

    def set_host_state(self, host: str, state: str) -> None:
        """Change OAR's state of a node, as its administrators or its checks do."""
        self._set_state([host], state)

    def _set_state(self, hosts: Sequence[str], state: str) -> None:
        self._ask_for_state(hosts, state)
        # asked again before it is done, OAR may drop the second request
        deadline = time.monotonic() + TIMEOUT
        while any(self.host_state(host) != state for host in hosts):
            if time.monotonic() > deadline:
                raise DeadlineError(f"OAR did not set {hosts[0]} {state} in {TIMEOUT} s")
            time.sleep(FRESH)
            self._read()

    def _ask_for_state(self, hosts: Sequence[str], state: str) -> None:
        names = [word for host in hosts for word in ("-h", host)]
        for left in reversed(range(_TRIES)):
            try:
                self._place.administer("oarnodesetting", *names, "-s", state)
            except CommandError as error:
                # it takes its UPDATE for one of no row also where PostgreSQL ended it, because
                # it and OAR's server, which changes the same node, waited for each other
                if not left or _UNKNOWN_NODE not in error.details:
                    raise
            else:
                return

    def submit(self, request: JobRequest, user: str) -> Job:
        """Call oarsub.

        Raises:
            OarError: refused; what it prints, and the status that OAR's API gives it.
        """
        command = [request.command] if request.command else []
        done = self._place.run(user, "oarsub", *_options(request), *command)
        if done.returncode in _MALFORMED:
            raise OarError(done.stdout.rstrip())
        found = re.search(r"^OAR_JOB_ID=(\d+)", done.stdout, re.MULTILINE)
        if done.returncode or not found:
            raise OarError(done.stdout.rstrip(), status=500)
        self._read()
        job = self.job(int(found[1]))
        if job is None:
            raise CommandError(f"OAR does not know job {found[1]}, which it took")
        return job

    def delete(self, job: Job, user: str) -> str:
        """Call oardel.

        Raises:
            OarError: refused; what it prints.
        """
        done = self._place.run(user, "oardel", str(job.uid))
        self._read()
        if done.returncode:
            raise OarError(done.stdout.rstrip())
        return done.stdout

    def change_walltime(self, job: Job, request: ChangeRequest) -> str:
        """Call oarwalltime.

        Raises:
            RefusalError: with OAR's text.
        """
        if request.whole or request.timeout is not None:
            raise RefusalError(400, f"whole and timeout are unknown to OAR 2.5.9 {OURS}")
        options = ["--force"] if request.force else []
        options += ["--delay-next-jobs"] if request.delay_next_jobs else []
        words = ("oarwalltime", *options, str(job.uid), request.walltime)
        done = self._place.run(job.order.user, *words)
        self._read()
        # "Forbidden: walltime change is null." after which the usage may follow
        status, _, text = done.stdout.partition("\n")[0].rstrip(".").partition(": ")
        text = text or status
        text = text[:1].upper() + text[1:]
        if done.returncode:
            code = _STATUS.get(done.returncode, 500)
            raise RefusalError(400 if text == "Syntax error" else code, text)
        return text


def _options(request: JobRequest) -> list[str]:
    """Return the options of oarsub, as g5k-api and OAR's API name them (job.rb, to_hash)."""
    given = {
        "resource": request.resources,
        "name": request.name,
        "property": request.properties or None,
        "reservation": request.reservation,
        "queue": request.queue,
        "project": request.project,
        "directory": request.directory,
        "stdout": request.stdout,
        "stderr": request.stderr,
    }
    options = [f"--{name}={value}" for name, value in given.items() if value is not None]
    return options + [f"--type={kind}" for kind in request.types]
