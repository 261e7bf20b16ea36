"""What ssh says of a machine that it did not reach by way of a jump host."""

from __future__ import annotations

CLOSED = "UNKNOWN port"
"""What ssh ends with when the ssh in its ProxyJump has failed: it says nothing of why."""


def failed(told: str) -> bool:
    """Tell whether it was the way to a machine that failed, not the machine.

    Args:
        told: what ssh wrote on standard error.
    """
    return CLOSED in told


def refused(told: str) -> bool:
    """Tell whether a machine does not know us; a jump host that does not is another matter.

    Args:
        told: what ssh wrote on standard error.
    """
    return "Permission denied" in told and not failed(told)


def reason(told: str) -> str:
    """Return the last line that says why, "" where none does.

    Args:
        told: what ssh wrote on standard error, after the command line ("$ ...") or without.
    """
    lines = [line for line in told.splitlines() if line.strip()]
    telling = [line for line in lines if CLOSED not in line and not line.startswith("$ ")]
    return (telling or lines or [""])[-1]
