"""Import time of the package above EnOSlib's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from benchmarks.benchmark import Benchmark
from benchmarks.judge import Goal
from benchmarks.measure import OURS, Contestant, Table, Trial

PEER = "enoslib"
TIMEOUT = 120.0
"""Seconds for one import."""

# the clock is read in the process itself: starting Python is nobody's import
TEXT = "import time; t = time.perf_counter(); {}; print((time.perf_counter() - t) * 1000)"


@contextmanager
def contestants(trial: Trial) -> Iterator[Sequence[Contestant]]:
    """Give EnOSlib alone, and with this package; each once beforehand, for its bytecode."""
    both = [
        Contestant(PEER, lambda _: _import("import enoslib")),
        Contestant(OURS, lambda _: _import("import enoslib, enoslib_nxc")),
    ]
    for one in both:
        one.run(1)
    yield both


def _import(words: str) -> Mapping[str, float]:
    argv = [sys.executable, "-c", TEXT.format(words)]
    done = subprocess.run(argv, check=True, timeout=TIMEOUT, capture_output=True, text=True)
    return {"milliseconds": float(done.stdout)}


def _above(table: Table) -> list[float]:
    alone, ours = (table.values(who, 1, "milliseconds") for who in (PEER, OURS))
    return [ours[each] - alone[each] for each in sorted(ours.keys() & alone.keys())]


BENCHMARK = Benchmark(
    name="imports",
    title="Import time",
    text="`import enoslib`, and the same with `enoslib_nxc`, in a new process of Python each "
    "time, with bytecode there.",
    varies="processes",
    sizes=(1,),
    smoke=(1,),
    open=contestants,
    goals=(Goal("import above EnOSlib's own", _above, at_most=150, unit="ms"),),
    repetitions=20,
)
