"""Figures on disk: CSV for others, JSON for the page, a picture for people."""

from __future__ import annotations

import csv
import statistics
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.benchmark import Benchmark
from benchmarks.computer import Computer
from benchmarks.measure import Sample, Table
from enoslib_nxc.data import Data

PLACE = Path(__file__).parents[1] / "docs" / "performance"
"""Where the figures of the page are."""


class Result(Data):
    """What a benchmark gave.

    Args:
        name: of the benchmark.
        computer: that it ran on.
        minutes: how long it took, everything counted.
        samples: what was measured.
        runs: how many runs that was, one after the other.
    """

    name: str
    computer: Computer
    minutes: float
    samples: tuple[Sample, ...]
    runs: int = 1

    @property
    def rounds(self) -> int:
        """How many rounds it has."""
        return max((sample.repetition + 1 for sample in self.samples), default=0)

    def more(self, other: Result) -> Result:
        """Return this with the rounds of a later run, which are numbered on."""
        return self.model_copy(
            update={
                "minutes": self.minutes + other.minutes,
                "samples": (*self.samples, *other.samples),
                "runs": self.runs + other.runs,
            }
        )


def write(benchmark: Benchmark, result: Result, place: Path) -> None:
    """Write NAME.json, NAME.csv and NAME.png into a directory, which is made."""
    place.mkdir(parents=True, exist_ok=True)
    stem = place / benchmark.name
    stem.with_suffix(".json").write_text(result.model_dump_json(indent=1) + "\n")
    with stem.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, fieldnames=list(Sample.model_fields), lineterminator="\n")
        rows.writeheader()
        rows.writerows(sample.model_dump() for sample in result.samples)
    picture(benchmark, Table(result.samples)).savefig(stem.with_suffix(".png"), dpi=110)


def read(name: str, place: Path = PLACE) -> Result | None:
    """Return the figures of a benchmark, None where it has never been run."""
    file = place / f"{name}.json"
    return Result.model_validate_json(file.read_bytes()) if file.exists() else None


def picture(benchmark: Benchmark, table: Table) -> Figure:
    """Draw the medians of all contestants, and from the smallest to the largest value."""
    metrics = table.metrics
    figure = Figure(figsize=(4.6 * max(1, len(metrics)), 3.4), layout="constrained")
    for number, metric in enumerate(metrics, 1):
        axes = figure.add_subplot(1, len(metrics), number)
        _draw(axes, table, metric)
        axes.set_ylabel(metric)
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", alpha=0.3)
        if len(table.sizes) > 1:
            axes.set_xlabel(benchmark.varies)
    return figure


def _draw(axes: Axes, table: Table, metric: str) -> None:
    """Draw lines over the sizes; bars where there is one size only."""
    if len(table.sizes) == 1:
        size = table.sizes[0]
        shown = {c: list(table.values(c, size, metric).values()) for c in table.contestants}
        shown = {name: values for name, values in shown.items() if values}
        places = range(len(shown))
        middles = [statistics.median(values) for values in shown.values()]
        axes.bar(places, middles, yerr=_spread(list(shown.values())), capsize=4, width=0.6)
        axes.set_xticks(places, [name.replace(" ", "\n") for name in shown], fontsize=7)
        return
    for contestant in table.contestants:
        values = {s: list(table.values(contestant, s, metric).values()) for s in table.sizes}
        values = {size: found for size, found in values.items() if found}
        if not values:
            continue
        middles = [statistics.median(found) for found in values.values()]
        spread = _spread(list(values.values()))
        axes.errorbar(
            list(values), middles, yerr=spread, marker="o", capsize=3, label=contestant
        )
    axes.legend(fontsize=8)


def _spread(values: list[list[float]]) -> list[list[float]]:
    """Return how far the smallest and the largest values are from their median."""
    below = [statistics.median(found) - min(found) for found in values]
    above = [max(found) - statistics.median(found) for found in values]
    return [below, above]
