"""`enoslib-nxc init`."""

from __future__ import annotations

from pathlib import Path

import click

from enoslib_nxc.commands.shown import Command

TEMPLATES = {
    "embedded": "Debian packages: builds in seconds, needs no nixpkgs",
    "nixpkgs": "NixOS itself, with nixpkgs and NixOS Compose as inputs of the flake",
}
"""Name -> what its composition is made of; a test sees to it that these are all."""


@click.command(
    cls=Command,
    examples=[
        "enoslib-nxc init my-experiment",
        "cd my-experiment && enoslib-nxc plan conf.yaml && enoslib-nxc up conf.yaml",
    ],
    short_help="write a project to begin with",
)
@click.argument("directory", default=Path(), type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--template",
    type=click.Choice(list(TEMPLATES)),
    default="embedded",
    show_default=True,
    help="; ".join(f"{name}: {told}" for name, told in TEMPLATES.items()),
)
def init(directory: Path, template: str) -> None:
    """Write a project into DIRECTORY (here by default): composition, conf.yaml, script.

    Nothing that is there is overwritten.
    """
    from enoslib_nxc import scaffold

    for path in scaffold.write(directory, template):
        click.echo(path)
