"""The command line: the table of its commands, and how each of them ends."""

from __future__ import annotations

import errno
import os
from typing import Any, NoReturn

import click
from enoslib.errors import EnosError

from enoslib_nxc.commands import exits
from enoslib_nxc.commands.build import build
from enoslib_nxc.commands.completion import completion
from enoslib_nxc.commands.connect import connect
from enoslib_nxc.commands.deployments import list_deployments, walltime
from enoslib_nxc.commands.doctor import doctor
from enoslib_nxc.commands.init import init
from enoslib_nxc.commands.logs import logs
from enoslib_nxc.commands.plan import plan
from enoslib_nxc.commands.rehearse import rehearse
from enoslib_nxc.commands.report import report
from enoslib_nxc.commands.run import execute
from enoslib_nxc.commands.sources import fetch, lock, schema
from enoslib_nxc.commands.status import status
from enoslib_nxc.commands.test import test
from enoslib_nxc.commands.up import destroy, up
from enoslib_nxc.version import __version__

SECTIONS = {
    "Before an experiment": (init, doctor, build, plan, test, rehearse),
    "An experiment": (up, status, connect, execute, logs, report, walltime, destroy),
    "All deployments": (list_deployments,),
    "Compositions and configurations": (lock, fetch, schema),
    "This program": (completion,),
}
"""Every command, as `--help` shows them."""

TRACEBACK = "ENOSLIB_NXC_TRACEBACK"
"""Variable that has a defect of this program shown with its traceback."""


class Group(click.Group):
    """Shows an error for people as what it is: a message, not a traceback."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the words before the command; `--help` and `--version` print here."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except OSError as error:
            _told(error)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; end with status 1 on an error, 130 on Ctrl-C."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except EnosError as error:  # ours, and EnOSlib's on reservations
            click.echo(f"error: {error}", err=True)
            ctx.exit(exits.FAILED)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(exits.INTERRUPTED)
        except OSError as error:
            _told(error)
        except Exception as error:
            if os.environ.get(TRACEBACK):
                raise
            click.echo(f"error: a defect: {type(error).__name__}: {error}", err=True)
            click.echo(f"-> please report it, with what {TRACEBACK}=1 shows", err=True)
            ctx.exit(exits.FAILED)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, section by section."""
        width = formatter.width - 6 - max(map(len, self.commands))
        for title, commands in SECTIONS.items():
            rows = [(str(each.name), each.get_short_help_str(width)) for each in commands]
            with formatter.section(title):
                formatter.write_dl(rows)


def _told(error: OSError) -> NoReturn:
    if error.errno == errno.EPIPE:
        raise error  # click ends quietly when nobody reads on
    click.echo(f"error: {error}", err=True)
    exits.end(exits.FAILED)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Experiments on NixOS: EnOSlib provider for NixOS Compose.

    Exit status: 0 all is well; 1 an error, told on standard error; 2 wrong use; 3 the answer
    is no (`status`, `exec`, `doctor`, `plan --check`); 130 Ctrl-C.
    """


for _commands in SECTIONS.values():
    for _command in _commands:
        main.add_command(_command)
