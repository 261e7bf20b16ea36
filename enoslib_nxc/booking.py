"""When machines are wanted, as EnOSlib's `Providers` may change it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Booking:
    """When machines are wanted, where there is a calendar.

    Args:
        start: seconds since the epoch; None for what the configuration says.
        offset: seconds to add to the walltime.
    """

    start: int | None = None
    offset: int = 0
