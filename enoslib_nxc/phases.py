"""Phases of a user's own program: measured, and noted for the report."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from enoslib.objects import Host, Roles

from enoslib_nxc import history, state
from enoslib_nxc.errors import NxcError, StateError
from enoslib_nxc.events import Phase, Reporter, step
from enoslib_nxc.mistakes import show, suggest
from enoslib_nxc.reporters import make
from enoslib_nxc.runs import COLUMNS
from enoslib_nxc.steps import OWN

if TYPE_CHECKING:
    from enoslib_nxc.config import Settings
    from enoslib_nxc.model import Deployment

Nodes: TypeAlias = "Iterable[str | Host] | str | Host | Roles | None"
"""Hosts of a deployment: names, or EnOSlib's hosts or Roles; None for the whole."""

SHARED = ("provision", "run")
"""Phases of this package that a user's program may have a part of."""

_NAME = re.compile(r"[^\W_][\w .+-]{0,39}")


@contextmanager
def measured(
    settings: Settings, name: str, nodes: Nodes, reporter: Reporter | None
) -> Iterator[None]:
    """Note what the body does as a phase, whether it fails or not.

    Args:
        settings: of the deployment.
        name: of the phase.
        nodes: the hosts that it is about.
        reporter: takes its events; None for lines on standard error, as progress bars would
            be in the way of what the body shows.

    Raises:
        NxcError: the name cannot be one, or there is no such deployment or host.
    """
    phase = checked(name)
    home = state.find(settings.job_name)
    deployment = home.load() if home else None
    if deployment is None:
        raise StateError(
            f"phase {phase}: there is no deployment {settings.job_name}",
            resolution="call init() before, and the phase before destroy()",
        )
    hosts = _hosts(deployment, phase, nodes)
    told = f"{phase} on {', '.join(hosts)}" if hosts else phase
    with (
        make("silent" if settings.progress == "silent" else "plain", sys.stderr) as shown,
        history.step(deployment.job_name, phase, nodes=hosts, user=True),
        step(reporter or shown, Phase.RUN, told),
    ):
        yield


def checked(name: str) -> str:
    """Return the name of a phase, as it is noted.

    Args:
        name: as the user's program has it.

    Raises:
        NxcError: it cannot be one.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None or name.endswith(" "):
        raise NxcError(
            f"{show(name)} cannot be the name of a phase",
            resolution="use letters, digits, blanks and ._+- inside, at most 40",
        )
    lower = name.lower()
    if lower in SHARED:
        return lower
    if lower in OWN or lower in map(str.lower, COLUMNS):
        raise NxcError(
            f"phase {name} is one of enoslib-nxc's own",
            resolution=f"choose another name; {' and '.join(SHARED)} may be yours too",
        )
    return name


def _hosts(deployment: Deployment, phase: str, nodes: Nodes) -> tuple[str, ...]:
    """Return names of hosts, in the order of the deployment.

    Raises:
        StateError: one of them is none of the deployment's.
    """
    given: Iterable[str | Host] = nodes or ()
    if isinstance(nodes, str | Host):
        given = (nodes,)
    elif isinstance(nodes, Roles):
        given = (host for hosts in nodes.values() for host in hosts)
    # EnOSlib has nodes of Grid'5000 by their own names
    machines = deployment.machines
    names = {m.reserved.node: host for host, m in machines.items() if m.reserved}
    names |= {host: host for host in machines}
    found = set()
    for each in given:
        name = each.alias if isinstance(each, Host) else each
        if name not in names:
            raise StateError(
                f"phase {phase}: deployment {deployment.job_name} has no host {show(name)}",
                resolution=suggest(str(name), machines, listed_as="hosts"),
            )
        found.add(names[name])
    return tuple(host for host in machines if host in found)
