"""What becomes of a host, by what the record says of its machine; pure."""

from __future__ import annotations

from enoslib_nxc.model import Identity, Machine
from enoslib_nxc.preview.model import Then

NOT_UP = {
    "planned": "never started",
    "started": "started, and not seen up",
    "lost": "given up before",
}
"""State of a machine on record -> why it is booted."""


AS_IT_IS: tuple[Then, str] = ("keep", "own system, left as it is")
"""What becomes of a machine that keeps its own system."""


def fate(
    machine: Machine | None, expected: Identity | None, address: str, *, built: bool
) -> tuple[Then, str]:
    """Return what becomes of a host, and why.

    Args:
        machine: what is on record of it, None for a new host.
        expected: what it should run, None when its role was never built.
        address: that which it will have, "" when that is not known.
        built: whether `expected` is what the configuration gives now.
    """
    if machine is None:
        return "boot", "new"
    if reason := _outdated(machine, expected, address):
        return "boot", reason
    if not built:
        return "build decides", "kept unless the build gives its role another system"
    return "keep", "up by the record, and unchanged"


def _outdated(machine: Machine, expected: Identity | None, address: str) -> str:
    """Return why a machine must be booted, "" when it need not."""
    runs = machine.identity
    if machine.state != "up":
        return NOT_UP[machine.state]
    if address and address != machine.address:
        return f"its address was {machine.address}"
    if expected is None or runs is None:
        return "its role was not built before"
    if (expected.role, expected.digest) != (runs.role, runs.digest):
        return "its role, size or parameters changed"
    return "" if expected.toplevel == runs.toplevel else "its system changed"
