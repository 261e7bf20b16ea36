"""Whether nodes are free at a date: EnOSlib's estimate, from the clusters' status."""

from __future__ import annotations

import time
from collections.abc import Mapping

from enoslib.infra.enos_g5k.configuration import Configuration
from enoslib.infra.enos_g5k.g5k_api_utils import _test_slot, get_clusters_status

from enoslib_nxc.booking import Booking
from enoslib_nxc.g5k import api
from enoslib_nxc.g5k.request import now

FRESH = 30.0
"""Seconds that a status is used for: `Providers` asks for many dates in a row."""

_seen: dict[tuple[str, tuple[str, ...]], tuple[float, Mapping[str, object]]] = {}


def free(conf: Configuration, booking: Booking) -> bool:
    """Tell whether what a configuration asks for seems to be free.

    Args:
        conf: EnOSlib's.
        booking: when; now where it says nothing.

    Raises:
        ApiError: the API cannot be asked.
    """
    clusters = tuple(sorted({machine.cluster for machine in conf.machines}))
    start = booking.start if booking.start is not None else int(now())
    answer = _test_slot(start, conf.walltime, conf.machines, _status(clusters))
    return bool(answer)


def _status(clusters: tuple[str, ...]) -> Mapping[str, object]:
    key = (api.address(), clusters)
    at, status = _seen.get(key, (0.0, {}))
    if time.monotonic() - at > FRESH or not status:
        status = api.call("look at the clusters", lambda: get_clusters_status(clusters))
        _seen[key] = (time.monotonic(), status)
    return status
