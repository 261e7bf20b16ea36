"""`enoslib-nxc list` and `enoslib-nxc walltime`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from enoslib_nxc.commands import exits
from enoslib_nxc.commands.given import complete_job, deployment_of, job_names, json_option
from enoslib_nxc.commands.shown import Command

if TYPE_CHECKING:
    from enoslib_nxc.model import Deployment, Machine


@click.command(
    "list",
    cls=Command,
    examples=["enoslib-nxc list", "enoslib-nxc list --json | jq -r '.[].job_name'"],
    short_help="list this user's deployments",
)
@json_option
def list_deployments(as_json: bool) -> None:
    """List this user's deployments: name, flavour, machines that are up, and their nodes.

    Read from their records; `status` asks the machines. Exit status 1 when a record cannot be
    read.
    """
    import json

    from enoslib_nxc import state
    from enoslib_nxc.errors import StateError

    found: list[Deployment] = []
    unreadable = []
    for name in job_names():
        try:
            record = state.Home(state.state_root() / name).load()
        except StateError as error:
            unreadable.append(error)
            continue
        found += [record] if record else []
    if as_json:
        click.echo(json.dumps([_row(record) for record in found], indent=2))
    for record in () if as_json else found:
        up = [_named(m) for m in record.machines.values() if m.state == "up"]
        flavours = "+".join(record.flavours)
        click.echo(f"{record.job_name}\t{flavours}\t{', '.join(up) or 'none up'}")
    for each in unreadable:
        click.echo(f"error: {each}", err=True)
    if unreadable:
        exits.end(exits.FAILED)


def _row(record: Deployment) -> dict[str, object]:
    return {
        "job_name": record.job_name,
        "created": record.created,
        "flavours": record.flavours,
        "machines": {host: machine.state for host, machine in record.machines.items()},
    }


def _named(machine: Machine) -> str:
    """Return a host, and the node that it is on Grid'5000."""
    node = machine.reserved
    return f"{machine.host} ({node.node})" if node else machine.host


@click.command(
    cls=Command,
    examples=[
        "enoslib-nxc walltime my-experiment",
        "enoslib-nxc walltime my-experiment --extend 00:30:00",
    ],
    short_help="show or change what is left of reservations",
)
@click.argument("job_name", shell_complete=complete_job)
@click.option(
    "--extend", metavar="HH:MM:SS", help="ask for more time; -HH:MM:SS gives some back"
)
def walltime(job_name: str, extend: str | None) -> None:
    """Show, or change, how long the reservations of JOB_NAME still run."""
    from enoslib_nxc.errors import NxcError
    from enoslib_nxc.g5k import walltime as walltimes
    from enoslib_nxc.g5k.awaited import clock

    _, record = deployment_of(job_name, None)
    if not record.jobs:
        raise NxcError(
            f"deployment {job_name} has no reservation",
            resolution="enoslib-nxc list shows the deployments",
        )
    if extend:
        for job in record.jobs:
            change = walltimes.extend(job, walltimes.read(extend))
            click.echo(f"{job.site}\t{job.uid}\tgranted {change.granted}, asked {extend}")
    for left in walltimes.remaining(record.jobs):
        minutes = f"{left.seconds / 60:.0f} min left"
        click.echo(f"{left.job.site}\t{left.job.uid}\tends {clock(left.ends_at)}\t{minutes}")
