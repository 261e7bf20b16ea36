"""What becomes of events: timed lines, progress bars, a record, or nothing.

Each reporter here is a context manager too; leaving it gives the terminal back.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TextIO

from enoslib_nxc.display import Display, Tally, describe
from enoslib_nxc.events import Event, Phase, Reporter, Status

Kind = Literal["auto", "rich", "plain", "silent"]

FIRST_WAIT = 5.0
LONGEST_WAIT = 60.0
"""Seconds between two lines of one phase; the wait doubles from the first to the longest,
so that two hours of building make some 120 lines."""

FEW = 10
"""Ends of single hosts that get a line each, before they are thinned out like progress."""


def make(kind: Kind, stream: TextIO | None = None) -> Display:
    """Make the reporter that the configuration's `progress` asks for.

    Args:
        kind: "rich" for bars, "plain" for timed lines, "silent", or "auto": bars on a
            terminal that can show them, else lines.
        stream: where to write; standard error when None.
    """
    stream = stream or sys.stderr
    if kind == "silent":
        return Display()
    if kind == "plain":
        return Plain(stream)
    from enoslib_nxc import bars

    return Plain(stream) if kind == "auto" and not bars.can_show(stream) else bars.Bars(stream)


def tee(*reporters: Reporter) -> Display:
    """Return a reporter that hands each event to all of them, and closes those that close."""
    return _Tee(reporters)


class _Tee(Display):
    def __init__(self, reporters: tuple[Reporter, ...]) -> None:
        super().__init__()
        self._reporters = reporters
        self._entered = ExitStack()

    def __call__(self, event: Event) -> None:
        for reporter in self._reporters:
            reporter(event)

    def __enter__(self) -> Display:
        for reporter in self._reporters:
            if isinstance(reporter, AbstractContextManager):
                self._entered.enter_context(reporter)
        return self

    def close(self) -> None:
        self._entered.close()


class Recorder(Display):
    """Keeps every event, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._events: list[Event] = []

    @property
    def events(self) -> tuple[Event, ...]:
        """The events so far."""
        with self._lock:
            return tuple(self._events)

    def write(self, path: Path) -> None:
        """Write the events as JSON Lines, one object with the fields of `Event` each."""
        lines = (json.dumps(asdict(event), ensure_ascii=False) for event in self.events)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def _take(self, event: Event) -> None:
        self._events.append(event)


class Plain(Display):
    """Timed lines for logs: starts and ends of phases, failures, and thinned-out progress.

    Args:
        stream: where to write.
        clock: seconds from any origin, for tests.
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._stream = stream
        self._clock = clock
        self._origin = clock()
        self._phases: dict[Phase, tuple[Tally, _Pace]] = {}

    def _take(self, event: Event) -> None:
        now = self._clock()
        known = self._phases.get(event.phase)
        tally, pace = (
            known if known and known[0].running else (Tally(), _Pace(now + FIRST_WAIT))
        )
        self._phases[event.phase] = tally, pace
        taken = tally.take(event)
        if event.status is Status.STARTED:
            worth = not event.subject
        elif taken.status is Status.PROGRESS:
            few = event.status is not Status.PROGRESS and tally.ended.total() <= FEW
            worth = few or pace.due(now)
        else:
            worth = True
        if worth:
            self._write(now, event.phase, describe(taken))

    def _write(self, now: float, phase: Phase, text: str) -> None:
        line = f"[{now - self._origin:6.1f}s] {phase.value:<9} {text}\n"
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(line.encode(encoding, "replace").decode(encoding))
        self._stream.flush()


@dataclass
class _Pace:
    """When the next line of a phase is due; seconds of a clock."""

    next: float
    wait: float = FIRST_WAIT

    def due(self, now: float) -> bool:
        if now < self.next:
            return False
        self.wait = min(self.wait * 2, LONGEST_WAIT)
        self.next = now + self.wait
        return True
