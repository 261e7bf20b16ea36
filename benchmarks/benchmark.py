"""What a benchmark is: a subject, contestants, goals."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.judge import Goal
from benchmarks.measure import Opener


@dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    Args:
        name: of its command, and of the files with its figures.
        title: its heading.
        text: what is measured, how, and who takes part: Markdown.
        varies: what its sizes are: "machines".
        sizes: that are measured.
        smoke: the sizes of the smallest run.
        open: prepares what all contestants need, and gives them; what it made ends with it.
        goals: to be reached.
        repetitions: rounds, as far as time allows.
        needs: programs beyond those that the package needs: program -> Debian package.
    """

    name: str
    title: str
    text: str
    varies: str
    sizes: tuple[int, ...]
    smoke: tuple[int, ...]
    open: Opener
    goals: tuple[Goal, ...]
    repetitions: int = 5
    needs: tuple[tuple[str, str], ...] = ()
