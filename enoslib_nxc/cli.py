"""The command line: what goes with a composition or a deployment from a shell."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path

import click
from enoslib.errors import EnosError

from enoslib_nxc import debian, nix, standing, state
from enoslib_nxc.builder import NixOSComposeConf
from enoslib_nxc.commands.given import conf_argument, flavour_option
from enoslib_nxc.commands.plan import plan
from enoslib_nxc.commands.test import test
from enoslib_nxc.config_sections import Build, Deadlines
from enoslib_nxc.errors import NxcError, StateError
from enoslib_nxc.g5k import walltime as walltimes
from enoslib_nxc.g5k.awaited import clock
from enoslib_nxc.model import Machine
from enoslib_nxc.reporters import make
from enoslib_nxc.version import __version__

FAILED = 1
"""Exit status when something went wrong that the error explains (click uses 2 for usage)."""

Locked = click.argument(
    "directory", type=click.Path(exists=True, file_okay=False, path_type=Path)
)


class Group(click.Group):
    """Shows an error for people as what it is: a message, not a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; end with status 1 on an error, 130 on Ctrl-C."""
        try:
            return super().invoke(ctx)
        except EnosError as error:  # ours, and EnOSlib's on reservations
            click.echo(f"error: {error}", err=True)
            ctx.exit(FAILED)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(130)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # click ends quietly when nobody reads on
            click.echo(f"error: {error}", err=True)
            ctx.exit(FAILED)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """EnOSlib provider for NixOS: compositions and running deployments."""


main.add_command(plan)
main.add_command(test)


@main.command("list")
def list_deployments() -> None:
    """List this user's deployments: name, flavour, machines that are up, and their nodes."""
    unreadable = []
    for name in _job_names(""):
        try:
            record = state.Home(state.state_root() / name).load()
        except StateError as error:
            unreadable.append(error)
            continue
        if record is not None:
            up = [_named(m) for m in record.machines.values() if m.state == "up"]
            click.echo(f"{name}\t{'+'.join(record.flavours)}\t{', '.join(up) or 'none up'}")
    for each in unreadable:
        click.echo(f"error: {each}", err=True)
    if unreadable:
        raise click.exceptions.Exit(FAILED)


@main.command()
@click.argument("job_name", shell_complete=lambda _ctx, _param, text: _job_names(text))
def destroy(job_name: str) -> None:
    """End the deployment JOB_NAME, whichever process started it."""
    if state.find(job_name) is None:
        raise NxcError(
            f"there is no deployment {job_name}", resolution="enoslib-nxc list shows them"
        )
    with make("auto", sys.stderr) as report:
        standing.destroy(job_name, report, Deadlines().destroy)


@main.command()
@click.argument("job_name", shell_complete=lambda _ctx, _param, text: _job_names(text))
@click.option(
    "--extend", metavar="HH:MM:SS", help="ask for more time; -HH:MM:SS gives some back"
)
def walltime(job_name: str, extend: str | None) -> None:
    """Show, or change, how long the reservations of JOB_NAME still run."""
    home = state.find(job_name)
    record = home.load() if home else None
    if record is None or not record.jobs:
        raise NxcError(
            f"deployment {job_name} has no reservation",
            resolution="enoslib-nxc list shows the deployments",
        )
    if extend:
        for job in record.jobs:
            change = walltimes.extend(job, walltimes.read(extend))
            click.echo(f"{job.site}\t{job.uid}\tgranted {change.granted}, asked {extend}")
    for left in walltimes.remaining(record.jobs):
        minutes = f"{left.seconds / 60:.0f} min left"
        click.echo(f"{left.job.site}\t{left.job.uid}\tends {clock(left.ends_at)}\t{minutes}")


@main.command()
@Locked
@click.option("--add", multiple=True, metavar="PACKAGE", help="also lock a Debian package")
def lock(directory: Path, add: tuple[str, ...]) -> None:
    """Pin the Debian packages of the composition in DIRECTORY to what apt offers now."""
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


@main.command()
@Locked
@click.option("--locked", is_flag=True, help="refuse successors of versions that have gone")
@click.option("--flavour", default="", metavar="NAME", help="only what this flavour needs")
def fetch(directory: Path, locked: bool, flavour: str) -> None:
    """Fetch the sources of the composition in DIRECTORY, so that it builds offline."""
    with make("auto", sys.stderr) as report:
        prepared = debian.prepare(
            directory,
            store=nix.choose(Build()),
            locked=locked,
            report=report,
            timeout=Deadlines().build,
            flavour=flavour,
        )
    for line in prepared.successors:
        click.echo(line)


@main.command()
@conf_argument
@click.argument("command", nargs=-1)
@flavour_option
@click.option("--nodes", type=click.IntRange(1), help="nodes of each cluster")
@click.option("--memory", type=click.IntRange(256), default=1024, help="MiB of each node")
def rehearse(
    conf: Path, command: tuple[str, ...], flavour: str | None, nodes: int | None, memory: int
) -> None:
    """Try the configuration CONF on a Grid'5000 of virtual machines here.

    COMMAND (after --) is run with what it needs to reach it; without one, the machines of
    CONF are deployed, shown, and given back.
    """
    from enoslib_nxc.rehearse import rehearse as run

    with make("auto", sys.stderr) as report:
        status = run(conf, command, report, flavour=flavour, nodes=nodes, memory=memory)
    sys.exit(status if status >= 0 else 128 - status)


@main.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors."""
    click.echo(json.dumps(NixOSComposeConf.json_schema(), indent=2))


def _named(machine: Machine) -> str:
    """Return a host, and the node that it is on Grid'5000."""
    node = machine.reserved
    return f"{machine.host} ({node.node})" if node else machine.host


def _job_names(text: str) -> list[str]:
    root = state.state_root()
    names = [path.name for path in root.iterdir()] if root.is_dir() else []
    return sorted(name for name in names if name.startswith(text))
