"""Exit statuses: the same for every command, and documented in docs/command-line.md."""

from __future__ import annotations

from typing import NoReturn

from click.exceptions import Exit

OK = 0
FAILED = 1
"""Something went wrong, and an error on standard error says what."""

USAGE = 2
"""Wrong words on the command line (click's own)."""

OTHERWISE = 3
"""The question was answered, and the answer is no: not as planned, not well, not 0."""

INTERRUPTED = 130
"""Ctrl-C: 128 and the number of SIGINT, as shells have it."""


def end(status: int) -> NoReturn:
    """End the command with an exit status."""
    raise Exit(status)
