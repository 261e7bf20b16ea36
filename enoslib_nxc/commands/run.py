"""`enoslib-nxc exec`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from enoslib_nxc.commands import exits
from enoslib_nxc.commands.given import (
    Host,
    Seconds,
    deployment_of,
    deployment_options,
    hosts_of,
    json_option,
)
from enoslib_nxc.commands.shown import Command

if TYPE_CHECKING:
    from enoslib_nxc.execution import Done


@click.command(
    "exec",
    cls=Command,
    examples=[
        "enoslib-nxc exec all -- uname -r",
        "enoslib-nxc exec agent1,agent2 -- 'ls /nix/store | wc -l'",
    ],
    short_help="run a command on machines",
)
@click.argument("where", type=Host(), metavar="HOST|ROLE|all")
@click.argument("command", nargs=-1, required=True)
@deployment_options
@json_option
@click.option(
    "--timeout",
    type=Seconds(0.1),
    default=600.0,
    show_default=True,
    help="s, for the command; it is ended then",
)
def execute(
    where: str,
    command: tuple[str, ...],
    job: str | None,
    env: Path | None,
    as_json: bool,
    timeout: float,
) -> None:
    """Run COMMAND on machines, side by side, as root and without input.

    Each line comes with its host in front, when the command has ended there. One word alone
    is a line for bash. Several hosts are named with commas. Exit status 0 if it was 0
    everywhere, 3 if not, 1 if a machine did not answer or it did not end in time.
    """
    import json

    from enoslib_nxc import execution

    home, deployment = deployment_of(job, env)
    hosts = hosts_of(deployment, where.split(","))
    width = max(map(len, hosts))
    printing = threading.Lock()

    def tell(done: Done) -> None:
        if not as_json:
            with printing:
                _show(done, width)

    done = execution.run(deployment, home, hosts, command, timeout=timeout, ended=tell)
    if as_json:
        click.echo(json.dumps([each.model_dump() for each in done], indent=2))
    if any(each.trouble for each in done):
        exits.end(exits.FAILED)
    if any(each.status for each in done):
        exits.end(exits.OTHERWISE)


def _show(done: Done, width: int) -> None:
    before = f"{done.host:<{width}} | "
    for line in done.output.splitlines():
        click.echo(f"{before}{line}")
    for line in done.errors.splitlines():
        click.echo(f"{before}{line}", err=True)
    if done.trouble:
        click.echo(f"{before}error: {done.trouble}", err=True)
    elif done.status:
        click.echo(f"{before}exit status {done.status}", err=True)
