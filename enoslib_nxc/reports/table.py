"""The table of runs: a row for each, and one for the means of those that can be compared."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence

from enoslib_nxc.data import Data
from enoslib_nxc.means import Mean
from enoslib_nxc.runs import Means, Run, columns

STEPS = (
    "run",
    "phase",
    "node",
    "start",
    "end",
    "seconds",
    "outcome",
    "attempt",
    "does",
    "message",
)
"""Columns of the steps as CSV."""


class Table(Data):
    """A table for people.

    Args:
        heads: of its columns.
        rows: their cells.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def of(runs: Sequence[Run], means: Sequence[Means]) -> Table:
    """Return the table of runs.

    Args:
        runs: the runs.
        means: of those that can be compared.
    """
    names = columns(runs)
    rows = [
        (
            str(run.number),
            _clock(run.start),
            str(run.machines or ""),
            *(_seconds(run.seconds.get(name)) for name in names),
            str(run.failures or ""),
            str(run.retries or ""),
            run.failed,
        )
        for run in runs
    ]
    rows += [_mean_row(mean, names) for mean in means]
    heads = ("run", "began", "machines", *names, "failures", "retries", "failed")
    return Table(heads=heads, rows=tuple(rows))


def steps(runs: Sequence[Run]) -> str:
    """Return every step of some runs as CSV (RFC 4180), with a line of heads.

    Moments are in seconds since the epoch.

    Args:
        runs: the runs.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(STEPS)
    for run in runs:
        for step in run.steps:
            seconds = round(step.end - step.start, 3)
            moments = (f"{step.start:.3f}", f"{step.end:.3f}", seconds)
            ended = (step.outcome, step.attempt, step.does, step.message)
            writer.writerow((run.number, step.phase, step.node, *moments, *ended))
    return text.getvalue()


def numbers(found: Sequence[int]) -> str:
    """Return numbers of runs for people: 1-3, 5.

    Args:
        found: the numbers, ascending.
    """
    spans: list[list[int]] = []
    for number in found:
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    told = (str(s[0]) if len(s) == 1 else f"{s[0]}-{s[-1]}" for s in spans)
    return ", ".join(told)


def _mean_row(mean: Means, names: Sequence[str]) -> tuple[str, ...]:
    count = len(mean.runs)
    cells = [_mean(mean.seconds.get(name), count) for name in names]
    return ("mean", f"of {numbers(mean.runs)} (n = {count})", "", *cells, "", "", "")


def _mean(mean: Mean | None, count: int) -> str:
    """Return a mean with its margin; how many they are where it is not of all runs."""
    if mean is None:
        return ""
    fewer = f" (n = {mean.count})" if mean.count != count else ""
    margin = f" ± {mean.margin:.1f}" if mean.margin is not None else ""
    return f"{mean.mean:.1f}{margin} s{fewer}"


def _seconds(seconds: float | None) -> str:
    return f"{seconds:.1f} s" if seconds is not None else ""


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
