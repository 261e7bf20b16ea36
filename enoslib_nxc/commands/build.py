"""`enoslib-nxc build`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from enoslib_nxc.commands.given import (
    conf_argument,
    flavour_option,
    json_option,
    quiet_option,
    settings_of,
)
from enoslib_nxc.commands.shown import Command


@click.command(
    cls=Command,
    examples=[
        "enoslib-nxc build conf.yaml",
        "enoslib-nxc build conf.yaml --flavour g5k-image --json",
    ],
    short_help="build a composition",
)
@conf_argument
@flavour_option
@click.option(
    "--link",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    show_default=True,
    help="directory for result-FLAVOUR, which keeps it from Nix's garbage collector",
)
@json_option
@quiet_option
def build(conf: Path, flavour: str | None, link: Path, as_json: bool, quiet: bool) -> None:
    """Build the composition of CONF for its flavours, and show what that gave.

    Nothing is reserved or started. `up` builds by itself; what is built is not built again.
    """
    import json

    from enoslib_nxc import artifacts, flavours
    from enoslib_nxc.flavours import Source
    from enoslib_nxc.reporters import make

    settings = artifacts.effective(settings_of(conf, flavour))
    made = {}
    with make("silent" if quiet else settings.progress, sys.stderr) as report:
        for name, row in flavours.rows(settings, Source()).items():
            wish = row.effective(settings.only(name))
            keep = link / f"result-{name}"
            made[name] = artifacts.obtain(wish, None, report, keep=keep)
    if as_json:
        found = {name: each.model_dump(mode="json") for name, each in made.items()}
        click.echo(json.dumps(found, indent=2))
        return
    for name, each in made.items():
        click.echo(f"{name}: composition {each.composition}, {each.compose_info}")
        files = {"kernel": each.kernel, "initrd": each.initrd, "image": each.image}
        roles = {role: image.toplevel for role, image in each.roles.items()}
        for what, path in {**roles, **files, "compose file": each.compose_file}.items():
            if path:
                click.echo(f"  {what}  {each.store.real(path)}")
