"""Typed events: the one way in which the package tells what it is doing.

Nothing below the command line prints. A step emits events; reporters
(`enoslib_nxc.reporters`) turn them into progress bars, log lines or records, and the
phase report reads the same stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum


class Phase(str, Enum):
    """The phases of an experiment, as the NXC paper measures them."""

    CHECK = "check"
    FETCH = "fetch"
    BUILD = "build"
    PLAN = "plan"
    ACQUIRE = "acquire"
    PUSH = "push"
    BOOT = "boot"
    PROVISION = "provision"
    RUN = "run"
    DESTROY = "destroy"


class Status(str, Enum):
    """Where a step stands. `NOOP` is success with nothing to do, told apart from `DONE`."""

    STARTED = "started"
    PROGRESS = "progress"
    DONE = "done"
    NOOP = "noop"
    FAILED = "failed"


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Args:
        phase: the phase it belongs to.
        status: where the step stands.
        subject: what it is about: a host name, a derivation, or "" for the whole.
        message: one line for people.
        seconds: duration of the step, for statuses that end it.
        done: units done, for `PROGRESS`.
        total: units expected, for `PROGRESS`; 0 when unknown.
        unit: name of the units ("derivations", "bytes").
        at: wall clock, seconds since the epoch.
    """

    phase: Phase
    status: Status
    subject: str = ""
    message: str = ""
    seconds: float = 0.0
    done: int = 0
    total: int = 0
    unit: str = ""
    at: float = field(default_factory=time.time)


Reporter = Callable[[Event], None]
"""Takes each event as it happens, from any thread. It must not raise."""


def silent(_event: Event) -> None:
    """A reporter that says nothing."""


class Step:
    """A running step; yielded by `step` so that its body can report and rename its end."""

    def __init__(self, report: Reporter, phase: Phase, subject: str) -> None:
        self._report = report
        self._phase = phase
        self._subject = subject
        self.status = Status.DONE
        self.message = ""

    def progress(
        self, message: str = "", *, done: int = 0, total: int = 0, unit: str = ""
    ) -> None:
        """Report that the step moved on.

        Args:
            message: one line for people.
            done: units done so far.
            total: units expected, 0 when unknown.
            unit: name of the units.
        """
        self._report(
            Event(
                self._phase,
                Status.PROGRESS,
                self._subject,
                message,
                done=done,
                total=total,
                unit=unit,
            )
        )

    def noop(self, message: str) -> None:
        """Say that there was nothing to do, and why."""
        self.status = Status.NOOP
        self.message = message


@contextmanager
def step(report: Reporter, phase: Phase, message: str, *, subject: str = "") -> Iterator[Step]:
    """Run the body as one step: a started event, then done, noop or failed with its duration.

    Args:
        report: where the events go.
        phase: the phase the step belongs to.
        message: one line for people, what the step does.
        subject: what it is about; "" for the whole deployment.

    Yields:
        The step, for progress and for `noop`.
    """
    running = Step(report, phase, subject)
    started = time.monotonic()
    report(Event(phase, Status.STARTED, subject, message))
    try:
        yield running
    except BaseException as error:
        text = getattr(error, "brief", None) or type(error).__name__
        report(
            Event(phase, Status.FAILED, subject, str(text), seconds=time.monotonic() - started)
        )
        raise
    report(
        Event(
            phase,
            running.status,
            subject,
            running.message or message,
            seconds=time.monotonic() - started,
        )
    )
