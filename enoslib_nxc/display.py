"""What every display of events shares: its life, its counts, its words."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from rich.filesize import decimal

from enoslib_nxc.events import Event, Status


class Display:
    """A reporter that may hold a terminal; says nothing itself. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __call__(self, event: Event) -> None:
        """Take an event; a stream that is closed or gone is no reason to fail."""
        with self._lock, suppress(OSError, ValueError):
            self._take(event)

    def close(self) -> None:
        """Give back what is held; calling it again does nothing."""

    def _take(self, event: Event) -> None:
        """Handle an event, under the lock."""

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with self._lock, suppress(OSError, ValueError):
            self.close()


@dataclass
class Tally:
    """Where a phase stands: its open steps, and how many of its hosts have got how far.

    A step about one host (`Event.subject`) counts as a unit of all the host steps that
    began with the same message: 2 of 3 have "come up".
    """

    open: Counter[str] = field(default_factory=Counter)
    steps: dict[str, str] = field(default_factory=dict)
    began: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)

    @property
    def running(self) -> bool:
        """Whether any step of the phase is open."""
        return self.open.total() > 0

    def take(self, event: Event) -> Event:
        """Count an event; return it, the end of a host's step as progress of the phase."""
        if event.status is Status.STARTED:
            self.open[event.subject] += 1
            if event.subject:
                self.steps[event.subject] = event.message
                self.began[event.message] += 1
            return event
        if event.status is Status.PROGRESS:
            return event
        self.open[event.subject] = max(self.open[event.subject] - 1, 0)
        if not event.subject or event.status is Status.FAILED:
            return event
        step = self.steps.get(event.subject, event.message)
        self.ended[step] += 1
        return Event(
            event.phase,
            Status.PROGRESS,
            event.subject,
            event.message,
            done=self.ended[step],
            total=self.began[step],
            seconds=event.seconds,
        )


def describe(event: Event) -> str:
    """Return the text of an event, without its phase: `9/15 derivations hello`."""
    words = [_amount(event), f"{event.subject}:" if event.subject else "", event.message]
    text = " ".join(word for word in words if word)
    if event.status is Status.FAILED:
        return f"failed after {event.seconds:.1f} s: {text}"
    if event.status is Status.NOOP:
        return f"nothing to do: {text}"
    if event.status is Status.DONE:
        return f"done in {event.seconds:.1f} s: {text}"
    return text


def _amount(event: Event) -> str:
    if not (event.done or event.total):
        return ""
    if event.unit == "bytes":
        return (
            f"{decimal(event.done)}/{decimal(event.total)}"
            if event.total
            else decimal(event.done)
        )
    counts = f"{event.done}/{event.total}" if event.total else str(event.done)
    return f"{counts} {event.unit}".rstrip()
