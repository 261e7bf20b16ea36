"""Finds the first hole in a calendar of resources; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from enoslib_nxc.rehearsal.resources import Choice


@dataclass(frozen=True)
class Slot:
    """Resources taken from one moment to another.

    Args:
        start: seconds since the epoch.
        end: seconds since the epoch, not included.
        resources: resource ids.
    """

    start: float
    end: float
    resources: frozenset[int]


@dataclass(frozen=True)
class Hole:
    """Where a request fits.

    Args:
        start: seconds since the epoch.
        resources: what it takes there.
    """

    start: float
    resources: frozenset[int]


def first_hole(
    slots: Sequence[Slot],
    usable: frozenset[int],
    choose: Choice,
    earliest: float,
    duration: float,
) -> Hole | None:
    """Return the first moment at which a request fits.

    Args:
        slots: what is taken.
        usable: all resources that may be used at any time.
        choose: picks the request's resources among free ones.
        earliest: seconds since the epoch.
        duration: seconds.

    Returns:
        The hole; None when the request never fits.
    """
    ends = sorted({slot.end for slot in slots if slot.end > earliest})
    for start in (earliest, *ends):
        taken = (
            slot.resources
            for slot in slots
            if slot.start < start + duration and start < slot.end
        )
        chosen = choose(usable.difference(*taken))
        if chosen is not None:
            return Hole(start, chosen)
    return None


def free_until(slots: Sequence[Slot], resources: frozenset[int], after: float) -> float:
    """Return when the first of some resources is taken again, infinity for never.

    Args:
        slots: what is taken by others.
        resources: the resources in question.
        after: seconds since the epoch.
    """
    starts = [slot.start for slot in slots if slot.end > after and slot.resources & resources]
    return min(starts, default=float("inf"))
