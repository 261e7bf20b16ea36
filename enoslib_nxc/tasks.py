"""EnOSlib's tasks: `up` puts a deployment into an environment, where a user's tasks find it.

An environment is EnOSlib's: a directory with a pickled mapping in the file `env`, and the
link `current` to the last one. What is put into it:

- `env["provider"]`: the `NixOSCompose`,
- `env["roles"]`, `env["networks"]`: what its `init()` returned,
- `env["conf"]`: the `NixOSComposeConf`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from enoslib.constants import ENV_FILENAME, SYMLINK_NAME
from enoslib.task import Environment, enostask

from enoslib_nxc.builder import NixOSComposeConf
from enoslib_nxc.errors import NxcError, StateError
from enoslib_nxc.events import Reporter
from enoslib_nxc.provider import NixOSCompose

OURS = ("provider", "roles", "networks")
"""What of an environment is worth nothing once its machines have ended."""


def up(
    conf: NixOSComposeConf, directory: Path | None, report: Reporter | None, *, force: bool
) -> Path:
    """Bring a deployment up in an environment: the one it is in already, or a new one.

    Args:
        conf: its checked configuration.
        directory: the environment; None for the current one if it is this deployment's, and
            a new one otherwise.
        report: where events go; None for where the configuration says.
        force: boot every machine, whatever it runs.

    Returns:
        The environment's directory.

    Raises:
        NxcError: the deployment cannot be brought up, or the environment is another's.
    """
    known = _going_on(conf, directory)
    if SYMLINK_NAME.is_symlink() and not SYMLINK_NAME.exists():
        SYMLINK_NAME.unlink()  # EnOSlib would leave a link to what is no more
    task = enostask(new=known is None)(_up)
    env = known if known is not None else (str(directory) if directory else None)
    return Path(task(conf, report, force=force, env=env))


def _up(
    conf: NixOSComposeConf,
    report: Reporter | None,
    *,
    force: bool,
    env: Environment | None = None,
) -> str:
    """Bring the machines up."""
    assert env is not None  # noqa: S101 (given by enostask)
    provider = NixOSCompose(conf)
    # before: what a failed init() leaves is found by it
    env.update({"provider": provider, "conf": conf, "config": conf.to_dict()})
    env["roles"], env["networks"] = provider.init(force_deploy=force, reporter=report)
    return str(env.env_name)


def _going_on(conf: NixOSComposeConf, directory: Path | None) -> Environment | None:
    """Return the environment to go on in, None for a new one.

    Raises:
        StateError: the one that was named is another deployment's.
    """
    place = directory or SYMLINK_NAME
    if not (place / ENV_FILENAME).is_file():
        return None
    try:
        env = load(place)
        name = job_name(env)
    except StateError:
        if directory:
            raise
        return None  # whatever it is, it is left alone
    if name == conf.settings.job_name:
        return env
    if directory and (name or "provider" in env):
        raise StateError(
            f"{directory} is the environment of {f'deployment {name}' if name else 'another'}",
            resolution="give another --env, or none for a new one",
        )
    return env if directory else None


def load(directory: Path | None) -> Environment:
    """Return an environment.

    Args:
        directory: where it is; None for the current one.

    Raises:
        StateError: there is none, or it cannot be read here.
    """
    file = (directory or SYMLINK_NAME) / ENV_FILENAME
    if not file.is_file():
        where = f"{directory} is no environment" if directory else "there is no current one"
        raise StateError(
            f"no environment of tasks: {where}",
            resolution="enoslib-nxc up CONF makes one; or name a deployment (enoslib-nxc list)",
        )
    # what a user's own modules put there is loaded by them
    sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        env = Environment.load_from_file(file)
    except (Exception, SystemExit) as error:  # unpickling runs whatever it needs
        raise StateError(
            f"the environment {file} cannot be read: {type(error).__name__}: {error}",
            resolution="name the deployment instead (enoslib-nxc list); values of classes "
            "that a script defines itself are for that script alone",
        ) from error
    finally:
        sys.path.pop(0)
    if not isinstance(env, Environment):
        raise StateError(f"{file} is not an environment of EnOSlib's tasks")
    return env


def here() -> bool:
    """Tell whether the current directory has an environment."""
    return Path(SYMLINK_NAME, ENV_FILENAME).is_file()


def job_name(env: Environment) -> str:
    """Return the name of an environment's deployment, "" where it has none of ours.

    Args:
        env: the environment.
    """
    provider = env.get("provider")
    return provider.settings.job_name if isinstance(provider, NixOSCompose) else ""


def current(directory: Path | None) -> str:
    """Return the name of the deployment of an environment.

    Args:
        directory: where it is; None for the current one.

    Raises:
        StateError: there is none, or it has no deployment.
    """
    return _named(load(directory))


def _named(env: Environment) -> str:
    name = job_name(env)
    if not name:
        raise StateError(
            f"the environment {env.env_name} has no deployment of NixOSCompose",
            resolution='enoslib-nxc up CONF makes one; a task of yours, env["provider"]; '
            "or name a deployment (enoslib-nxc list)",
        )
    return name


def destroy(directory: Path | None, report: Reporter | None) -> str:
    """End the deployment of an environment; what tasks left in it stays, but for its hosts.

    Args:
        directory: where it is; None for the current one.
        report: where events go; None for where its configuration says.

    Returns:
        The name that it had.

    Raises:
        NxcError: there is none, or something of it would not end.
    """
    env = load(directory)
    name = _named(env)
    env["provider"].destroy(reporter=report)
    for key in OURS:
        env.pop(key, None)
    try:
        env.dump()
    except OSError as error:
        raise NxcError(f"{env.env_name} cannot be written: {error.strerror}") from error
    return name
