"""`enoslib-nxc plan`."""

from __future__ import annotations

from pathlib import Path

import click

from enoslib_nxc.commands import exits, show
from enoslib_nxc.commands.given import conf_argument, flavour_option, json_option, settings_of
from enoslib_nxc.commands.shown import Command


@click.command(
    cls=Command,
    examples=["enoslib-nxc plan conf.yaml", "enoslib-nxc plan conf.yaml --flavour g5k-ramdisk"],
    short_help="show what would run where",
)
@conf_argument
@flavour_option
@json_option
@click.option("--check", is_flag=True, help="exit status 3 when `up` would do anything")
def plan(conf: Path, flavour: str | None, as_json: bool, check: bool) -> None:
    """Show what would run where for the configuration CONF; nothing is done.

    Records and files are read, and Grid'5000's API is asked for the sites of clusters.
    Machines are not asked. Exit status 1 when init() would refuse.
    """
    from enoslib_nxc.flavours import Source
    from enoslib_nxc.preview import preview
    from enoslib_nxc.preview.text import render

    made = preview(settings_of(conf, flavour), Source())
    if as_json:
        click.echo(made.model_dump_json(indent=2))
    else:
        show.rendered(render(made))
    if made.refusal:
        click.echo(f"error: {made.refusal}", err=True)
        exits.end(exits.FAILED)
    if check and (made.ends or any(host.then != "keep" for host in made.hosts)):
        exits.end(exits.OTHERWISE)
