"""`enoslib-nxc connect`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from enoslib_nxc.commands.given import Host, deployment_of, deployment_options, hosts_of
from enoslib_nxc.commands.shown import Command


@click.command(
    cls=Command,
    examples=[
        "enoslib-nxc connect server",
        "enoslib-nxc connect agent          # every machine of that role",
        'eval "$(enoslib-nxc connect server --print)"',
    ],
    short_help="open a shell on machines",
)
@click.argument("hosts", nargs=-1, type=Host(), metavar="[HOST|ROLE]...")
@deployment_options
@click.option("--print", "only_print", is_flag=True, help="show the command line instead")
def connect(
    hosts: tuple[str, ...], job: str | None, env: Path | None, only_print: bool
) -> None:
    """Open a shell on a machine; on several, in panes of tmux.

    Machines are entered as always: with the deployment's key, their host keys checked.
    Without HOST, on all. Ctrl-b o goes to the next pane of tmux.
    """
    import shlex

    from enoslib_nxc import reach, shell, terminal
    from enoslib_nxc.errors import PlatformError

    home, deployment = deployment_of(job, env)
    chosen = hosts_of(deployment, hosts)
    commands = {host: terminal.argv(reach.own(deployment, home, host)) for host in chosen}
    if only_print:
        for command in commands.values():
            click.echo(shlex.join(command))
        return
    if len(commands) == 1:
        shell.become(next(iter(commands.values())))
        return
    if not (os.isatty(0) and os.isatty(1)):
        raise PlatformError(  # tmux would leave a session that nobody sees
            "several machines are shown in a terminal, and this is none",
            resolution="enoslib-nxc exec ROLE -- COMMAND, or name one machine",
        )
    shell.become(terminal.panes(commands, inside="TMUX" in os.environ))
