"""OAR in memory: jobs go through their states at their dates; time is injected.

Nothing happens between two calls; each call first goes, one by one and at their own dates,
through all that was due since the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from enoslib_nxc.rehearsal import plan, walltime
from enoslib_nxc.rehearsal.admission import JobRequest, admit
from enoslib_nxc.rehearsal.jobs import Job, Pace, State, summary
from enoslib_nxc.rehearsal.node_states import ABSENT, ALIVE, SUSPECTED, NodeStates
from enoslib_nxc.rehearsal.oarsub import VERIFY, OarError
from enoslib_nxc.rehearsal.resources import Resource, chooser


class Scheduler:
    """The jobs of one site.

    Args:
        resources: the site's resources.
        clock: seconds since the epoch.
        pace: how long each step takes.
        rules: of walltime changes.
        first: number of the first job.
        machines: its jobs have real nodes. One runs only once `launched` has said so, and its
            nodes are absent afterwards until somebody has looked at them.
    """

    def __init__(
        self,
        resources: Sequence[Resource],
        clock: Callable[[], float],
        *,
        pace: Pace | None = None,
        rules: walltime.Rules | None = None,
        first: int = 1_000_001,
        machines: bool = False,
    ) -> None:
        self.resources = {resource.uid: resource for resource in resources}
        self.pace = pace or Pace()
        self.rules = rules or walltime.Rules()
        self._machines = machines
        self._launched: set[int] = set()
        self._clock = clock
        self.now = clock()
        self._jobs: dict[int, Job] = {}
        self._next_uid = first
        self._nodes = NodeStates()
        self._ended: list[Job] = []
        self._changed = True

    def jobs(self) -> list[Job]:
        """Return all jobs, the newest first."""
        self.advance()
        return sorted(self._jobs.values(), key=lambda job: -job.uid)

    def job(self, uid: int) -> Job | None:
        """Return a job, None when there is none of that number."""
        self.advance()
        return self._jobs.get(uid)

    def scheduled(self, job: Job) -> bool:
        """Return whether the scheduler has seen a job yet."""
        return job.reserved or self.now >= job.submitted_at + self.pace.schedule

    def hosts(self, job: Job) -> tuple[str, ...]:
        """Return the nodes that a job has, had, or is planned on, in OAR's order."""
        names = (self.resources[uid].host for uid in sorted(job.resources))
        return tuple(dict.fromkeys(name for name in names if name))

    def take_ended(self) -> list[Job]:
        """Return the jobs that held resources and ended since the last call.

        The nodes of deploy jobs are absent from then on, since they have to be brought back
        to the standard environment: see `set_host_state`.
        """
        ended, self._ended = self._ended, []
        return ended

    def host_state(self, host: str) -> str:
        """Return OAR's state of a node."""
        return self._nodes.of(host)

    def set_host_state(self, host: str, state: str) -> None:
        """Change OAR's state of a node, as its administrators or its checks do."""
        self.advance()
        self._nodes.put([host], state)
        self._changed = True
        self._plan()

    def submit(self, request: JobRequest, user: str) -> Job:
        """Take a submission.

        Args:
            request: the submission.
            user: who submits.

        Raises:
            OarError: refused; what oarsub prints.
        """
        self.advance()
        waiting = [
            job
            for job in self._jobs.values()
            if job.order.user == user and job.reserved and job.state is State.WAITING
        ]
        order = admit(request, user, now=self.now, reservations=len(waiting))
        choose = chooser(list(self.resources.values()), order.request, order.properties)
        chosen = choose(self._usable(ALIVE, ABSENT, SUSPECTED))
        if chosen is None:
            raise OarError(f"# There are not enough resources for your request\n{VERIFY}")
        message = summary(order, len(chosen))
        job = Job(self._next_uid, order, self.now, choose, since=self.now, message=message)
        self._next_uid += 1
        self._keep(self._reserve(job) if job.reserved else job)
        self._plan()
        return self._jobs[job.uid]

    def _reserve(self, job: Job) -> Job:
        usable = self._usable(ALIVE, ABSENT, SUSPECTED)
        hole, answer = plan.reserve(job, self._jobs.values(), usable, self.now, self.pace)
        if hole is not None:
            return replace(job, planned=hole, started_at=hole.start)
        self._keep(replace(job, state=State.ERROR, stopped_at=self.now, message=answer))
        raise OarError(
            f"OAR_JOB_ID={job.uid}\n"
            "# Advance reservation request: waiting for validation...\n"
            f"# Reservation not valid --> KO ({answer})"
        )

    def delete(self, job: Job, user: str) -> str:
        """Ask for the end of a job.

        Returns:
            What oardel prints.

        Raises:
            OarError: refused; what oardel prints.
        """
        doing = f"Deleting the job = {job.uid} ..."
        if job.order.user != user:
            raise OarError(
                f"{doing}ERROR.\nCannot frag {job.uid} ; You are not the right user."
            )
        if job.kill_at is not None:
            raise OarError(
                f"{doing}ERROR.\nCannot frag {job.uid} ; This job was already killed."
            )
        self._keep(job.killed(self.now + self.pace.kill, "FRAG_JOB_REQUEST"))
        return (
            f"{doing}REGISTERED.\n"
            f"The job(s) [ {job.uid} ] will be deleted in the near future.\n"
        )

    def launched(self, uid: int) -> None:
        """Take notice that a job's command has started."""
        self._launched.add(uid)
        self.advance()

    def command_ended(self, uid: int, *, failed: bool) -> None:
        """Take notice that a job's command is over; nothing happens when the job is, too.

        Args:
            uid: number of the job.
            failed: the command did not end by itself: it was lost with its node.
        """
        self.advance()
        job = self._jobs[uid]
        if job.state in (State.LAUNCHING, State.RUNNING) and job.kill_at is None:
            # IO.pm, check_end_of_job: what oarexec says when it was killed
            lost = replace(job, kill_at=self.now) if failed else job
            self._keep(lost.to(State.FINISHING, self.now))
            self._plan()

    def change_walltime(self, job: Job, request: walltime.ChangeRequest) -> str:
        """Ask for another walltime of a job that runs; the scheduler looks at it later.

        Returns:
            OAR's answer.

        Raises:
            RefusalError: with OAR's text.
        """
        remaining = job.ends_at - self.now
        change = walltime.asked(
            job.change, request, job.walltime, remaining, self.rules, self.now
        )
        self._keep(replace(job, change=change))
        done = "updated" if job.change else "accepted"
        return f"Walltime change request {done} for job {job.uid}, it will be handled shortly"

    def advance(self) -> None:
        """Go through all that was due until now."""
        now = self._clock()
        self._plan()
        while (due := self._next_due()) is not None and due[0] <= now:
            self.now = max(self.now, due[0])
            self._step(self._jobs[due[2]])
            self._changed = True
            self._plan()
        self.now = max(self.now, now)

    def wake_at(self) -> float | None:
        """Return when something is due next, seconds since the epoch; None for nothing."""
        due = self._next_due()
        return due[0] if due else None

    def _next_due(self) -> tuple[float, bool, int] | None:
        # at one moment, what frees resources goes before what takes them
        dues = [
            (at, job.state is State.WAITING, job.uid)
            for job in self._jobs.values()
            if not job.ended and (at := self._due(job)) is not None
        ]
        return min(dues, default=None)

    def _due(self, job: Job) -> float | None:
        moments = [
            self._launch_at(job) if job.state is State.WAITING else job.next_at(self.pace)
        ]
        if self._machines and job.state is State.LAUNCHING and job.uid not in self._launched:
            moments = []
        if job.kill_at is not None and job.state is not State.FINISHING:
            moments.append(job.kill_at)
        if job.change and job.change.pending and job.state is State.RUNNING:
            asked, timeout = job.change.asked_at, job.change.timeout
            looks = [asked + self.pace.schedule, asked + timeout + 1 if timeout else 0]
            moments += [look for look in looks if look > self.now]
        return min((at for at in moments if at is not None), default=None)

    def _launch_at(self, job: Job) -> float | None:
        if job.planned is None:
            return None
        in_the_way = self._in_the_way(job)
        if in_the_way and all(other.kill_at is not None for other in in_the_way):
            return None  # they are on their way out
        return max(job.planned.start, job.submitted_at + self.pace.schedule)

    def _in_the_way(self, job: Job) -> list[Job]:
        return [o for o in self._jobs.values() if o.active and o.resources & job.resources]

    def _step(self, job: Job) -> None:
        """Do what is due for a job now; nothing, when only its walltime was to be looked at."""
        now = self.now
        killed = job.kill_at is not None and job.kill_at <= now
        if job.state is State.FINISHING:
            # OAR ends what it killed in Error, walltimes included (IO.pm, check_end_of_job)
            end = State.ERROR if job.kill_at is not None else State.TERMINATED
            switch = "SWITCH_INTO_ERROR_STATE" if job.kill_at else "SWITCH_INTO_TERMINATE_STATE"
            self._keep(replace(job.to(end, now), stopped_at=now).told(switch))
            self._ended.append(self._jobs[job.uid])
            if job.order.deploy or self._machines:
                self._nodes.put(self.hosts(job), ABSENT)
        elif job.state is State.WAITING and killed:
            message = "Job killed by Leon directly"
            # it stopped when it was to start: at 0, unless it was reserved
            job = replace(job, planned=None, stopped_at=job.started_at, message=message)
            self._keep(job.to(State.ERROR, now))
        elif job.state is State.WAITING:
            self._launch(job)
        elif killed:
            self._keep(job.to(State.FINISHING, now).told("SEND_KILL_JOB"))
        elif job.state is State.TO_LAUNCH:
            # OAR's dates are whole seconds
            self._keep(replace(job.to(State.LAUNCHING, now), started_at=float(int(now))))
        elif job.state is State.LAUNCHING:
            self._keep(job.to(State.RUNNING, now))
        elif job.ends_at <= now:
            job = job.killed(now, "FRAG_JOB_REQUEST", "WALLTIME", "SEND_KILL_JOB")
            self._keep(job.to(State.FINISHING, now))

    def _launch(self, job: Job) -> None:
        in_the_way = self._in_the_way(job)
        for other in in_the_way:
            if other.kill_at is None:
                events = "BESTEFFORT_KILL", "FRAG_JOB_REQUEST"
                self._keep(other.killed(self.now + self.pace.kill, *events))
        if not in_the_way:
            self._keep(job.to(State.TO_LAUNCH, self.now))

    def _keep(self, job: Job) -> None:
        self._jobs[job.uid] = job
        self._changed = True

    def _usable(self, *states: str) -> frozenset[int]:
        return self._nodes.usable(self.resources, *states)

    def _plan(self) -> None:
        """Place all waiting jobs anew, if anything is not as it was."""
        if not self._changed:
            return
        for job in list(self._jobs.values()):
            if job.state is State.RUNNING:
                self._keep(plan.grant(job, self._jobs.values(), self.now, self.pace))
        self._jobs.update(plan.plan(self._jobs, self._usable(ALIVE), self.now, self.pace))
        self._changed = False
