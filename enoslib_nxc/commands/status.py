"""`enoslib-nxc status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from enoslib_nxc.commands import exits, show
from enoslib_nxc.commands.given import Seconds, deployment_of, deployment_options, json_option
from enoslib_nxc.commands.shown import Command

if TYPE_CHECKING:
    from enoslib_nxc.health import Health


@click.command(
    cls=Command,
    examples=["enoslib-nxc status", "enoslib-nxc status --job my-experiment --json"],
    short_help="ask machines how they are",
)
@deployment_options
@json_option
@click.option(
    "--timeout",
    type=Seconds(1),
    default=45.0,
    show_default=True,
    help="s, for a machine to answer",
)
def status(job: str | None, env: Path | None, as_json: bool, timeout: float) -> None:
    """Ask all machines how they are: up or not, as planned or not, and for how long.

    Exit status 3 when a machine is not up, or not as planned.
    """
    from enoslib_nxc import health

    home, deployment = deployment_of(job, env)
    found = health.look(deployment, home, timeout)
    if as_json:
        click.echo(found.model_dump_json(indent=2))
    else:
        _show(found)
    if not found.as_planned:
        exits.end(exits.OTHERWISE)


def _show(found: Health) -> None:
    since = show.clock(found.created)
    click.echo(f"deployment {found.job_name} ({'+'.join(found.flavours)}), since {since}")
    rows = [
        (
            each.host,
            ", ".join([each.role, *each.tags]),
            each.flavour if len(found.flavours) > 1 else "",
            each.place,
            each.address,
            "up" if each.up else "down",
            "as planned" if each.as_planned else each.told,
        )
        for each in found.hosts
    ]
    show.table(("host", "role, tags", "flavour", "where", "address", "is", "runs"), rows)
    for left in found.walltime:
        ends = f"{show.left(left.seconds)} left" if left.seconds else "is over"
        click.echo(f"job {left.job} on {left.site}: {ends}, until {show.clock(left.ends_at)}")
    for note in found.notes:
        show.note(f"note: {note}")
