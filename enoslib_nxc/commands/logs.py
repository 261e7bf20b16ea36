"""`enoslib-nxc logs`."""

from __future__ import annotations

from pathlib import Path

import click

from enoslib_nxc.commands import exits
from enoslib_nxc.commands.given import Host, deployment_of, deployment_options, hosts_of
from enoslib_nxc.commands.shown import Command


@click.command(
    cls=Command,
    examples=["enoslib-nxc logs server -n 50", "enoslib-nxc logs -f agent"],
    short_help="show the consoles of machines",
)
@click.argument("hosts", nargs=-1, type=Host(), metavar="[HOST|ROLE]...")
@deployment_options
@click.option("-f", "--follow", is_flag=True, help="show what comes, until Ctrl-C")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="lines of each machine",
)
def logs(
    hosts: tuple[str, ...], job: str | None, env: Path | None, follow: bool, lines: int
) -> None:
    """Show the last lines that machines wrote on their consoles.

    Consoles of virtual machines and containers are kept here; those of Grid'5000 are not.
    Exit status 1 when one is not to be had.
    """
    from enoslib_nxc import consoles, shell
    from enoslib_nxc.errors import PlatformError

    home, deployment = deployment_of(job, env)
    chosen = hosts_of(deployment, hosts)
    if follow:
        shell.become(consoles.follower(deployment, home, chosen, lines))
    failed = False
    for host in chosen:
        try:
            told = consoles.last(deployment, home, host, lines)
        except PlatformError as error:
            click.echo(f"error: {error}", err=True)
            failed = True
            continue
        if len(chosen) > 1:
            click.echo(f"==> {host} <==")
        click.echo(told)
    if failed:
        exits.end(exits.FAILED)
