"""`enoslib-nxc doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from enoslib_nxc.commands import exits
from enoslib_nxc.commands.given import flavour_option, json_option, settings_of
from enoslib_nxc.commands.shown import Command


@click.command(
    cls=Command,
    examples=["enoslib-nxc doctor", "enoslib-nxc doctor conf.yaml --flavour docker"],
    short_help="check this computer, and what to do about it",
)
@click.argument(
    "conf", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@flavour_option
@json_option
def doctor(conf: Path | None, flavour: str | None, as_json: bool) -> None:
    """Look at what this computer has for each flavour, and say what to do about the rest.

    Exit status 3 when something is missing that CONF needs; without CONF, that is what all
    flavours need. The rest is information. Nothing is built, started or changed.
    """
    from enoslib_nxc.doctor import examine

    if flavour and conf is None:
        raise click.UsageError("--flavour needs CONF")
    found = examine(settings_of(conf, flavour) if conf else None)
    if as_json:
        click.echo(found.model_dump_json(indent=2))
    else:
        # what a flavour lacks is needed, whichever check says so too
        needed = {each.told for each in found.findings if each.needed}
        for each in found.findings:
            spared = conf is not None and each.state != "ok" and each.told not in needed
            note = "  (not needed)" if spared else ""
            click.echo(f"{each.state:<8} {each.subject}: {each.told}{note}")
            if each.remedy:
                click.echo(f"         -> {each.remedy}")
    if not found.well:
        exits.end(exits.OTHERWISE)
