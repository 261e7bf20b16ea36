"""`python -m benchmarks NAME`: run a benchmark, keep its figures, write the page."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import click

from benchmarks import computer, judge, page, results
from benchmarks.benchmark import Benchmark
from benchmarks.measure import MeasureError, Sample, Table, Trial, rounds

NAMES = ("vm", "kexec", "cycle", "build", "scale", "fanout", "again", "afterwards", "imports")
"""The benchmarks, each a module with a `BENCHMARK`, in the order of the page."""


def known(name: str) -> Benchmark:
    """Return a benchmark by its name."""
    found = importlib.import_module(f"benchmarks.{name}").BENCHMARK
    if not isinstance(found, Benchmark):
        raise TypeError(name)
    return found


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", type=click.Choice([*NAMES, "page"]))
@click.option("--smoke", is_flag=True, help="As small as it can be; no figure is kept.")
@click.option(
    "--repetitions", type=click.IntRange(1), help="Rounds, as far as 15 minutes allow."
)
@click.option(
    "--more", is_flag=True, help="Add rounds to the figures that are there, of this computer."
)
@click.option(
    "--without", multiple=True, metavar="CONTESTANT", help="Who does not take part, by name."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Directory for the figures, instead of docs/performance and its page.",
)
def main(
    name: str,
    smoke: bool,
    repetitions: int | None,
    more: bool,
    without: tuple[str, ...],
    output: Path | None,
) -> None:
    """Run the benchmark NAME beside its peers, or write the page of all figures."""
    if name == "page":
        page.write([known(each) for each in NAMES])
        return
    if more and smoke:
        raise click.UsageError(
            "--more adds to figures, and --smoke makes none: give one of them"
        )
    benchmark = known(name)
    _require(benchmark)
    place = output or results.PLACE
    earlier = _earlier(name, place) if more else None
    count = 1 if smoke else repetitions or benchmark.repetitions
    try:
        result = _run(benchmark, count, earlier, smoke=smoke, without=frozenset(without))
    except MeasureError as error:
        raise click.ClickException(f"{name}: {error}") from error
    table = Table(result.samples)
    click.echo(page.figures(benchmark, table))
    for goal in () if smoke else benchmark.goals:
        verdict = judge.judge(goal, table)
        told = {True: "met", False: "missed", None: "not measured"}[verdict.met]
        figures = ", ".join(f"{value:.3f}" for value in verdict.figures)
        click.echo(f"{told}: {goal.text}: {figures}")
    if output or not smoke:
        results.write(benchmark, result, place)
    if not (output or smoke):
        page.write([known(each) for each in NAMES])


def _require(benchmark: Benchmark) -> None:
    sbin = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [
        package for program, package in benchmark.needs if not shutil.which(program, path=sbin)
    ]
    if missing:
        raise click.ClickException(
            f"benchmark {benchmark.name} needs Debian packages: {' '.join(missing)} "
            f"(scripts/benchmark {benchmark.name} installs them)"
        )


def _earlier(name: str, place: Path) -> results.Result | None:
    """Return the figures to which more are added, None where there are none yet."""
    found = results.read(name, place)
    if found and not found.computer.same(computer.here()):
        raise click.ClickException(
            f"the figures in {place} are of another computer, or of other versions: "
            "without --more they are replaced"
        )
    return found


def _run(
    benchmark: Benchmark,
    repetitions: int,
    earlier: results.Result | None,
    *,
    smoke: bool,
    without: frozenset[str],
) -> results.Result:
    """Run it, with deployments of its own, of which nothing is left."""
    described, began = computer.here(), time.monotonic()
    samples = []
    with tempfile.TemporaryDirectory(prefix="nxc-benchmark-") as directory:
        os.environ["XDG_STATE_HOME"] = f"{directory}/state"
        trial = Trial(
            sizes=benchmark.smoke if smoke else benchmark.sizes,
            repetitions=repetitions,
            directory=Path(directory),
            smoke=smoke,
            without=without,
            began=began,
            earlier=earlier.rounds if earlier else 0,
        )
        with benchmark.open(trial) as contestants:
            samples = list(rounds(contestants, trial, _tell))
    described = described.model_copy(update={"kvm": computer.kvm()})
    minutes = round((time.monotonic() - began) / 60, 2)
    found = results.Result(
        name=benchmark.name, computer=described, minutes=minutes, samples=tuple(samples)
    )
    return earlier.more(found) if earlier else found


def _tell(sample: Sample) -> None:
    figure = f"failed: {sample.failed}" if sample.failed else f"{sample.value:.3f}"
    told = f"{sample.contestant}: {sample.metric} {figure}"
    click.echo(f"round {sample.repetition + 1}, size {sample.size}, {told}", err=True)


if __name__ == "__main__":
    # as Ctrl-C: what was made is ended
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main(prog_name="python -m benchmarks")
