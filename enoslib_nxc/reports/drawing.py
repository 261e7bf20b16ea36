"""Runs as a drawing, by matplotlib where it is installed: an extra of this package."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from enoslib_nxc.errors import NxcError, ToolMissingError
from enoslib_nxc.reports import table, timeline
from enoslib_nxc.runs import Means, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
"""What can be drawn."""

INSTALL = "pip install 'enoslib-nxc[plot]'"
"""What gives matplotlib."""

WIDTH = 10.0
HIGHEST = 100.0
"""Inches, of the whole and of a timeline: what a thousand hosts get."""


def can_draw() -> bool:
    """Tell whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw(run: Run, means: Sequence[Means], kind: str) -> bytes:
    """Return the timeline of a run, and the means of runs where there are any.

    Args:
        run: whose timeline it is.
        means: of runs that can be compared, a panel each.
        kind: one of `FORMATS`.

    Raises:
        ToolMissingError: matplotlib is not installed.
        NxcError: it cannot be drawn so.
    """
    if kind not in FORMATS:
        raise NxcError(
            f"nothing is drawn as {kind or 'a file without suffix'}",
            resolution=f"name a file with one of the suffixes {', '.join(FORMATS)}",
        )
    if not can_draw():
        raise ToolMissingError(
            "matplotlib is not installed; it is needed to draw runs", resolution=INSTALL
        )
    # without pyplot: it would keep figures, and look for a display
    import matplotlib as mpl

    out = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "enoslib-nxc"}):
        metadata = {"Date": None} if kind == "svg" else None
        _figure(run, means).savefig(out, format=kind, metadata=metadata)
    return out.getvalue()


def _figure(run: Run, means: Sequence[Means]) -> Figure:
    from matplotlib.figure import Figure

    rows = max(1, len(timeline.rows(run)))
    heights = [*(3.0 for _ in means), min(1.2 + 0.3 * rows, HIGHEST)]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained", dpi=120)
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, each in zip(panels, means, strict=False):
        _draw_means(panel, each)
    _draw_timeline(panels[-1], run)
    return figure


def _draw_means(axes: Axes, means: Means) -> None:
    """Draw a bar for each column, with its confidence interval."""
    names = list(means.seconds)
    values = [means.seconds[name].mean for name in names]
    margins = [means.seconds[name].margin or 0.0 for name in names]
    low = [min(pair) for pair in zip(values, margins, strict=True)]  # no time is negative
    axes.bar(
        names, values, yerr=[low, margins], width=0.5, capsize=4, color="tab:blue", alpha=0.8
    )
    axes.set_ylabel("seconds")
    count = len(means.runs)
    told = f"runs {table.numbers(means.runs)}: means of {count}, 99 % confidence intervals"
    axes.set_title(told, loc="left", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_timeline(axes: Axes, run: Run) -> None:
    """Draw a row for each phase of the whole, and for each host."""
    rows = timeline.rows(run)
    names = list(timeline.letters(run))
    colours = {name: f"C{at % 10}" for at, name in enumerate(names)}
    start = min((step.start for row in rows for step in row.steps), default=run.start)
    for at, row in enumerate(rows):
        attempt = 1
        for step in row.steps:
            failed = step.outcome == "failed"
            axes.broken_barh(
                [(step.start - start, max(step.end - step.start, 0.001))],
                (at - 0.35, 0.7),
                facecolor=colours[step.phase],
                edgecolor="red" if failed else "white",
                hatch="xx" if failed else None,
                linewidth=1.5 if failed else 0.3,
            )
            if step.attempt > attempt:
                told = f"attempt {step.attempt}"
                axes.annotate(told, (step.start - start, at - 0.4), fontsize="x-small")
            attempt = step.attempt
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.8)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds")
    _legend(axes, colours)
    told = f"run {run.number}{f', failed: {run.failed}' if run.failed else ''}"
    axes.set_title(told.replace("$", r"\$")[:100], loc="left", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)


def _legend(axes: Axes, colours: dict[str, str]) -> None:
    from matplotlib.patches import Patch

    shown = [Patch(facecolor=colour, label=name) for name, colour in colours.items()]
    shown.append(Patch(facecolor="white", edgecolor="red", hatch="xx", label="failed"))
    axes.legend(handles=shown, loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
