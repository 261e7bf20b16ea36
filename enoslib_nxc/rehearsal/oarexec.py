"""What OAR does on nodes: who may log in, and the job's command on the first one.

OAR (2.5, published source) sends `oarexec` to the job's first node, or to the frontend for a
job of type deploy; it starts the command there, as the user. Where the node is shut down
properly (`systemctl kexec`, `reboot`), oarexec is sent SIGTERM, kills the command and tells
the server, and the job ends in error. Where the node's system goes at once (`kexec -e`),
nobody tells anything: with `DETACH_JOB_FROM_SERVER=1` the server holds no connection to it,
and the job goes on until it is deleted or its walltime has passed. Here the connection is
held, but nothing is ever sent over it, so that the same comes of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from enoslib_nxc import procs, shell
from enoslib_nxc.errors import CommandError
from enoslib_nxc.rehearsal.client import Operator
from enoslib_nxc.rehearsal.jobs import Job, State
from enoslib_nxc.rehearsal.scheduler import Scheduler
from enoslib_nxc.rehearsal.service import SiteService

RIGHTS = (State.LAUNCHING, State.RUNNING)
"""States of a job in which its user may log in on its nodes. OAR prepares them before it
says that a job runs."""

LOOK_SECONDS = 0.1
"""Between two looks at the jobs: shorter than a job is being launched."""

END_SECONDS = 10.0
"""For ssh to end."""

STARTED = "started"
"""What `COMMAND` says first."""

COMMAND = """
cd "/home/$1" && echo started >&2 && exec setpriv --reuid "$1" --regid users --init-groups \\
  env HOME="/home/$1" USER="$1" LOGNAME="$1" OAR_JOB_ID="$2" OAR_JOBID="$2" SHELL=/bin/bash \\
  sh -c '{ sh -c "$0"; } > "OAR.$OAR_JOB_ID.stdout" 2> "OAR.$OAR_JOB_ID.stderr"; exit 0' "$3"
"""
"""Says when it has started; exit status 0: the command has ended, whatever it came to."""


class Oarexec:
    """Looks at the jobs until it is told to stop.

    Args:
        services: the sites.
        operator: how their machines are reached.
        rights: file that gets a line "NODE USER" for each node that a user may log in on.
        word: in the command line of all processes started here.
        lifetime: seconds after which a command is ended.
    """

    def __init__(
        self,
        services: Sequence[SiteService],
        operator: Operator,
        rights: Path,
        word: str,
        lifetime: float,
    ) -> None:
        self._services = services
        self._operator = operator
        self._rights = rights
        self._word = word
        self._lifetime = lifetime
        self._started: set[int] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Oarexec:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            lines: list[str] = []
            for service in self._services:
                with service.lock:
                    jobs = [
                        (job, service.scheduler.hosts(job)) for job in service.scheduler.jobs()
                    ]
                for job, hosts in jobs:
                    if job.state in RIGHTS and not job.order.deploy:
                        lines += [f"{host} {job.order.user}" for host in hosts]
                    self._attend(service, job, hosts)
            self._tell("".join(f"{line}\n" for line in lines))

    def _tell(self, text: str) -> None:
        if text != self._rights.read_text():
            fresh = self._rights.with_name("rights.new")
            fresh.write_text(text)
            fresh.replace(self._rights)

    def _attend(self, service: SiteService, job: Job, hosts: Sequence[str]) -> None:
        """Start the command of a job that is launched, end that of one that is over."""
        here = job.uid in self._started
        if job.state is State.LAUNCHING and not here:
            self._started.add(job.uid)
            work: Callable[[], None] = partial(self._run, service, job, hosts)
            threading.Thread(target=work, daemon=True).start()
        elif here and job.state not in RIGHTS:
            self._started.discard(job.uid)
            procs.end(procs.tagged(self._tag(job)), END_SECONDS)

    def _run(self, service: SiteService, job: Job, hosts: Sequence[str]) -> None:
        """Run a job's command, and tell the scheduler when it has ended."""
        order = job.order
        scheduler = service.scheduler
        if not isinstance(scheduler, Scheduler):
            return  # a real OAR starts commands itself

        def told(line: str) -> None:
            if line == STARTED:
                with service.lock:
                    scheduler.launched(job.uid)

        if not order.command.strip():
            told(STARTED)  # a reservation without one goes on until its walltime
            return
        words = ["sh", "-c", COMMAND, self._tag(job), order.user, str(job.uid), order.command]
        site = service.site.name
        if order.deploy or not hosts:
            argv = self._operator.argv(site, *words)
        else:
            argv = self._operator.on_node(site, hosts[0], *words)
        try:
            result = shell.beside(argv, timeout=self._lifetime, check=False, on_stderr=told)
            failed = result.returncode != 0
        except CommandError:
            failed = True
        if not self._over.is_set():
            with service.lock:
                scheduler.command_ended(job.uid, failed=failed)

    def _tag(self, job: Job) -> str:
        return f"{self._word}:job:{job.uid}"
