"""The configuration as a command is given it: a file, and a flavour that replaces its own."""

from __future__ import annotations

from pathlib import Path

import click

from enoslib_nxc import flavours
from enoslib_nxc.builder import NixOSComposeConf
from enoslib_nxc.config import Settings

conf_argument = click.argument(
    "conf", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)

flavour_option = click.option(
    "--flavour",
    type=click.Choice(sorted(flavours.names())),
    help="where it runs, instead of what CONF says",
)


def settings_of(conf: Path, flavour: str | None) -> Settings:
    """Return the checked configuration of a file, transposed where that is wished.

    Args:
        conf: the file.
        flavour: the flavour to transpose it to; None for its own.

    Raises:
        ConfigError: it is wrong.
    """
    given = NixOSComposeConf.from_file(conf)
    return (given.transpose(flavour) if flavour else given).settings
