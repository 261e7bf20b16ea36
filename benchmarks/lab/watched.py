"""Running a program that is measured: its deadline, and the memory of what it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import MeasureError

SAMPLE_SECONDS = 0.5
"""Between two looks at the memory of a program's own processes."""

LEASH = ("setpriv", "--pdeathsig", "KILL", "--")
"""A program ends with whoever started it, even if that is killed."""

SHOWN = 500
"""Characters of output that an error shows."""


@dataclass(frozen=True)
class Ran:
    """What a program left.

    Args:
        stdout: its output, and what it said on standard error.
        others_mib: the most memory that the processes which are its own, but for itself,
            had at once, as samples saw it: of pages that several have, each has its share
            (PSS of proc(5)).
    """

    stdout: str
    others_mib: float = 0.0


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    others: Callable[[], Iterable[int]] | None = None,
) -> Ran:
    """Run a program to its end; its whole session ends with this call.

    Args:
        argv: the program and its arguments.
        timeout: seconds until it is ended.
        env: variables set on top of ours.
        cwd: directory to run it in.
        others: returns the processes that are its own, as far as memory is concerned.

    Raises:
        MeasureError: it failed, or did not end in time.
    """
    child = subprocess.Popen(
        [*LEASH, *(str(word) for word in argv)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **(env or {})},
        cwd=cwd,
        start_new_session=True,
    )
    end, peak = time.monotonic() + timeout, 0.0
    try:
        while True:
            left = max(0.0, end - time.monotonic())
            try:
                out, _ = child.communicate(timeout=min(SAMPLE_SECONDS, left))
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() >= end:
                    raise MeasureError(f"it did not end within {timeout:g} s") from None
                if others:
                    peak = max(peak, sum(_kib(pid) for pid in others() if pid != child.pid))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if child.returncode:
        raise MeasureError(f"it ended with status {child.returncode}: {out[-SHOWN:]}")
    return Ran(out, peak / 1024)


def _kib(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
