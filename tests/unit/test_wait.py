"""Deadlines: by the clock, put off, and ended by Ctrl-C."""

from __future__ import annotations

from enoslib_nxc.wait import Deadline


def test_what_is_put_off_comes_later() -> None:
    deadline = Deadline(0)
    assert deadline.passed
    deadline.extend(60)
    assert 59 < deadline.remaining() <= 60


def test_what_was_canceled_is_not_put_off() -> None:
    """A thread that learns late of Ctrl-C puts off what it has done meanwhile."""
    deadline = Deadline(60)
    deadline.cancel()
    deadline.extend(60)
    assert deadline.passed
    assert deadline.remaining() == 0
