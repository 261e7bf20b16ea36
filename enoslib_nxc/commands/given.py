"""What commands are given: a configuration, a deployment, hosts; and how shells complete it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from enoslib_nxc.builder import NixOSComposeConf
    from enoslib_nxc.config import Settings
    from enoslib_nxc.model import Deployment
    from enoslib_nxc.state import Home

F = TypeVar("F", bound=Callable[..., object])

ALL = "all"
"""Stands for every host of a deployment."""

MOST_SECONDS = 1e7
"""For a wait: 115 days."""


class Flavour(click.ParamType):  # type: ignore[type-arg]
    """One of the flavours; their table is read when it is needed, as that takes a while."""

    name = "flavour"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Refuse what is no flavour."""
        return str(self._choice().convert(value, param, ctx))

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete a flavour."""
        return self._choice().shell_complete(ctx, param, incomplete)

    def _choice(self) -> click.Choice[str]:
        from enoslib_nxc import flavours

        return click.Choice(sorted(flavours.names()))


class Seconds(click.FloatRange):
    """A time to wait: no more than `MOST_SECONDS`, as clocks overflow."""

    def __init__(self, least: float) -> None:
        super().__init__(min=least, max=MOST_SECONDS)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Refuse what is out of range, and what is in none (nan)."""
        found = float(super().convert(value, param, ctx))
        if math.isnan(found):
            self.fail(f"{value} is no number of seconds", param, ctx)
        return found


class Host(click.ParamType):  # type: ignore[type-arg]
    """A host or a role of the deployment that a command is about."""

    name = "host"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete hosts, roles and tags: of --job, or of all deployments.

        An environment is not read for that: it is a pickle, and Tab should run no code of
        the directory that one happens to be in.
        """
        from enoslib_nxc import state
        from enoslib_nxc.errors import StateError

        found: set[str] = set()
        for name in complete_job(None, None, ""):
            if name != (ctx.params.get("job") or name):
                continue
            with suppress(StateError):
                if record := state.Home(state.state_root() / name).load():
                    found |= {*record.machines, *_groups(record)}
        return [CompletionItem(word) for word in sorted(found) if word.startswith(incomplete)]


def job_names() -> list[str]:
    """Return the names of this user's deployments."""
    from enoslib_nxc import state

    root = state.state_root()
    return (
        sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    )


def complete_job(_ctx: object, _param: object, incomplete: str) -> list[str]:
    """Complete a deployment's name; nothing is said about a directory that cannot be read."""
    with suppress(OSError):
        return [name for name in job_names() if name.startswith(incomplete)]
    return []


def complete_kept(_ctx: object, _param: object, incomplete: str) -> list[str]:
    """Complete the name of a deployment, or of one that was destroyed with its runs kept."""
    from enoslib_nxc import history

    with suppress(OSError):
        names = sorted({*job_names(), *history.job_names()})
        return [name for name in names if name.startswith(incomplete)]
    return []


conf_argument = click.argument(
    "conf", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)

flavour_option = click.option(
    "--flavour",
    type=Flavour(),
    metavar="NAME",
    help="where it runs, instead of what CONF says",
)

env_option = click.option(
    "--env",
    type=click.Path(file_okay=False, path_type=Path),
    help="directory of the environment of tasks, instead of ./current",
)

json_option = click.option("--json", "as_json", is_flag=True, help="for programs")

quiet_option = click.option("-q", "--quiet", is_flag=True, help="show no progress")

directory_argument = click.argument(
    "directory", type=click.Path(exists=True, file_okay=False, path_type=Path)
)


def deployment_options(command: F) -> F:
    """Add the options that say which deployment a command is about."""
    job = click.option(
        "--job",
        metavar="NAME",
        shell_complete=complete_job,
        help="name of the deployment; by default that of the environment, or the only one",
    )
    return env_option(job(command))


def conf_of(conf: Path, flavour: str | None) -> NixOSComposeConf:
    """Return the checked configuration of a file, transposed where that is wished.

    Args:
        conf: the file.
        flavour: the flavour to transpose it to; None for its own.

    Raises:
        ConfigError: it is wrong.
    """
    from enoslib_nxc.builder import NixOSComposeConf

    given = NixOSComposeConf.from_file(conf)
    return given.transpose(flavour) if flavour else given


def settings_of(conf: Path, flavour: str | None) -> Settings:
    """Return the same as frozen settings.

    Args:
        conf: the file.
        flavour: the flavour to transpose it to; None for its own.

    Raises:
        ConfigError: it is wrong.
    """
    return conf_of(conf, flavour).settings


def deployment_of(job: str | None, env: Path | None) -> tuple[Home, Deployment]:
    """Return the deployment that a command is about: its directory, and its record.

    Args:
        job: its name, if it was given.
        env: its environment, if one was given.

    Raises:
        StateError: there is none, or several.
    """
    from enoslib_nxc import state
    from enoslib_nxc.errors import StateError

    name = job or _name_of(env)
    home = state.find(name)
    record = home.load() if home else None
    if home is None or record is None:
        raise StateError(
            f"there is no deployment {name}", resolution="enoslib-nxc list shows them"
        )
    return home, record


def kept_name(job: str | None, env: Path | None) -> str:
    """Return the name of the deployment that a report is about; it may be destroyed.

    Args:
        job: its name, if it was given.
        env: its environment, if one was given.

    Raises:
        StateError: there is none, or several.
    """
    from enoslib_nxc import history, tasks
    from enoslib_nxc.errors import StateError

    if job or env or tasks.here() or job_names():
        return job or _name_of(env)
    names = history.job_names()
    if len(names) == 1:
        return names[0]
    if names:
        raise StateError(
            f"there is no deployment; runs are kept of {', '.join(names)}",
            resolution="say which with --job NAME",
        )
    return _name_of(env)


def _name_of(env: Path | None) -> str:
    """Return the name of the environment's deployment, or of the only one that there is."""
    from enoslib_nxc import tasks
    from enoslib_nxc.errors import StateError

    if env or tasks.here():
        return tasks.current(env)
    names = job_names()
    if len(names) == 1:
        return names[0]
    if names:
        raise StateError(
            f"there are {len(names)} deployments: {', '.join(names)}",
            resolution="say which with --job NAME, or go where its environment is",
        )
    raise StateError("there is no deployment", resolution="enoslib-nxc up CONF makes one")


def hosts_of(deployment: Deployment, words: Sequence[str]) -> tuple[str, ...]:
    """Return the hosts that are meant, each once.

    Args:
        deployment: the record.
        words: hosts, roles or tags; "all", or none at all, for every host.

    Raises:
        StateError: there is no such host or role.
    """
    from enoslib_nxc.errors import StateError
    from enoslib_nxc.mistakes import suggest

    groups = _groups(deployment)
    found: dict[str, None] = {}
    for word in words or (ALL,):
        if word in deployment.machines:
            found[word] = None
        elif word in groups:
            found.update(dict.fromkeys(groups[word]))
        else:
            known = (*deployment.machines, *(name for name in groups if name != ALL))
            raise StateError(
                f"deployment {deployment.job_name} has no host or role {word}",
                resolution=suggest(word, dict.fromkeys(known), listed_as="hosts and roles"),
            )
    return tuple(found)


def _groups(deployment: Deployment) -> dict[str, list[str]]:
    """Return hosts by role, by tag, and all."""
    groups: dict[str, list[str]] = {ALL: list(deployment.machines)}
    for node in deployment.plan.nodes:
        if node.host in deployment.machines:
            for name in (node.role, *node.tags):
                groups.setdefault(name, []).append(node.host)
    return groups
