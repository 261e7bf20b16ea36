"""docs/performance.md: figures, ratios and goals of the last run of each benchmark."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import results
from benchmarks.benchmark import Benchmark
from benchmarks.judge import Goal, Verdict, judge
from benchmarks.measure import Table
from benchmarks.results import Result
from enoslib_nxc import means

PAGE = results.PLACE.with_suffix(".md")

HEAD = """# Performance

What a deployment costs, beside its peers and beside the work itself, measured side by side on
one computer. Read the ratios, not the seconds: guests are emulated where there is no KVM.
Each benchmark is one command, in a clone of this repository:

```sh
scripts/benchmark NAME            # NAME: {names}
scripts/benchmark NAME --more     # further rounds, beside those that are there
scripts/benchmark NAME --smoke    # as small as it can be; no figure is kept
scripts/benchmark page            # this page from the figures that are there
```

It sets up what is missing, as `scripts/test` does, ends within 15 minutes, leaves figures of
every round (CSV, PNG) in `docs/performance/`, and writes this page. All contestants of a
benchmark take turns in each round. *Floor* is the work itself with nothing else. Figures
are medians, then the smallest and the largest; *mean* is with its 99 % confidence interval
(Student's t); *n* is the number of rounds. Ratios are of values of the same round. A goal is
met when the median of its ratios is; ratios are rounded up where less is better.
"""


def page(benchmarks: Sequence[Benchmark]) -> str:
    """Return the page, from the figures on disk."""
    names = ", ".join(f"`{benchmark.name}`" for benchmark in benchmarks).replace("`", "")
    found = [(benchmark, results.read(benchmark.name)) for benchmark in benchmarks]
    sections = [section(benchmark, result) for benchmark, result in found]
    return "\n".join([HEAD.replace("{names}", names), summary(found), *sections])


def write(benchmarks: Sequence[Benchmark], path: Path = PAGE) -> None:
    """Write the page."""
    path.write_text(page(benchmarks), encoding="utf-8")


def summary(found: Iterable[tuple[Benchmark, Result | None]]) -> str:
    """Return the table of all goals."""
    rows = [("goal", "limit", "median", "smallest to largest", "n", "")]
    for benchmark, result in found:
        for goal in benchmark.goals:
            verdict = judge(goal, Table(result.samples if result else ()))
            rows.append(
                (f"[{benchmark.name}](#{benchmark.name}): {goal.text}", *_cells(verdict))
            )
    return f"## Goals\n\n{_table(rows)}"


def section(benchmark: Benchmark, result: Result | None) -> str:
    """Return what there is to say of one benchmark."""
    head = f"## {benchmark.name}\n\n**{benchmark.title}.** {benchmark.text.strip()}\n"
    if result is None:
        return f"{head}\nNot run yet.\n"
    table = Table(result.samples)
    parts = [head, figures(benchmark, table)]
    if told := _failures(table):
        parts.append(f"Failed:\n\n{told}")
    if told := _causes(benchmark, table):
        parts.append(f"Missed:\n\n{told}")
    picture = f"![{benchmark.title}](performance/{benchmark.name}.png)"
    parts.append(f"{picture}\n\n{_where(benchmark, result)}\n")
    return "\n".join(parts)


def figures(benchmark: Benchmark, table: Table) -> str:
    """Return the table of what was measured."""
    rows = [(benchmark.varies, "who", "what", "median", "smallest to largest", "mean", "n")]
    for size in table.sizes:
        for contestant in table.contestants:
            for metric in table.metrics:
                values = list(table.values(contestant, size, metric).values())
                if values:
                    told = (str(size), contestant, metric, *_described(values))
                    rows.append(told)
    return _table(rows)


def _described(values: list[float]) -> tuple[str, str, str, str]:
    mean = means.of(values)
    margin = f" ± {mean.margin:.2f}" if mean.margin is not None else ""
    spread = f"{mean.smallest:.2f} to {mean.largest:.2f}"
    middle = f"{statistics.median(values):.2f}"
    return middle, spread, f"{mean.mean:.2f}{margin}", str(mean.count)


def _cells(verdict: Verdict) -> tuple[str, str, str, str, str]:
    goal, values = verdict.goal, verdict.figures
    unit = f" {goal.unit}" if goal.unit else ""
    limits = []
    if goal.at_most is not None:
        limits.append(f"≤ {goal.at_most:g}{unit}")
    if goal.at_least is not None:
        limits.append(f"≥ {goal.at_least:g}{unit}")
    if not values:
        return " and ".join(limits), "", "", "0", "not measured"
    told = [_against_us(goal, value) for value in (statistics.median(values), *_ends(values))]
    met = "met" if verdict.met else "**missed**"
    return " and ".join(limits), told[0], f"{told[1]} to {told[2]}", str(len(values)), met


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _against_us(goal: Goal, value: float) -> str:
    """Round a figure to the side that is worse for us."""
    rounded = math.floor if goal.at_least is not None else math.ceil
    # 1.1 * 100 is a little more than 110
    return f"{rounded(round(value * 100, 6)) / 100:.2f}"


def _failures(table: Table) -> str:
    lines = []
    for size in table.sizes:
        for contestant in table.contestants:
            failed = table.failures(contestant, size)
            for told in dict.fromkeys(failed):
                count = failed.count(told)
                lines.append(f"- {contestant}, {size}: {told} ({count} of the rounds)\n")
    return "".join(lines)


def _causes(benchmark: Benchmark, table: Table) -> str:
    missed = [goal for goal in benchmark.goals if judge(goal, table).met is False]
    return "".join(
        f"- {goal.text}: {goal.cause or 'nobody knows why yet'}\n" for goal in missed
    )


def _where(benchmark: Benchmark, result: Result) -> str:
    computer = result.computer
    kvm = {True: "KVM", False: "guests emulated (no KVM)", None: "no guests"}[computer.kvm]
    versions = ", ".join(f"{name} {version}" for name, version in computer.versions.items())
    return (
        f"{computer.date}, {computer.processor}, {computer.cores} cores, "
        f"{computer.memory} GiB, Linux {computer.kernel}, {kvm}; {versions}. "
        f"Load before: {computer.load}. "
        f"{_took(result)} "
        f"[All figures](performance/{benchmark.name}.csv)"
    )


def _took(result: Result) -> str:
    if result.runs == 1:
        return f"The whole run took {result.minutes:.1f} min."
    return f"{result.runs} runs, one after the other, took {result.minutes:.1f} min."


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *others = rows
    lines = [head, ["---"] * len(head), *others]
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)
