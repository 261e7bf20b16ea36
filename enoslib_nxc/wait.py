"""Deadlines, and waiting for a machine to answer."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable

from enoslib_nxc import greeting
from enoslib_nxc.errors import BootError
from enoslib_nxc.ssh import Access

GREETING_SECONDS = 5.0
"""How long one connection waits for sshd's greeting. A new connection makes QEMU's user
network knock again at once, where an old one does so at growing intervals."""

PAUSE_SECONDS = 0.1
"""Between two refused connections, which cost the machine next to nothing."""

TROUBLE_SECONDS = 1.0
"""Between two looks at the console and the process table."""

FAR_SECONDS = 1.0
"""Between two connections to a machine behind an ssh server."""


class Deadline:
    """A moment after which nothing is waited for any more.

    Args:
        seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    def extend(self, seconds: float) -> None:
        """Put the moment off; not once it was canceled.

        Args:
            seconds: by which; what was done meanwhile does not count.
        """
        self._end += seconds

    def cancel(self) -> None:
        """Let the moment be now: whoever waits, in any thread, gives up."""
        self._end = -math.inf

    @property
    def passed(self) -> bool:
        """Whether the moment has come."""
        return self.remaining() <= 0


def until_greeting(
    access: Access, deadline: Deadline, trouble: Callable[[], str]
) -> socket.socket | None:
    """Wait until a machine's ssh server greets.

    Args:
        access: how the machine is reached.
        deadline: until when.
        trouble: says why the machine can no longer come up, "" while it can.

    Returns:
        The connection on which it did; None where it is behind another server.

    Raises:
        BootError: it cannot come up, or the time is over.
    """
    # each look at a machine behind an ssh server is a login there
    pause = FAR_SECONDS if access.gate else PAUSE_SECONDS
    between = 5 * FAR_SECONDS if access.gate else TROUBLE_SECONDS
    looked = 0.0
    while not deadline.passed:
        seconds = min(GREETING_SECONDS, max(0.1, deadline.remaining()))
        if access.gate:
            if greeting.greets(access, seconds):
                return None
        elif connection := greeting.greeted(access, seconds, given_up=lambda: deadline.passed):
            return connection
        if time.monotonic() - looked >= between:
            reason = trouble()
            if reason:
                raise BootError(f"{access.name} did not come up: {reason}")
            looked = time.monotonic()
        time.sleep(pause)
    raise BootError(f"{access.name} did not answer on ssh within {deadline.seconds:g} s")
