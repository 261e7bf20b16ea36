"""How long jobs still run, and longer: OAR's walltime changes through the API."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from grid5000.exceptions import Grid5000ParsingError

from enoslib_nxc.errors import ConfigError
from enoslib_nxc.g5k import api, jobs
from enoslib_nxc.model import Job


@dataclass(frozen=True)
class Remaining:
    """What is left of a job.

    Args:
        job: which.
        seconds: until it ends; 0 when it is over.
        ends_at: seconds since the epoch.
        runs: whether it runs now.
    """

    job: Job
    seconds: float
    ends_at: float
    runs: bool = True


@dataclass(frozen=True)
class Change:
    """What became of a wish for another walltime, in OAR's words.

    Args:
        job: which.
        walltime: as it is now, H:M:S.
        granted: seconds granted so far, as +H:M:S.
        pending: those not granted yet, likewise.
    """

    job: Job
    walltime: str
    granted: str
    pending: str


def remaining(recorded: Iterable[Job]) -> tuple[Remaining, ...]:
    """Return how long jobs still run.

    Args:
        recorded: jobs; what does not run has no time left.

    Raises:
        ApiError: the API cannot be asked.
    """
    found = []
    for job, told in jobs.looks(recorded).items():
        runs = told is not None and told.state == "running"
        ends = told.started_at + told.walltime if told and runs else time.time()
        found.append(Remaining(job, max(0.0, ends - time.time()), ends, runs))
    return tuple(found)


def extend(job: Job, seconds: int) -> Change:
    """Ask for another walltime, and return what became of it so far.

    OAR grants what fits before the next job, at its next scheduling (oarwalltime(1)).

    Args:
        job: which; it must run.
        seconds: to add; negative to end earlier.

    Raises:
        ApiError: it was refused; the details have OAR's words.
    """
    asked = api.client().sites[job.site].jobs[job.uid].walltime_change
    wish = {"walltime": f"{'-' if seconds < 0 else '+'}{_clock(abs(seconds))}"}

    def ask() -> None:
        # the API answers with a sentence, said to be JSON, when it has taken the request
        with suppress(Grid5000ParsingError):
            asked.create(wish)

    api.call(f"change the walltime of job {job.uid}", ask)
    told = api.call(f"look at the walltime of job {job.uid}", asked.get)
    return Change(job, str(told.walltime), str(told.granted), str(told.pending))


def _clock(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def read(text: str) -> int:
    """Return the seconds of a change of walltime.

    Args:
        text: [+-]HH:MM:SS.

    Raises:
        ConfigError: it is something else.
    """
    found = re.fullmatch(r"([+-]?)(\d{1,4}):([0-5]\d):([0-5]\d)", text)
    if found is None:
        raise ConfigError(f"{text} is no change of walltime", resolution="write [-]HH:MM:SS")
    hours, minutes, seconds = map(int, found.groups()[1:])
    return (hours * 3600 + minutes * 60 + seconds) * (-1 if found[1] == "-" else 1)
