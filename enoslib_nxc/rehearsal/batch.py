"""What the service asks of a batch scheduler: OAR in memory, or a real one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from enoslib_nxc.rehearsal.admission import JobRequest
from enoslib_nxc.rehearsal.jobs import Job
from enoslib_nxc.rehearsal.resources import Resource
from enoslib_nxc.rehearsal.walltime import ChangeRequest, Rules


class Batch(Protocol):
    """The jobs of one site. Not for several threads at once."""

    @property
    def resources(self) -> Mapping[int, Resource]:
        """The site's resources, by number."""

    @property
    def rules(self) -> Rules:
        """Its rules of walltime changes."""

    @property
    def now(self) -> float:
        """Moment up to which it is known what happened, seconds since the epoch."""

    def advance(self) -> None:
        """Learn what happened until now."""

    def wake_at(self) -> float | None:
        """Return when something is due next, seconds since the epoch; None for nothing."""

    def jobs(self) -> list[Job]:
        """Return all jobs, the newest first."""

    def job(self, uid: int) -> Job | None:
        """Return a job, None when there is none of that number."""

    def scheduled(self, job: Job) -> bool:
        """Return whether the scheduler has seen a job yet."""

    def hosts(self, job: Job) -> tuple[str, ...]:
        """Return the nodes that a job has, had, or is planned on, in OAR's order."""

    def take_ended(self) -> list[Job]:
        """Return the jobs that held resources and ended since the last call.

        The nodes of deploy jobs are absent from then on, since they have to be brought back
        to the standard environment: see `set_host_state`.
        """

    def host_state(self, host: str) -> str:
        """Return OAR's state of a node."""

    def set_host_state(self, host: str, state: str) -> None:
        """Change OAR's state of a node, as its administrators or its checks do."""

    def submit(self, request: JobRequest, user: str) -> Job:
        """Take a submission.

        Args:
            request: the submission.
            user: who submits.

        Raises:
            OarError: refused; what oarsub prints.
        """

    def delete(self, job: Job, user: str) -> str:
        """Ask for the end of a job.

        Returns:
            What oardel prints.

        Raises:
            OarError: refused; what oardel prints.
        """

    def change_walltime(self, job: Job, request: ChangeRequest) -> str:
        """Ask for another walltime of a job that runs; the scheduler looks at it later.

        Returns:
            OAR's answer.

        Raises:
            RefusalError: with OAR's text.
        """
