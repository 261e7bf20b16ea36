"""What was under way when, in one run: rows of spans, and these as bars of characters."""

from __future__ import annotations

import string
from collections.abc import Mapping

from enoslib_nxc.data import Data
from enoslib_nxc.runs import Run
from enoslib_nxc.steps import CALLS, Tried, covered

FAILED = "!"
"""Marks the end of a step that failed."""

BRIEF = ("check", "plan")
"""Phases that take no time to speak of; seen where they fail."""

LEAST = 20
"""Characters of a bar, however narrow the terminal is."""


class Row(Data):
    """A row of a timeline: a phase of the whole, or a host.

    Args:
        name: of the phase or the host.
        node: whether it is a host.
        steps: its steps, in the order of their beginnings.
    """

    name: str
    node: bool
    steps: tuple[Tried, ...]


def rows(run: Run) -> tuple[Row, ...]:
    """Return the rows of a run: phases in the order of their beginnings, then hosts.

    What had nothing to do is left out: it may be of an `init()` long after.

    Args:
        run: the run.
    """
    phases: dict[str, list[Tried]] = {}
    hosts: dict[str, list[Tried]] = {}
    for step in filter(_worth, run.steps):
        group = hosts if step.node else phases
        group.setdefault(step.node or step.phase, []).append(step)
    return tuple(
        Row(name=name, node=group is hosts, steps=tuple(steps))
        for group in (phases, hosts)
        for name, steps in group.items()
    )


def _worth(step: Tried) -> bool:
    """Tell whether a step is shown."""
    if step.phase in CALLS or step.phase == "destroy":
        return False
    return step.outcome == "failed" or not (step.outcome == "noop" or step.phase in BRIEF)


def letters(run: Run) -> dict[str, str]:
    """Return a letter for each phase of a run: one of its name where that is free.

    Args:
        run: the run.
    """
    found: dict[str, str] = {}
    for row in rows(run):
        for name in dict.fromkeys(step.phase for step in row.steps):
            if name not in found:
                wished = (c for c in name.lower() if c in string.ascii_lowercase)
                spare = (*wished, *string.ascii_lowercase, *string.ascii_uppercase, "#")
                found[name] = next(c for c in spare if c not in found.values() or c == "#")
    return found


def text(run: Run, width: int) -> list[str]:
    """Return a run as lines: a bar for each row, and what its characters mean.

    Args:
        run: the run.
        width: characters of a line.
    """
    shown = rows(run)
    if not shown:
        return []
    by_phase = letters(run)
    label = max(len(row.name) for row in shown)
    notes = [_note(row) for row in shown]
    size = max(LEAST, width - label - max(map(len, notes)) - 4)
    start = min(step.start for row in shown for step in row.steps)
    end = max(step.end for row in shown for step in row.steps)
    scale = size / max(end - start, 0.001)
    lines = [
        f"{row.name:<{label}} |{_bar(row, by_phase, size, start, scale)}| {note}".rstrip()
        for row, note in zip(shown, notes, strict=True)
    ]
    axis = f"{'':<{label}}  0{f'{end - start:.1f} s':>{size - 1}}"
    meant = ", ".join(f"{letter} {name}" for name, letter in by_phase.items())
    tried = any(step.attempt > 1 for row in shown for step in row.steps)
    marks = f"; {FAILED} failed" if run.failures else ""
    marks += "; 2-9 where an attempt begins that is not the first" if tried else ""
    return [*lines, axis, f"{meant}{marks}"]


def _bar(row: Row, by_phase: Mapping[str, str], size: int, start: float, scale: float) -> str:
    """Return the characters of a row; of steps within each other, the inner one is seen."""
    bar = ["."] * size
    marks: dict[int, str] = {}
    attempt = 1
    for step in row.steps:
        first = min(size - 1, int((step.start - start) * scale))
        last = min(size - 1, max(first, int((step.end - start) * scale) - 1))
        bar[first : last + 1] = by_phase[step.phase] * (last + 1 - first)
        if step.attempt > attempt:
            marks.setdefault(first, str(min(step.attempt, 9)))
        if step.outcome == "failed":
            marks[last] = FAILED
        attempt = step.attempt
    for at, mark in marks.items():
        bar[at] = mark
    return "".join(bar)


def _note(row: Row) -> str:
    """Return what a bar cannot tell: seconds, failures, attempts."""
    seconds = covered(row.steps)
    failed = sum(step.outcome == "failed" for step in row.steps)
    attempts = max(step.attempt for step in row.steps)
    parts = [f"{seconds:.1f} s"]
    parts += [f"{failed} failed"] if failed else []
    parts += [f"attempt {attempts}"] if attempts > 1 else []
    return ", ".join(parts)
