"""Goals, and whether figures meet them."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measure import OURS, Table

Figures = Callable[[Table], list[float]]
"""Takes what was measured and returns one figure for each round that has it."""


@dataclass(frozen=True)
class Goal:
    """Something to reach.

    Args:
        text: what, for people, without the limit: "deploy of 4 machines, over the floor".
        figures: what is compared with the limit; the median counts.
        at_most: the limit, where less is better.
        at_least: the limit, where more is better.
        unit: of the figures; "" for ratios.
        cause: why it is missed, where it was: Markdown, a sentence or some.
    """

    text: str
    figures: Figures
    at_most: float | None = None
    at_least: float | None = None
    unit: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Verdict:
    """What became of a goal.

    Args:
        goal: the goal.
        figures: one for each round.
        met: whether the median of them meets it; None where there is no figure.
    """

    goal: Goal
    figures: tuple[float, ...]
    met: bool | None


def judge(goal: Goal, table: Table) -> Verdict:
    """Compare what was measured with a goal."""
    figures = goal.figures(table)
    if not figures:
        return Verdict(goal, (), None)
    middle = statistics.median(figures)
    met = (goal.at_most is None or middle <= goal.at_most) and (
        goal.at_least is None or middle >= goal.at_least
    )
    return Verdict(goal, tuple(figures), met)


def ratio(
    peer: str,
    size: int,
    metric: str = "seconds",
    *,
    ours: str = OURS,
    less: float = 0.0,
) -> Figures:
    """Return what makes the ratios of two contestants in the same round.

    Args:
        peer: by whose value the other one is divided.
        size: for which both were measured.
        metric: likewise.
        ours: who is divided.
        less: what is taken off the value that is divided.
    """

    def figures(table: Table) -> list[float]:
        own, others = table.values(ours, size, metric), table.values(peer, size, metric)
        both = sorted(own.keys() & others.keys())
        return [(own[each] - less) / others[each] for each in both]

    return figures


def growth(small: int, large: int, metric: str = "seconds", *, ours: str = OURS) -> Figures:
    """Return what makes the ratios of a contestant's values for two sizes."""

    def figures(table: Table) -> list[float]:
        few, many = table.values(ours, small, metric), table.values(ours, large, metric)
        return [many[each] / few[each] for each in sorted(few.keys() & many.keys())]

    return figures


def alone(size: int, metric: str = "seconds", *, ours: str = OURS) -> Figures:
    """Return what makes a contestant's own values."""
    return lambda table: list(table.values(ours, size, metric).values())
