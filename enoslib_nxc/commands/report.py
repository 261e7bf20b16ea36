"""`enoslib-nxc report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from enoslib_nxc.commands import show
from enoslib_nxc.commands.given import deployment_of, deployment_options, json_option
from enoslib_nxc.commands.shown import Command

if TYPE_CHECKING:
    from enoslib_nxc.account import Account, Built


@click.command(
    cls=Command,
    examples=["enoslib-nxc report", "enoslib-nxc report --json > artifact/deployment.json"],
    short_help="show what was built, where, and how long it took",
)
@deployment_options
@json_option
def report(job: str | None, env: Path | None, as_json: bool) -> None:
    """Show what a deployment is made of, on which nodes, and how long each phase took.

    Read from its record; no machine is asked. With --json, also the configuration, and the
    hashes of all that was built: what a reader needs to have the same.
    """
    from enoslib_nxc import account

    home, deployment = deployment_of(job, env)
    made = account.of(deployment, home)
    if as_json:
        click.echo(made.model_dump_json(indent=2))
    else:
        _show(made)


def _show(made: Account) -> None:
    click.echo(f"deployment {made.job_name}, made {show.clock(made.created)}")
    if made.jobs:
        click.echo(f"jobs: {', '.join(made.jobs)}")
    for built in made.built:
        _show_built(built)
    rows = [
        (each.host, each.role, each.flavour, each.place, each.address, each.state)
        for each in made.hosts
    ]
    click.echo()
    show.table(("host", "role", "flavour", "where", "address", "state"), rows)
    if made.calls:
        click.echo()
        heads = list(made.calls[0].seconds)
        calls = [
            (
                show.clock(call.at),
                *(_seconds(call.seconds[head]) for head in heads),
                call.failed,
            )
            for call in made.calls
        ]
        show.table(("init() at", *heads, "failed"), calls)


def _show_built(built: Built) -> None:
    click.echo(f"flavour {built.flavour}: composition {built.composition} of {built.flake}")
    if built.lock_hash:
        click.echo(f"  lock files  sha256 {built.lock_hash}")
    for role, path in built.toplevels.items():
        told = f"  {built.nar_hashes[path]}" if path in built.nar_hashes else ""
        click.echo(f"  {role}  {path}{told}")
    for name, digest in built.digests.items():
        click.echo(f"  {name}  sha256 {digest}")
    versions = ", ".join(f"{name} {version}" for name, version in built.versions.items())
    click.echo(f"  built by {versions}")


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds else ""
