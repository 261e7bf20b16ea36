"""`enoslib-nxc test`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from enoslib_nxc.commands.given import Seconds, conf_argument, flavour_option, settings_of
from enoslib_nxc.commands.shown import Command


@click.command(
    cls=Command,
    examples=[
        "enoslib-nxc test conf.yaml",
        "enoslib-nxc test conf.yaml --flavour docker --keep",
    ],
    short_help="run a composition's testScript",
)
@conf_argument
@flavour_option
@click.option(
    "--script",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="run this file instead of the composition's testScript",
)
@click.option("--keep", is_flag=True, help="leave the deployment when the script has ended")
@click.option(
    "--timeout",
    type=Seconds(0.1),
    default=3600.0,
    show_default=True,
    help="s, for the script",
)
def test(
    conf: Path, flavour: str | None, script: Path | None, keep: bool, timeout: float
) -> None:
    """Run the testScript of the composition of CONF on a deployment of it.

    The deployment is brought up if it is not there, and then destroyed at the end. The
    script is Python text of the composition, and runs here with your rights.
    """
    from enoslib_nxc import trial
    from enoslib_nxc.reporters import make

    settings = settings_of(conf, flavour)
    with make(settings.progress, sys.stderr) as report:
        trial.run(settings, report, script=script, keep=keep, timeout=timeout)
    click.echo("test script passed")
