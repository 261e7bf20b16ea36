"""`enoslib-nxc plan`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from enoslib_nxc.commands.given import conf_argument, flavour_option, settings_of
from enoslib_nxc.flavours import Source
from enoslib_nxc.preview import preview
from enoslib_nxc.preview.text import render

WIDTH = 160
"""Columns where no terminal says how many it has."""


@click.command()
@conf_argument
@flavour_option
@click.option("--json", "as_json", is_flag=True, help="for programs")
def plan(conf: Path, flavour: str | None, as_json: bool) -> None:
    """Show what would run where for the configuration CONF; nothing is done.

    Records and files are read, and Grid'5000's API is asked for the sites of clusters.
    Machines are not asked. Exit status 1 when init() would refuse.
    """
    made = preview(settings_of(conf, flavour), Source())
    if as_json:
        click.echo(made.model_dump_json(indent=2))
    else:
        width = None if sys.stdout.isatty() else WIDTH
        Console(width=width, highlight=False).print(render(made))
    if made.refusal:
        click.echo(f"error: {made.refusal}", err=True)
        raise click.exceptions.Exit(1)
