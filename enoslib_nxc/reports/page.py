"""The report as one page of HTML, which needs no other file and no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from enoslib_nxc.account import Account
from enoslib_nxc.reports import drawing, table, timeline
from enoslib_nxc.runs import Run

TEXT_WIDTH = 120
"""Characters of the timeline where nothing can be drawn."""

STYLE = """
body {font-family: sans-serif; margin: 2em; color: #222; background: #fff}
table {border-collapse: collapse; margin-bottom: 1.5em}
th, td {border: 1px solid #ccc; padding: .25em .6em; text-align: left}
td {overflow-wrap: anywhere}
svg {max-width: 100%; height: auto}
"""


def page(account: Account, run: Run | None) -> str:
    """Return the page.

    Args:
        account: of the deployment.
        run: whose timeline is shown, None where there is none.
    """
    title = f"Report of {account.job_name}"
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *_built(account),
        *_hosts(account),
        *_runs(account, run),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _built(account: Account) -> list[str]:
    rows = [
        (built.flavour, built.composition, role, path, built.nar_hashes.get(path, ""))
        for built in account.built
        for role, path in built.toplevels.items()
    ]
    heads = ("flavour", "composition", "role", "system", "NAR hash")
    return ["<h2>Built</h2>", _table(heads, rows)] if rows else []


def _hosts(account: Account) -> list[str]:
    rows = [(h.host, h.role, h.flavour, h.place, h.address, h.state) for h in account.hosts]
    heads = ("host", "role", "flavour", "where", "address", "state")
    return ["<h2>Hosts</h2>", _table(heads, rows)] if rows else []


def _runs(account: Account, run: Run | None) -> list[str]:
    if run is None:
        return ["<p>There are no runs.</p>"]
    made = table.of(account.runs, account.means)
    margins = "<p>Means with 99 % confidence intervals; runs that failed are not in them.</p>"
    return [
        "<h2>Runs</h2>",
        _table(made.heads, made.rows),
        *([margins] if account.means else []),
        f"<h2>Run {run.number}</h2>",
        *_drawn(account, run),
    ]


def _drawn(account: Account, run: Run) -> list[str]:
    """Return the drawing, or the timeline as text where nothing can be drawn."""
    if not drawing.can_draw():
        lines = "\n".join(timeline.text(run, TEXT_WIDTH))
        told = f"Nothing is drawn, as matplotlib is not installed: {drawing.INSTALL}"
        return [f"<pre>{escape(lines)}</pre>", f"<p>{escape(told)}</p>"]
    svg = drawing.draw(run, account.means, "svg").decode()
    return [svg[svg.index("<svg") :]]  # without the head of a file of its own


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    lines = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table>"
