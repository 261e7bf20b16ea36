"""`enoslib-nxc up` and `enoslib-nxc destroy`: the first and the last task of an experiment."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from enoslib_nxc.commands.given import (
    complete_job,
    conf_argument,
    conf_of,
    env_option,
    flavour_option,
    quiet_option,
)
from enoslib_nxc.commands.shown import Command


@click.command(
    cls=Command,
    examples=[
        "enoslib-nxc up conf.yaml",
        "enoslib-nxc up conf.yaml --flavour docker && python experiment.py emulate",
    ],
    short_help="bring a deployment up, as a task",
)
@conf_argument
@flavour_option
@env_option
@click.option("--force", is_flag=True, help="boot every machine, whatever it runs")
@quiet_option
def up(conf: Path, flavour: str | None, env: Path | None, force: bool, quiet: bool) -> None:
    """Bring the deployment of CONF up; what runs as it should is left alone.

    It is a task of EnOSlib: the directory of its environment is linked as ./current, where
    tasks of your own find env["roles"], env["networks"], env["provider"] and env["conf"]. It
    goes on in the current environment if that is of the same deployment.
    """
    from enoslib_nxc import tasks
    from enoslib_nxc.events import silent

    given = conf_of(conf, flavour)
    made = tasks.up(given, env, silent if quiet else None, force=force)
    click.echo(f"{given.settings.job_name} is up; environment {made}")


@click.command(
    cls=Command,
    examples=["enoslib-nxc destroy", "enoslib-nxc destroy my-experiment"],
    short_help="end a deployment",
)
@click.argument("job_name", required=False, shell_complete=complete_job)
@env_option
@quiet_option
def destroy(job_name: str | None, env: Path | None, quiet: bool) -> None:
    """End the current environment's deployment, or JOB_NAME, whichever process started it.

    What tasks left in the environment's directory stays.
    """
    from enoslib_nxc import standing, state, tasks
    from enoslib_nxc.config_sections import Deadlines
    from enoslib_nxc.errors import NxcError
    from enoslib_nxc.events import silent
    from enoslib_nxc.reporters import make

    if job_name is None:
        tasks.destroy(env, silent if quiet else None)
        return
    if env:
        raise click.UsageError("give JOB_NAME or --env, not both")
    if state.find(job_name) is None:
        raise NxcError(
            f"there is no deployment {job_name}", resolution="enoslib-nxc list shows them"
        )
    with make("silent" if quiet else "auto", sys.stderr) as report:
        standing.destroy(job_name, report, Deadlines().destroy)
