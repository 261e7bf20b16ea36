"""How commands show what they found: tables for people, one width where none is known."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDTH = 160
"""Columns where no terminal says how many it has."""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; columns that say nothing are left out.

    Args:
        heads: of the columns.
        rows: their cells.
    """
    from rich.table import Table
    from rich.text import Text

    shown = [at for at, _ in enumerate(heads) if any(row[at] for row in rows)]
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for at in shown:
        made.add_column(heads[at], overflow="fold")
    for row in rows:
        made.add_row(*(Text(row[at]) for at in shown))
    rendered(made)


def rendered(shown: RenderableType) -> None:
    """Print something of rich's.

    Args:
        shown: a table, a group of some.
    """
    console = _console()
    with console.capture() as text:
        console.print(shown)
    for line in text.get().splitlines():
        click.echo(line.rstrip())


def width() -> int:
    """Return how many columns there are to show something in."""
    return _console().width


def _console() -> Console:
    from rich.console import Console

    out = sys.stdout or io.StringIO()  # None where it was closed (>&-)
    return Console(file=out, width=None if out.isatty() else WIDTH, highlight=False)


def clock(at: float) -> str:
    """Return a moment for people, in local time.

    Args:
        at: seconds since the epoch.
    """
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def left(seconds: float) -> str:
    """Return a duration as H:MM:SS."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def note(text: str) -> None:
    """Say something beside the result: on standard error."""
    click.echo(text, err=True)
