"""A plan for people, with rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from enoslib_nxc.outlook import Net, Reservation
from enoslib_nxc.preview.model import Preview

MARKS = {"all_of": "yes", "some_of": "some", "none_of": "no"}
"""How the table of who reaches whom is filled; a role of one host has no word for itself."""


def render(plan: Preview) -> RenderableType:
    """Return a plan as rich shows it.

    Args:
        plan: the plan.
    """
    parts: list[RenderableType] = [Text(f"deployment {plan.job_name}")]
    for group in plan.groups:
        parts.append(
            Text(
                f"  {group.flavour}: {group.description} "
                f"(platform {group.platform}, boot {group.boot})"
            )
        )
    for build in plan.builds:
        which = f" for {build.flavour}" if len(plan.builds) > 1 else ""
        parts.append(Text(f"  {build.composition}{which}: {build.state} ({build.reason})"))
    for reservation in plan.reservations:
        parts += [Text(f"  {line}") for line in _reservation(reservation)]
    parts += [_hosts(plan), _networks(plan.networks), _reach(plan)]
    parts += [Text(f"ends: {', '.join(plan.ends)}")] if plan.ends else []
    parts += [Text(f"note: {note}") for note in plan.notes]
    return Stack(*parts)


def _reservation(asked: Reservation) -> list[str]:
    """Return what is asked of OAR, a line each."""
    when = asked.start or "as soon as possible"
    lines = [
        f"job {asked.job_name}: {asked.walltime} from {when}, queue {asked.queue}, "
        f"types {', '.join(asked.types)}"
    ]
    if asked.jobs:
        lines.append(f"  nothing is reserved while these run: job {', '.join(asked.jobs)}")
    for wish in asked.wishes:
        of = wish.cluster or ", ".join(wish.servers)
        lines.append(
            f"  {wish.role}: {wish.nodes} of {of}" + (f" ({wish.site})" if wish.site else "")
        )
    return lines


def _hosts(plan: Preview) -> Table:
    rows = [
        (
            each.host,
            ", ".join([each.role, *each.tags]),
            each.address or "-",
            each.place or "-",
            each.size,
            f"{each.then}: {each.reason}",
        )
        for each in plan.hosts
    ]
    return _table(("host", "role, tags", "address", "where", "size", "what happens"), rows)


def _networks(networks: Sequence[Net]) -> Table:
    rows = [
        (each.id, each.kind, each.cidr or "-", ", ".join(each.keys), each.routed or "-")
        for each in networks
    ]
    return _table(("network", "kind", "addresses", "keys in Networks", "routed by"), rows)


def _reach(plan: Preview) -> Table:
    """Return the table of who reaches whom; a line for each role."""
    roles = [each.role for each in plan.reach]
    rows = []
    for each in plan.reach:
        words = {other: word for kind, word in MARKS.items() for other in getattr(each, kind)}
        rows.append((each.role, *(words.get(other, "-") for other in roles)))
    return _table(("reaches", *roles), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table; a column that says nothing is left out."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left")
    shown = [at for at, _ in enumerate(heads) if any(row[at] for row in rows)]
    for at in shown:
        table.add_column(heads[at], overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[at]) for at in shown))
    return table
