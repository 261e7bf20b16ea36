"""Runs of an experiment, from the record of its calls and phases. No effects here.

A run begins with the `init()` that boots machines. Later calls that boot none belong to it,
and phases of the user's own, until the next such `init()` or `destroy()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from enoslib_nxc import means
from enoslib_nxc.data import Data
from enoslib_nxc.means import Mean
from enoslib_nxc.steps import OWN, START, Call, Step, Tried, covered, failures, tried

COLUMNS = {
    "Build": ("fetch", "build"),
    "Reserve": ("acquire",),
    "Push": ("push",),
    "Boot": ("boot",),
    "Provision": ("provision",),
    "Run": ("run",),
}
"""Column of the report -> phases of `events.Phase`."""


class Run(Data):
    """One run of an experiment.

    Args:
        number: 1 for the first that is kept.
        start: when it began, seconds since the epoch.
        end: when its last step ended, likewise.
        machines: how many it started.
        seconds: column of `COLUMNS`, or phase of the user's own -> seconds in which
            something of it was under way.
        failed: why it failed, "" when it did not: the last `init()`, or the last of the
            user's phases of some name.
        failures: how many steps failed, those left out that only failed with one of them.
        retries: how many second and further attempts there were.
        configuration: what it was called with, as `from_dictionary` takes it.
        versions: program or package -> version that took part.
        steps: all its steps, in the order of their beginnings.
    """

    number: int
    start: float
    end: float
    machines: int
    seconds: dict[str, float]
    failed: str = ""
    failures: int = 0
    retries: int = 0
    configuration: dict[str, JsonValue] = {}
    versions: dict[str, str] = {}
    steps: tuple[Tried, ...] = ()


class Means(Data):
    """The means of runs that can be compared.

    Args:
        runs: their numbers.
        seconds: column -> mean of those of the runs that have it.
    """

    runs: tuple[int, ...]
    seconds: dict[str, Mean]


def of(calls: Iterable[Call]) -> tuple[Run, ...]:
    """Return the runs that some calls make.

    An `init()` that failed before any machine was started is a run too, unless one is under
    way: then it is one of its failures.

    Args:
        calls: of one deployment's name, in their order.
    """
    groups = grouped(calls)
    return tuple(_run(number, group) for number, group in enumerate(groups, start=1))


def grouped(calls: Iterable[Call]) -> list[list[Call]]:
    """Return the calls of each run; those that are of no run are left out.

    Args:
        calls: of one deployment's name, in their order.
    """
    groups: list[list[Call]] = []
    under_way = False
    for call in calls:
        under_way = under_way and not call.fresh
        if call.boots or (call.failed and not under_way):
            groups.append([])
            under_way = True
        if under_way:
            groups[-1].append(call)
        under_way = under_way and not call.destroyed
    return groups


def comparable(runs: Iterable[Run]) -> tuple[Means, ...]:
    """Return the means of runs with the same configuration that started as many machines.

    Where a build is kept (`build.store`) is not compared. Runs that failed are left out, and
    those that have no second one to be compared with.

    Args:
        runs: of one deployment's name.
    """
    groups: list[list[Run]] = []
    for run in runs:
        if run.failed:
            continue
        for group in groups:
            if _kind(group[0]) == _kind(run):
                group.append(run)
                break
        else:
            groups.append([run])
    return tuple(_means(group) for group in groups if len(group) > 1)


def columns(runs: Iterable[Run]) -> tuple[str, ...]:
    """Return what takes time in some runs: columns of `COLUMNS`, then the user's phases."""
    found = dict.fromkeys(name for run in runs for name in run.seconds)
    own = [name for name in COLUMNS if name in found]
    return (*own, *(name for name in found if name not in COLUMNS))


def _kind(run: Run) -> tuple[dict[str, JsonValue], int]:
    """Return what runs have in common that can be compared."""
    compared = dict(run.configuration)
    build = compared.get("build")
    if isinstance(build, dict):
        compared["build"] = {key: value for key, value in build.items() if key != "store"}
    return compared, run.machines


def _means(group: Sequence[Run]) -> Means:
    values = {
        name: [run.seconds[name] for run in group if name in run.seconds]
        for name in columns(group)
    }
    return Means(
        runs=tuple(run.number for run in group),
        seconds={name: means.of(each) for name, each in values.items()},
    )


def _run(number: int, calls: Sequence[Call]) -> Run:
    steps = tried(step for call in calls for step in call.steps)
    return Run(
        number=number,
        start=min([calls[0].at, *(step.start for step in steps)]),
        end=max([calls[-1].at, *(step.end for step in steps)]),
        machines=len({s.node for s in steps if s.phase == "boot" and s.does == START}),
        seconds=_seconds(steps),
        failed=_failed(calls),
        failures=len(failures(steps)),
        retries=len({(s.phase, s.node, s.attempt) for s in steps if s.attempt > 1}),
        configuration=calls[0].configuration,
        versions=calls[0].versions,
        steps=steps,
    )


def _failed(calls: Sequence[Call]) -> str:
    """Return why a run failed: the last of each thing that a user's program did counts."""
    last = {"": calls[-1].failed}
    for step in (step for call in calls for step in call.steps if step.user):
        last[step.phase] = step.told if step.outcome == "failed" else ""
    return next((told for told in last.values() if told), "")


def _seconds(steps: Sequence[Step]) -> dict[str, float]:
    """Return the seconds of each column that there is something of."""
    known = {step.phase for step in steps}
    own = {name: phases for name, phases in COLUMNS.items() if known & {*phases}}
    users = dict.fromkeys(step.phase for step in steps if step.phase not in OWN)
    names = {**own, **{name: (name,) for name in users}}
    return {
        name: covered(step for step in steps if step.phase in phases)
        for name, phases in names.items()
    }
