"""A job of OAR: its states, its dates, its walltime."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from enoslib_nxc.rehearsal.admission import Order
from enoslib_nxc.rehearsal.gantt import Hole, Slot
from enoslib_nxc.rehearsal.resources import Choice
from enoslib_nxc.rehearsal.walltime import Change, hms

SECURITY = 60
"""Seconds that OAR keeps free after each job: SCHEDULER_JOB_SECURITY_TIME of its oar.conf."""


class State(str, Enum):
    """OAR's job states, as its database has them; the API gives them in lower case.

    Hold, toAckReservation, Suspended, Resuming and toError are a real OAR's only.
    """

    WAITING = "Waiting"
    HOLD = "Hold"
    TO_ACK = "toAckReservation"
    TO_LAUNCH = "toLaunch"
    LAUNCHING = "Launching"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    RESUMING = "Resuming"
    FINISHING = "Finishing"
    TO_ERROR = "toError"
    TERMINATED = "Terminated"
    ERROR = "Error"


ACTIVE = (State.TO_LAUNCH, State.LAUNCHING, State.RUNNING, State.FINISHING)
"""States in which a job holds its resources."""

ENDED = (State.TERMINATED, State.ERROR)


@dataclass(frozen=True)
class Pace:
    """How long OAR takes for each step, in seconds.

    The defaults add up to 1.5: OAR 2.5.9 on an idle machine was seen to run a job 1.4 to
    1.9 s after its submission. How that splits into steps is made up.

    Args:
        schedule: from submission to the first scheduling.
        to_launch: in state toLaunch.
        launch: in state Launching.
        kill: from a deletion to its effect.
        finish: in state Finishing.
    """

    schedule: float = 0.5
    to_launch: float = 0.3
    launch: float = 0.7
    kill: float = 0.3
    finish: float = 0.3


@dataclass(frozen=True)
class Job:
    """A job.

    Args:
        uid: its number.
        order: what was submitted.
        submitted_at: seconds since the epoch.
        choose: picks what it asks for among free resources.
        state: state.
        since: when that state began.
        planned: when and where it is to run, or runs; None when it cannot be placed.
        started_at: when it was launched; 0 before, or the date of an advance reservation.
        stopped_at: when it ended; 0 before.
        kill_at: when a deletion takes effect; None for none.
        change: what became of its requests to change the walltime; None for none.
        message: OAR's remark.
        events: names of OAR's events.
    """

    uid: int
    order: Order
    submitted_at: float
    choose: Choice
    state: State = State.WAITING
    since: float = 0.0
    planned: Hole | None = None
    started_at: float = 0.0
    stopped_at: float = 0.0
    kill_at: float | None = None
    change: Change | None = None
    message: str = ""
    events: tuple[str, ...] = ()

    @property
    def walltime(self) -> int:
        """Seconds, granted changes included."""
        return self.order.request.walltime + (self.change.granted if self.change else 0)

    @property
    def active(self) -> bool:
        """Whether it holds its resources."""
        return self.state in ACTIVE

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.state in ENDED

    @property
    def reserved(self) -> bool:
        """Whether it is an advance reservation."""
        return self.order.reservation is not None

    @property
    def resources(self) -> frozenset[int]:
        """Resources that it holds, held, or is planned on."""
        return self.planned.resources if self.planned else frozenset()

    @property
    def ends_at(self) -> float:
        """When its walltime is over; meaningful once it was launched."""
        return self.started_at + self.walltime

    def to(self, state: State, now: float) -> Job:
        """Return the job in another state, from now on."""
        return replace(self, state=state, since=now)

    def killed(self, at: float, *events: str) -> Job:
        """Return the job with its end decided, and why."""
        return replace(self, kill_at=at).told(*events)

    def told(self, *events: str) -> Job:
        """Return the job with further events."""
        return replace(self, events=(*self.events, *events))

    def next_at(self, pace: Pace) -> float:
        """Return when an active job goes to its next state by itself."""
        if self.state is State.RUNNING:
            return self.ends_at
        stays = {
            State.TO_LAUNCH: pace.to_launch,
            State.LAUNCHING: pace.launch,
            State.FINISHING: pace.finish,
        }
        return self.since + stays[self.state]

    def slot(self, pace: Pace) -> Slot | None:
        """Return its place in the calendar, None when it has none."""
        if self.ended or self.planned is None:
            return None
        if self.state is State.FINISHING:
            return Slot(self.since, self.since + pace.finish, self.resources)
        start = self.started_at if self.active and self.started_at else self.planned.start
        # OAR's slots include their last second (GanttHoleStorage.pm)
        return Slot(start, start + self.walltime + SECURITY + 1, self.resources)


def summary(order: Order, resources: int) -> str:
    """Return the remark that a job has from its submission (IO.pm, format_job_message_text).

    OAR's schedulers add remarks of their own behind it, which are not imitated.

    Args:
        order: what was submitted.
        resources: how many it needs.
    """
    words = [f"R={resources}", f"W={hms(order.request.walltime)}"]
    words.append("J=B" if order.reservation is None else "J=R")
    words += [f"N={order.name}"] if order.name else []
    words += [f"Q={order.queue}"] if order.queue not in ("default", "besteffort") else []
    words += [f"P={order.project}"] if order.project != "default" else []
    names = "|".join(kind.partition("=")[0] for kind in order.types)
    return ",".join([*words, f"T={names}"] if names else words)
