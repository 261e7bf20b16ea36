"""Progress bars: a row for each phase that runs.

The live display stops whenever no step is open, and leaves its last frame behind: between
steps, and back in the user's script, EnOSlib's own spinner has the terminal to itself.
"""

from __future__ import annotations

import time
from typing import TextIO

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from enoslib_nxc.display import Display, Tally, describe
from enoslib_nxc.events import Event, Phase, Status

_MARKS = {Status.DONE: ("ok", "green"), Status.NOOP: ("=", "cyan"), Status.FAILED: ("x", "red")}


def can_show(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal that can redraw lines."""
    console = _console(stream)
    return console.is_terminal and not console.is_dumb_terminal


def _console(stream: TextIO) -> Console:
    return Console(file=stream, force_jupyter=False)


class Bars(Display):
    """Progress bars on a terminal.

    Args:
        stream: the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._console = _console(stream)
        self._live: Progress | None = None
        self._rows: dict[Phase, tuple[TaskID, Tally]] = {}

    def close(self) -> None:
        """Stop the live display; its last frame stays."""
        live, self._live = self._live, None
        self._rows = {}
        if live:
            live.stop()

    def _take(self, event: Event) -> None:
        if self._live is None:
            if event.status is not Status.STARTED:
                return  # a straggler, after its phase was closed
            self._live = _progress(self._console)
            self._live.start()
        live = self._live
        if event.phase not in self._rows:
            row = live.add_task("", start=False, total=0, phase=event.phase.value)
            live.update(row, mark=None, began=time.monotonic(), ended=None)
            self._rows[event.phase] = row, Tally()
        row, tally = self._rows[event.phase]
        taken = tally.take(event)
        _show(live, row, taken)
        if event.subject and event.status is Status.FAILED:  # its row soon says other things
            text = Text(f"{event.phase.value:<9} {describe(event)}", style="red")
            live.console.print(text)
        if not tally.running:
            self._end_row(live, row, event)
        if not any(tally.running for _, tally in self._rows.values()):
            self.close()

    def _end_row(self, live: Progress, row: TaskID, event: Event) -> None:
        live.start_task(row)
        live.update(row, mark=event.status, ended=time.monotonic())
        if event.status is not Status.FAILED:
            live.update(row, total=1, completed=1)
        del self._rows[event.phase]


def _show(live: Progress, row: TaskID, event: Event) -> None:
    if event.total:
        live.start_task(row)
        live.update(row, total=event.total, completed=event.done)
    done = event.status is Status.DONE  # the row's own seconds say how long it took
    live.update(row, description=event.message if done else describe(event))


def _progress(console: Console) -> Progress:
    unicode = console.encoding.startswith("utf")
    return Progress(
        _Mark("dots" if unicode else "line"),
        TextColumn("{task.fields[phase]:<9}", style="bold", markup=False),
        BarColumn(bar_width=20),
        _Elapsed(),
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis"),
        ),
        console=console,
    )


class _Mark(SpinnerColumn):
    """A spinner, then how it ended."""

    def render(self, task: Task) -> RenderableType:
        status = task.fields.get("mark")
        return (
            Text(*_MARKS[status]) if status in _MARKS else self.spinner.render(task.get_time())
        )


class _Elapsed(ProgressColumn):
    """Seconds since the row appeared; rich's own column waits for a known total."""

    def render(self, task: Task) -> Text:
        now = time.monotonic()
        began = task.fields.get("began", now)
        end = task.fields.get("ended") or now
        return Text(f"{end - began:6.1f}s", style="progress.elapsed")
