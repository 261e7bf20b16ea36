"""`enoslib-nxc lock`, `fetch` and `schema`: what concerns files alone."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from enoslib_nxc.commands.given import Flavour, directory_argument
from enoslib_nxc.commands.shown import Command


@click.command(
    cls=Command,
    examples=["enoslib-nxc lock composition --add cowsay"],
    short_help="pin Debian packages of a composition",
)
@directory_argument
@click.option("--add", multiple=True, metavar="PACKAGE", help="also lock a Debian package")
def lock(directory: Path, add: tuple[str, ...]) -> None:
    """Pin the Debian packages of the composition in DIRECTORY to what apt offers now."""
    from enoslib_nxc import debian, nix
    from enoslib_nxc.config_sections import Build, Deadlines
    from enoslib_nxc.reporters import make

    with make("auto", sys.stderr) as report:
        changed = debian.write_lock(
            directory,
            store=nix.choose(Build()),
            report=report,
            timeout=Deadlines().build,
            add=add,
        )
    for line in changed or ["no change"]:
        click.echo(line)


@click.command(
    cls=Command,
    examples=["enoslib-nxc fetch composition --locked"],
    short_help="fetch the sources of a composition",
)
@directory_argument
@click.option("--locked", is_flag=True, help="refuse successors of versions that have gone")
@click.option("--flavour", type=Flavour(), metavar="NAME", help="only what this flavour needs")
def fetch(directory: Path, locked: bool, flavour: str | None) -> None:
    """Fetch the sources of the composition in DIRECTORY, so that it builds offline."""
    from enoslib_nxc import debian, nix
    from enoslib_nxc.config_sections import Build, Deadlines
    from enoslib_nxc.reporters import make

    with make("auto", sys.stderr) as report:
        prepared = debian.prepare(
            directory,
            store=nix.choose(Build()),
            locked=locked,
            report=report,
            timeout=Deadlines().build,
            flavour=flavour or "",
        )
    for line in prepared.successors:
        click.echo(line)


@click.command(
    cls=Command,
    examples=["enoslib-nxc schema > conf.schema.json"],
    short_help="print the JSON schema of configurations",
)
def schema() -> None:
    """Print the JSON schema of the configuration, for editors."""
    import json

    from enoslib_nxc.builder import NixOSComposeConf

    click.echo(json.dumps(NixOSComposeConf.json_schema(), indent=2))
