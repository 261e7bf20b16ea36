"""Waiting for jobs to run, with an eye on what OAR says of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from grid5000.objects import Job as ApiJob

from enoslib_nxc.errors import PlatformError
from enoslib_nxc.g5k import api
from enoslib_nxc.g5k.jobs import PENDING, Booked
from enoslib_nxc.g5k.request import TIMEZONE
from enoslib_nxc.wait import Deadline

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
"""Seconds between two looks: the first, and the longest."""


def wait(booked: Booked, deadline: Deadline, say: Callable[[str], None]) -> None:
    """Wait until all jobs run.

    Args:
        booked: what is reserved.
        deadline: until when.
        say: told when it changes what is expected.

    Raises:
        PlatformError: a job ended before it ran, or the time is over.
        ApiError: the API cannot be asked.
    """
    pause, said = FIRST_PAUSE, ""
    while True:
        told = "; ".join(filter(None, map(_refreshed, booked.jobs)))
        waiting = [job for job in booked.jobs if job.state != "running"]
        for job in waiting:
            _require_pending(job)
        if not (waiting or told):
            return
        told = told or "; ".join(map(_expectation, waiting))
        if told != said:
            say(told)
            said = told
        if deadline.passed:
            raise PlatformError(
                f"{told}: not running within {deadline.seconds:g} s",
                resolution="init() goes on waiting; destroy() deletes the job; "
                "deadlines.acquire sets the time",
            )
        time.sleep(min(pause, deadline.remaining() or FIRST_PAUSE))
        pause = min(LONGEST_PAUSE, pause * 1.3)


def _refreshed(job: ApiJob) -> str:
    """Look at a job anew; return why that failed, where it may work in a while."""
    try:
        api.call(f"look at job {job.uid} of {job.site}", job.refresh)
    except api.ApiError as error:
        if not error.passing:
            raise
        return f"{error.brief}; asking again"
    return ""


def _require_pending(job: ApiJob) -> None:
    if job.state in PENDING:
        return
    events = [str(event.get("type", "")) for event in getattr(job, "events", None) or []]
    raise PlatformError(
        f"job {job.uid} of {job.site} ended before it ran: {job.state}",
        details="\n".join(filter(None, [getattr(job, "message", ""), ", ".join(events)])),
        resolution="init() reserves anew",
    )


def _expectation(job: ApiJob) -> str:
    at = getattr(job, "scheduled_at", None)
    when = f"expected at {clock(at)}" if at else "no date yet"
    return f"job {job.uid} of {job.site} is {job.state}, {when}"


def clock(seconds: float) -> str:
    """Return a date as the sites write it, for people.

    Args:
        seconds: since the epoch.
    """
    return datetime.fromtimestamp(seconds, TIMEZONE).strftime("%Y-%m-%d %H:%M:%S")
