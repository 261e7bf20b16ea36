"""`enoslib-nxc report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from enoslib_nxc.commands import show
from enoslib_nxc.commands.given import complete_kept, env_option, json_option, kept_name
from enoslib_nxc.commands.shown import Command

if TYPE_CHECKING:
    from enoslib_nxc.account import Account, Built
    from enoslib_nxc.runs import Run

_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class _Files:
    """Where to write what.

    Args:
        csv: the steps; "-" for standard output.
        html: the page.
        plot: the drawing.
    """

    csv: Path | None
    html: Path | None
    plot: Path | None

    @property
    def any(self) -> bool:
        """Whether anything is written."""
        return bool(self.csv or self.html or self.plot)


@click.command(
    cls=Command,
    examples=[
        "enoslib-nxc report",
        "enoslib-nxc report --json > artifact/deployment.json",
        "enoslib-nxc report --job my-experiment --csv steps.csv --plot phases.pdf",
    ],
    short_help="show what was built, where, and how long it took",
)
@env_option
@click.option(
    "--job",
    metavar="NAME",
    shell_complete=complete_kept,
    help="name of the deployment, or of one that was destroyed; by default that of the "
    "environment, or the only one",
)
@json_option
@click.option(
    "--run",
    "number",
    type=click.IntRange(min=1),
    help="the run whose timeline is shown, instead of the last one",
)
@click.option(
    "--csv",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="write every step of all runs there; - is standard output",
)
@click.option("--html", type=_FILE, help="write the report as one page there")
@click.option("--plot", type=_FILE, help="draw it there: .png, .svg or .pdf")
@click.option("--forget", is_flag=True, help="remove the runs that are kept, and show nothing")
def report(
    job: str | None,
    env: Path | None,
    number: int | None,
    *,
    as_json: bool,
    forget: bool,
    **wished: Path | None,
) -> None:
    """Show what a deployment is made of, on which nodes, and what its runs took.

    A run begins with the init() that boots machines. Runs are kept when the deployment is
    destroyed, up to 200. Of several with the same configuration the means are shown, with
    99 % confidence intervals. Read from records; no machine is asked. With --json, also the
    configuration, and the hashes of all that was built: what a reader needs to have the same.
    """
    name = kept_name(job, env)
    if forget:
        _forget(name)
        return
    made = _account(name)
    run = _chosen(made, number)
    files = _Files(**wished)
    _write(made, run, files)
    if as_json:
        click.echo(made.model_dump_json(indent=2))
    elif not files.any:
        _show(made, run)


def _account(name: str) -> Account:
    from enoslib_nxc import account, state
    from enoslib_nxc.errors import StateError

    home = state.find(name)
    record = home.load() if home else None
    made = account.of(record) if record else account.past(name)
    if made is None:
        raise StateError(
            f"there is no deployment {name}",
            resolution="enoslib-nxc list shows them; of this one no runs are kept either",
        )
    return made


def _forget(name: str) -> None:
    from enoslib_nxc import history

    told = "are forgotten" if history.forget(name) else "were not kept"
    show.note(f"the runs of {name} {told}")


def _chosen(made: Account, number: int | None) -> Run | None:
    """Return the run that is meant, None where there are none and none is asked for."""
    from enoslib_nxc.errors import StateError

    if number is None:
        return made.runs[-1] if made.runs else None
    for run in made.runs:
        if run.number == number:
            return run
    known = f"runs 1 to {len(made.runs)}" if made.runs else "no runs"
    raise StateError(f"{made.job_name} has no run {number}", resolution=f"there are {known}")


def _write(made: Account, run: Run | None, files: _Files) -> None:
    """Write the files that are wished."""
    if files.plot:
        from enoslib_nxc.errors import StateError
        from enoslib_nxc.reports import drawing

        if run is None:
            raise StateError(f"there are no runs of {made.job_name} to draw")
        kind = files.plot.suffix.lower().removeprefix(".")
        _put(files.plot, drawing.draw(run, made.means, kind))
    if files.html:
        from enoslib_nxc.reports import page

        _put(files.html, page.page(made, run).encode())
    if files.csv:
        from enoslib_nxc.reports import table

        text = table.steps(made.runs)
        if str(files.csv) == "-":
            click.echo(text, nl=False)
        else:
            _put(files.csv, text.encode())


def _put(file: Path, content: bytes) -> None:
    from enoslib_nxc.errors import NxcError

    try:
        file.write_bytes(content)
    except OSError as error:
        raise NxcError(f"{file} cannot be written: {error.strerror}") from error
    show.note(f"written: {file}")


def _show(made: Account, run: Run | None) -> None:
    if made.created is None:
        click.echo(f"deployment {made.job_name} is not there; its runs are kept")
    else:
        click.echo(f"deployment {made.job_name}, made {show.clock(made.created)}")
    if made.jobs:
        click.echo(f"jobs: {', '.join(made.jobs)}")
    for built in made.built:
        _show_built(built)
    if made.hosts:
        rows = [
            (each.host, each.role, each.flavour, each.place, each.address, each.state)
            for each in made.hosts
        ]
        click.echo()
        show.table(("host", "role", "flavour", "where", "address", "state"), rows)
    if run:
        _show_runs(made, run)


def _show_runs(made: Account, run: Run) -> None:
    from enoslib_nxc.reports import table, timeline

    click.echo()
    runs = table.of(made.runs, made.means)
    show.table(runs.heads, runs.rows)
    if made.means:
        click.echo("means with 99 % confidence intervals, without runs that failed")
    click.echo(f"\nrun {run.number}")
    for line in timeline.text(run, show.width()):
        click.echo(line)


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
