"""`enoslib-nxc rehearse`: a configuration tried out on a Grid'5000 on this computer.

Run as a module with a configuration file, it does what a user's program does: everything
from reservation to Roles, and gives it all back.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click
from enoslib.errors import EnosError

from enoslib_nxc import shell
from enoslib_nxc.builder import NixOSComposeConf
from enoslib_nxc.errors import ConfigError
from enoslib_nxc.events import Reporter
from enoslib_nxc.provider import NixOSCompose
from enoslib_nxc.rehearsal.grid import GridRehearsal
from enoslib_nxc.rehearsal.size import Size
from enoslib_nxc.rehearsal.wanted import MEMORY, wanted

LIFETIME = 12 * 3600.0
"""Seconds that a rehearsal takes at most."""

SETTLE_SECONDS = 90.0
"""Until it is known whether nodes are back: one that does not answer takes a minute."""


def rehearse(
    conf: Path,
    command: Sequence[str],
    report: Reporter,
    *,
    flavour: str | None = None,
    nodes: int | None = None,
    memory: int = MEMORY,
) -> int:
    """Rehearse a configuration.

    Args:
        conf: configuration file.
        command: program to run; without one, see this module.
        report: where events go.
        flavour: the flavour to transpose the configuration to; None for its own. A program
            given as `command` transposes by itself.
        nodes: nodes of each cluster; as many as the configuration asks for when None.
        memory: MiB of each node.

    Returns:
        Exit status of the program.

    Raises:
        NxcError: the configuration is wrong, or it cannot be rehearsed here.
    """
    settings = _read(conf, flavour).settings
    if not any(flavour.startswith("g5k-") for flavour in settings.flavours):
        raise ConfigError(
            f"{conf}: flavour {', '.join(settings.flavours)} does not run on Grid'5000",
            resolution="rehearse g5k-ramdisk, g5k-nfs-store or g5k-image",
        )
    need = wanted(settings, nodes=nodes, memory=memory)
    words = command or [sys.executable, "-m", __name__, str(conf.resolve()), settings.flavour]
    with ExitStack() as stack:
        size = Size(lifetime=LIFETIME)
        grid = GridRehearsal(need.specs, only=need.nodes, size=size, report=report)
        stack.enter_context(grid)
        env = {**_kept(grid), **grid.environment}
        status = shell.foreground(words, env=env, timeout=LIFETIME)
        for line in _remains(grid):
            click.echo(line, err=True)
        return status


def _remains(grid: GridRehearsal) -> list[str]:
    """Return what the real Grid'5000 would hold against the program."""
    grid.settle(SETTLE_SECONDS)
    lines = [
        f"{name} was not back in the standard environment: suspected"
        for name in grid.fleet.suspected
    ]
    for service in grid.api.sites.values():
        with service.lock:
            left = [job.uid for job in service.scheduler.jobs() if not job.ended]
        lines += [f"job {uid} of {service.site.name} was not deleted" for uid in left]
    return lines


def _kept(grid: GridRehearsal) -> dict[str, str]:
    """Return where the program finds the user's caches, and where its records go."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return {"XDG_CACHE_HOME": cache, "XDG_STATE_HOME": str(grid.directory / "state")}


def main() -> int:
    """Be that program; errors are shown as `enoslib-nxc` shows them.

    Returns:
        Exit status: 1 for an error, 130 for Ctrl-C.
    """
    try:
        _show(_read(Path(sys.argv[1]), next(iter(sys.argv[2:]), None)))
    except EnosError as error:  # ours, and EnOSlib's on reservations
        click.echo(f"error: {error}", err=True)
        return 1
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return 130
    return 0


def _read(path: Path, flavour: str | None) -> NixOSComposeConf:
    """Return a configuration, transposed where that is wished."""
    conf = NixOSComposeConf.from_file(path)
    return conf.transpose(flavour) if flavour else conf


def _show(conf: NixOSComposeConf) -> None:
    """Reserve, boot, say what there is, and give it all back."""
    with NixOSCompose(conf) as (roles, networks):
        for role, hosts in roles.items():
            click.echo(f"{role}\t{', '.join(sorted(host.address for host in hosts))}")
        for network, given in networks.items():
            click.echo(f"{network}\t{', '.join(str(one.network) for one in given)}")


if __name__ == "__main__":
    sys.exit(main())
