"""`enoslib-nxc rehearse`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from enoslib_nxc.commands.given import conf_argument, flavour_option
from enoslib_nxc.commands.shown import Command


@click.command(
    cls=Command,
    examples=[
        "enoslib-nxc rehearse conf.yaml --flavour g5k-ramdisk",
        "enoslib-nxc rehearse conf.yaml -- python experiment.py",
    ],
    short_help="try a configuration on a Grid'5000 made here",
)
@conf_argument
@click.argument("command", nargs=-1)
@flavour_option
@click.option("--nodes", type=click.IntRange(1), help="nodes of each cluster")
@click.option(
    "--memory",
    type=click.IntRange(256),
    default=1024,
    show_default=True,
    help="MiB of each node",
)
def rehearse(
    conf: Path, command: tuple[str, ...], flavour: str | None, nodes: int | None, memory: int
) -> None:
    """Try the configuration CONF on a Grid'5000 of virtual machines here.

    COMMAND (after --) is run with what it needs to reach it; without one, the machines of
    CONF are deployed, shown, and given back. Its exit status is that of COMMAND.
    """
    from enoslib_nxc.commands import exits
    from enoslib_nxc.rehearse import rehearse as run
    from enoslib_nxc.reporters import make

    with make("auto", sys.stderr) as report:
        status = run(conf, command, report, flavour=flavour, nodes=nodes, memory=memory)
    exits.end(status if status >= 0 else 128 - status)
