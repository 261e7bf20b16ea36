"""What each `init()` of a deployment did, kept beside its record: for its report.

One JSON object a line in `events.jsonl`: `{"began": ...}` for each call, `{"ended": ...}` for
each step of it that ended. The file goes with the deployment.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue, ValidationError

from enoslib_nxc.data import Data
from enoslib_nxc.events import Event, Phase, Reporter, Status
from enoslib_nxc.nix.provenance import versions

if TYPE_CHECKING:
    from enoslib_nxc.config import Settings
    from enoslib_nxc.state import Home

ENDS = (Status.DONE, Status.NOOP, Status.FAILED)


class Step(Data):
    """A step that ended.

    Args:
        at: when it ended, seconds since the epoch.
        seconds: how long it took.
        phase: the phase that it belongs to.
        status: how it ended.
        subject: what it was about: a host, a site, "" for the whole.
        message: one line for people.
    """

    at: float
    seconds: float
    phase: Phase
    status: Status
    subject: str = ""
    message: str = ""


class Call(Data):
    """One call of `init()`, or of what goes its way.

    Args:
        at: when it began, seconds since the epoch.
        versions: program or package -> version that took part.
        configuration: what it was called with, as `from_dictionary` takes it.
        steps: its steps, in the order of their ends.
    """

    at: float
    versions: dict[str, str] = {}
    configuration: dict[str, JsonValue] = {}
    steps: tuple[Step, ...] = ()

    @property
    def phases(self) -> dict[str, float]:
        """Seconds in which something of each phase was under way.

        Steps that went side by side count once.
        """
        spans: dict[str, list[tuple[float, float]]] = {}
        for step in self.steps:
            spans.setdefault(step.phase.value, []).append((step.at - step.seconds, step.at))
        order = [phase.value for phase in Phase]
        return {name: _covered(spans[name]) for name in sorted(spans, key=order.index)}


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of what some spans cover together."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return round(total, 3)


@contextmanager
def kept(home: Home, settings: Settings) -> Iterator[Reporter]:
    """Note a call, and the ends of its steps, as they happen.

    Where nothing can be written there is no history: a deployment does not fail for that.

    Args:
        home: the deployment's directory, held by this process.
        settings: what the call was made with.

    Yields:
        Takes its events.
    """
    lock = threading.Lock()
    given = settings.model_dump(mode="json", exclude_unset=True)
    called = Call(at=time.time(), versions=versions(), configuration=given)

    def take(event: Event) -> None:
        if event.status in ENDS:
            step = Step(
                at=event.at,
                seconds=event.seconds,
                phase=event.phase,
                status=event.status,
                subject=event.subject,
                message=event.message,
            )
            write("ended", step)

    def write(kind: str, what: Data) -> None:
        line = json.dumps({kind: what.model_dump(mode="json", exclude_defaults=True)})
        with lock, suppress(OSError), home.events.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    with suppress(OSError), home.events.open("a", encoding="utf-8") as file:
        file.write("\n")  # ends a line that the call before could not write whole
    write("began", called)
    yield take


def read(path: Path) -> tuple[Call, ...]:
    """Return the calls of a deployment, in their order.

    A line that was not written whole, by a program that was killed, is passed over.

    Args:
        path: `Home.events`.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    calls: list[Call] = []
    steps: list[list[Step]] = []
    for line in lines:
        with suppress(ValueError, ValidationError, AttributeError):
            entry = json.loads(line)
            if began := entry.get("began"):
                calls.append(Call.model_validate(began))
                steps.append([])
            elif calls:
                steps[-1].append(Step.model_validate(entry.get("ended")))
    return tuple(
        call.model_copy(update={"steps": tuple(made)})
        for call, made in zip(calls, steps, strict=True)
    )
