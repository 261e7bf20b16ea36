"""Connections through a jump host: few at once, each waits for its turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from enoslib_nxc.errors import DeadlineError

JUMPED = 8
"""Connections through one jump host at once: sshd begins to refuse new ones at 10 that have
not logged in yet (MaxStartups in sshd_config(5))."""

_turns: dict[str, threading.BoundedSemaphore] = {}
"""Jump host -> the connections that it bears."""

_counting = threading.Lock()
"""Machines that share a jump host ask for it at once."""


@contextmanager
def turn(jump: str, name: str, timeout: float) -> Iterator[float]:
    """Wait until a connection may be opened.

    Args:
        jump: the jump host, as ssh's `-J` has it.
        name: machine behind it, for messages.
        timeout: seconds for the wait and for what follows.

    Yields:
        The seconds that are left for that.

    Raises:
        DeadlineError: the time was over before its turn came.
    """
    with _counting:
        turns = _turns.setdefault(jump, threading.BoundedSemaphore(JUMPED))
    started = time.monotonic()
    if not turns.acquire(timeout=min(max(0.0, timeout), threading.TIMEOUT_MAX)):
        raise DeadlineError(
            f"{name}: no turn on jump host {jump} within {timeout:g} s",
            details=f"it bears {JUMPED} connections at once",
        )
    try:
        yield max(0.1, round(timeout - (time.monotonic() - started), 1))
    finally:
        turns.release()
