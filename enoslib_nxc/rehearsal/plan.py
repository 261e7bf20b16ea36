"""Places jobs in the calendar: reservations, waiting jobs, longer walltimes; pure.

Conservative backfilling: each waiting job has the first place in the calendar that delays
no job before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from enoslib_nxc.rehearsal import walltime
from enoslib_nxc.rehearsal.admission import PRIORITIES, date
from enoslib_nxc.rehearsal.gantt import Hole, Slot, first_hole, free_until
from enoslib_nxc.rehearsal.jobs import SECURITY, Job, Pace, State


def plan(
    jobs: Mapping[int, Job], usable: frozenset[int], now: float, pace: Pace
) -> Mapping[int, Job]:
    """Place all waiting jobs anew.

    Args:
        jobs: all jobs, by number.
        usable: resources of nodes that are alive, and those of no node.
        now: seconds since the epoch.
        pace: how long OAR takes for each step.

    Returns:
        All jobs.
    """
    placed = dict(jobs)
    taken = firm(jobs.values())
    for job in sorted(_queue(jobs.values()), key=_rank):
        hole = first_hole(
            _slots(taken, pace, besteffort=job.order.besteffort),
            usable,
            job.choose,
            max(now, job.submitted_at + pace.schedule),
            job.walltime + SECURITY,
        )
        placed[job.uid] = replace(job, planned=hole)
        taken.append(placed[job.uid])
    return placed


def firm(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs whose place is fixed: active ones and advance reservations."""
    return [job for job in jobs if job.active or (not job.ended and job.reserved)]


def _queue(jobs: Iterable[Job]) -> list[Job]:
    return [job for job in jobs if job.state is State.WAITING and not job.reserved]


def _rank(job: Job) -> tuple[int, int]:
    return -PRIORITIES[job.order.queue], job.uid


def _slots(jobs: Iterable[Job], pace: Pace, *, besteffort: bool) -> list[Slot]:
    """Return what jobs take; besteffort jobs are in the way of their own kind only."""
    counted = [job for job in jobs if besteffort or not job.order.besteffort]
    return [slot for job in counted if (slot := job.slot(pace))]


def reserve(
    job: Job, jobs: Iterable[Job], usable: frozenset[int], now: float, pace: Pace
) -> tuple[Hole | None, str]:
    """Place an advance reservation; waiting jobs make room for it.

    Args:
        job: the reservation.
        jobs: all other jobs.
        usable: resources that may be back by then.
        now: seconds since the epoch.
        pace: how long OAR takes for each step.

    Returns:
        Its place; or None, and OAR's answer (oar_meta_sched).
    """
    asked = job.order.reservation or now
    duration = job.order.request.walltime
    if now >= asked + duration:
        return None, "Reservation too old"
    start = max(asked, now)
    slots = _slots(firm(jobs), pace, besteffort=False)
    hole = first_hole(slots, usable, job.choose, start, duration + SECURITY)
    if hole is None:
        return None, "This reservation cannot run"
    if hole.start > start:
        return None, f"This reservation could run at {date(math.ceil(hole.start))}"
    return hole, ""


def grant(job: Job, jobs: Iterable[Job], now: float, pace: Pace) -> Job:
    """Grant what can be of a request for another walltime.

    Args:
        job: a job that runs.
        jobs: all jobs.
        now: seconds since the epoch.
        pace: how long OAR takes for each step.
    """
    change = job.change
    if change is None or not change.pending or now < change.asked_at + pace.schedule:
        return job
    others: Sequence[Job] = [other for other in jobs if other.uid != job.uid]
    if change.delay:
        others = firm(others)
    slots = _slots(others, pace, besteffort=False)
    room = free_until(slots, job.resources, job.ends_at) - SECURITY - job.ends_at
    after = walltime.granted(change, room, now)
    changed = replace(job, change=after)
    return changed if after.granted == change.granted else changed.told("WALLTIME")
