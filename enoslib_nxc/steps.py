"""Steps of a deployment, as they are on record, and the calls that made them. No effects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import FiniteFloat, JsonValue

from enoslib_nxc.data import Data
from enoslib_nxc.events import Phase

CALLS = ("init", "async_init", "plan", "test")
"""What a call may be: its own step, from its beginning to its end, is named so."""

OWN = (*CALLS, *(phase.value for phase in Phase))
"""Phases of this package; all others are a user's own."""

START = "start"
"""What the step does that starts a machine: each is an attempt."""

SLACK = 0.05
"""Seconds by which beginnings are known: clocks are set while steps are under way."""

Outcome = Literal["done", "noop", "failed"]
"""How a step ended; noop is success with nothing to do."""


class Step(Data):
    """A step that ended: a line of the record.

    Args:
        phase: what it belongs to: a phase of this package, or a name of the user's.
        node: the host that it was about, "" for the whole.
        start: when it began, seconds since the epoch.
        end: when it ended, likewise.
        outcome: how.
        does: what it does, for people.
        message: what became of it, for people; why it failed.
        user: whether it is a phase of the user's program.
    """

    phase: str
    node: str = ""
    start: FiniteFloat
    end: FiniteFloat
    outcome: Outcome
    does: str = ""
    message: str = ""
    user: bool = False

    @property
    def told(self) -> str:
        """What people are told of it where it failed; never ""."""
        said = self.message or f"{self.phase} failed"
        return f"{self.phase}: {said}" if self.user else said


class Tried(Step):
    """A step of a run.

    Args:
        attempt: 1, or more where it was tried before: each start of a machine is an attempt,
            and so is a phase of the user's own after one of that name that failed.
    """

    attempt: int = 1


class Call(Data):
    """One call of `init()`, or of what goes its way, and what came after it.

    Args:
        at: when it began, seconds since the epoch.
        fresh: whether there was no deployment of that name then.
        versions: program or package -> version that took part.
        configuration: what it was called with, as `from_dictionary` takes it.
        steps: its steps, and those after it, in the order of their ends.
    """

    at: FiniteFloat
    fresh: bool = False
    versions: dict[str, str] = {}
    configuration: dict[str, JsonValue] = {}
    steps: tuple[Step, ...] = ()

    @property
    def phases(self) -> dict[str, float]:
        """Seconds in which something of each phase was under way.

        Steps that went side by side count once.
        """
        names = dict.fromkeys(step.phase for step in self.steps if step.phase not in CALLS)
        order = [name for name in OWN if name in names] + [n for n in names if n not in OWN]
        return {name: covered(s for s in self.steps if s.phase == name) for name in order}

    @property
    def boots(self) -> bool:
        """Whether it started machines, or waited for some that came up."""
        return any(step.phase == "boot" and step.outcome != "noop" for step in self.steps)

    @property
    def failed(self) -> str:
        """Why it failed, "" when it did not."""
        ends = [step for step in self.steps if step.phase in CALLS]
        if not ends:
            return "it has not ended"
        return ends[0].told if ends[0].outcome == "failed" else ""

    @property
    def idle(self) -> bool:
        """Whether nothing came of it that a report shows."""
        users = any(step.user for step in self.steps)
        return not (self.boots or self.failed or self.destroyed or users)

    @property
    def destroyed(self) -> bool:
        """Whether the deployment was destroyed after it."""
        return any(step.phase == "destroy" and step.outcome != "failed" for step in self.steps)


def covered(steps: Iterable[Step]) -> float:
    """Return the seconds that steps cover together: what goes side by side counts once.

    Args:
        steps: any steps.
    """
    total, reached = 0.0, float("-inf")
    for start, end in sorted((step.start, step.end) for step in steps):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return round(total, 3)


def tried(steps: Iterable[Step]) -> tuple[Tried, ...]:
    """Return steps in the order of their beginnings, with the number of the attempt of each.

    Args:
        steps: of one run.
    """
    ordered = sorted(steps, key=lambda step: (step.start, -step.end))
    made: list[Tried] = []
    counts: dict[tuple[str, str], int] = {}
    for step in ordered:
        key = (step.phase, step.node)
        starts = step.phase == "boot" and step.does == START
        counts[key] = counts.get(key, 0) + starts
        attempt = max(1, counts[key]) if step.node or step.user else 1
        made.append(Tried.model_construct(**step.__dict__, attempt=attempt))
        if step.user and step.outcome == "failed":
            counts[key] = max(1, counts[key]) + 1
    return tuple(made)


def failures(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps that failed, without those that only failed with others of them.

    Args:
        steps: of one run.
    """
    failed = [step for step in steps if step.outcome == "failed"]
    return tuple(
        step
        for step in failed
        if step.node or not any(_explains(other, step) for other in failed)
    )


def _explains(cause: Step, step: Step) -> bool:
    """Tell whether a step of the whole failed with another one: that of a host, or a part."""
    if cause.node and cause.phase == step.phase:
        return True
    within = step.start - SLACK <= cause.start and cause.end <= step.end + SLACK
    if step.phase in CALLS:
        return within and cause.phase not in CALLS
    return within and cause.end - cause.start < step.end - step.start
