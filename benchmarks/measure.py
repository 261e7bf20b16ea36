"""Contestants measured side by side: each round has all of them, in another order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc.data import Data

OURS = "enoslib-nxc"
"""Name of the contestant that is this package."""

FLOOR = "floor"
"""Name of the contestant below which nobody can be: the work itself, and nothing else."""

BUDGET = 14 * 60.0
"""Seconds that a benchmark may take; no round begins that would not end within them."""


class MeasureError(Exception):
    """A contestant did not do what it was asked to; the text says what happened."""


class Sample(Data):
    """One thing measured once.

    Args:
        contestant: of whom.
        size: for how many machines, hosts, roles: what the benchmark varies.
        repetition: number of the round, from 0.
        metric: what was measured, with its unit in its name: "seconds", "MiB".
        value: the figure; 0 where it failed.
        failed: why there is none, one line.
    """

    contestant: str
    size: int
    repetition: int
    metric: str
    value: float = 0.0
    failed: str = ""


@dataclass(frozen=True)
class Contestant:
    """Somebody who does the work that is measured.

    Args:
        name: `OURS`, `FLOOR`, or that of a peer.
        run: does it for a size and returns metric -> value; raises `MeasureError` where it
            does not come to its end.
        sizes: it is asked for these alone; for all when there are none.
    """

    name: str
    run: Callable[[int], Mapping[str, float]]
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Trial:
    """How a benchmark is run.

    Args:
        sizes: that are measured.
        repetitions: rounds, at most.
        directory: of its own, removed afterwards.
        smoke: whether it is run for its own sake, as small as it can be, and no figure
            is kept.
        without: contestants that do not take part.
        began: when the run did, on the clock of `rounds`; None for its first round.
        earlier: rounds of earlier runs, to which these are added.
    """

    sizes: tuple[int, ...]
    repetitions: int
    directory: Path
    smoke: bool = False
    without: frozenset[str] = frozenset()
    began: float | None = None
    earlier: int = 0


Opener = Callable[[Trial], AbstractContextManager[Sequence[Contestant]]]


def rounds(
    contestants: Sequence[Contestant],
    trial: Trial,
    told: Callable[[Sample], None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Sample]:
    """Have all contestants do the work for all sizes, as many times as time allows.

    Nobody has the cold caches always, nor the same predecessor, which may leave the computer
    with something to do.

    Args:
        contestants: who takes part.
        trial: how much is measured.
        told: called with each sample, as it is made.
        clock: seconds.

    Yields:
        What was measured.

    Raises:
        MeasureError: somebody is to be left out who is not there.
    """
    first = clock()
    began = first if trial.began is None else trial.began
    contestants = _taking_part(contestants, trial.without)
    for done in range(trial.repetitions):
        now = clock()
        if done and now - began + (now - first) / done > BUDGET:
            return
        repetition = trial.earlier + done
        for size in trial.sizes:
            for contestant in _in_turn(contestants, repetition):
                if contestant.sizes and size not in contestant.sizes:
                    continue
                for sample in _samples(contestant, size, repetition):
                    told(sample)
                    yield sample


def _taking_part(
    contestants: Sequence[Contestant], without: frozenset[str]
) -> Sequence[Contestant]:
    names = [each.name for each in contestants]
    if unknown := without.difference(names):
        there = ", ".join(repr(name) for name in names)
        raise MeasureError(f"no contestant {' nor '.join(sorted(unknown))}; there are {there}")
    return [each for each in contestants if each.name not in without]


def _in_turn(contestants: Sequence[Contestant], repetition: int) -> Sequence[Contestant]:
    """Return the order of a round: a row of a balanced Latin square (Williams, 1949).

    Over as many rounds as there are contestants, or twice as many where their number is odd,
    each comes after each other one equally often.
    """
    count = len(contestants)
    # 0, 1, -1, 2, -2: the steps between neighbours are all different
    zigzag = [(place + 1) // 2 if place % 2 else -place // 2 for place in range(count)]
    row = [contestants[(step + repetition) % count] for step in zigzag]
    return row[::-1] if repetition // count % 2 else row


def _samples(contestant: Contestant, size: int, repetition: int) -> list[Sample]:
    name = contestant.name
    try:
        found = contestant.run(size)
    except MeasureError as error:
        told = " ".join(str(error).split())
        return [
            Sample(
                contestant=name, size=size, repetition=repetition, metric="seconds", failed=told
            )
        ]
    return [
        Sample(contestant=name, size=size, repetition=repetition, metric=metric, value=value)
        for metric, value in found.items()
    ]


@dataclass(frozen=True)
class Table:
    """What was measured, by who and how much.

    Args:
        samples: in their order.
    """

    samples: tuple[Sample, ...]

    def values(self, contestant: str, size: int, metric: str = "seconds") -> dict[int, float]:
        """Return repetition -> value, of those that did not fail."""
        return {
            s.repetition: s.value
            for s in self.samples
            if (s.contestant, s.size, s.metric) == (contestant, size, metric) and not s.failed
        }

    def failures(self, contestant: str, size: int) -> list[str]:
        """Return why it failed, each time that it did."""
        return [
            s.failed
            for s in self.samples
            if (s.contestant, s.size) == (contestant, size) and s.failed
        ]

    @property
    def contestants(self) -> list[str]:
        """Who took part, in their order."""
        return list(dict.fromkeys(s.contestant for s in self.samples))

    @property
    def sizes(self) -> list[int]:
        """What was measured, from small to large."""
        return sorted({s.size for s in self.samples})

    @property
    def metrics(self) -> list[str]:
        """What was measured, in the order of its first sample; nothing of those that failed."""
        return list(dict.fromkeys(s.metric for s in self.samples if not s.failed))
