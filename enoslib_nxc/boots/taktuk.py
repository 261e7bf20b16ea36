"""One run of TakTuk: a file from the home on a site to nodes, and what it says of those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from enoslib_nxc import agent, node, pins
from enoslib_nxc.boots import Run
from enoslib_nxc.errors import NxcError
from enoslib_nxc.files import File
from enoslib_nxc.g5k.staging import Staged
from enoslib_nxc.ssh import Access
from enoslib_nxc.transfer import Place

END_SECONDS = 10.0
"""For the script to clean up, once TakTuk was ended."""

PART = "taktuk"
"""Name of what arrives."""


def spread(
    run: Run,
    frontend: Access | None,
    group: Mapping[str, Place],
    file: File,
    staged: Staged,
    seconds: float,
) -> dict[str, str]:
    """Have the site's machine spread a file.

    Args:
        run: the run.
        frontend: how that machine is reached; None for this one.
        group: host -> place, of hosts that are `alike`.
        file: which.
        staged: where the site's home has it.
        seconds: for TakTuk.

    Returns:
        Host -> what went wrong, if it says.
    """
    names = {run.machine(host).ssh_host: host for host in group}
    one = next(iter(group.values()))
    assert one.access  # noqa: S101 (nodes are reached by ssh)
    values = {
        "ACTION": "spread",
        "FILE": staged.path,
        "PART": one.part(file, PART),
        "KEYS": "".join(map(_keys, group.values())),
        "NODES": "\n".join(names),
        "PORT": str(one.access.port),
        "SECONDS": f"{seconds:.0f}",
    }
    text = node.assignments(values) + node.text("taktuk")
    timeout = seconds + END_SECONDS
    try:
        answer = agent.script(frontend, text, run.home.key, timeout=timeout).stdout
    except NxcError as error:
        return dict.fromkeys(group, error.details or error.brief)
    return reasons(answer, names)


def reasons(told: str, names: Mapping[str, str]) -> dict[str, str]:
    """Return host -> the first that TakTuk says of it; what is of none is said of all.

    Args:
        told: lines "NODE: WHY", and others.
        names: name of each node -> its host.
    """
    found: dict[str, str] = {}
    others = []
    for line in told.splitlines():
        name, _, why = line.partition(": ")
        if name in names:
            found.setdefault(names[name], why.strip())
        elif line.strip():
            others.append(line.strip())
    if others:
        found = {**dict.fromkeys(names.values(), others[-1]), **found}
    return found


def alike(places: Mapping[str, Place]) -> Iterable[dict[str, Place]]:
    """Return places by the path that the file gets, and the port: a tree has one for all.

    Args:
        places: host -> place.
    """
    groups: dict[tuple[str, int], dict[str, Place]] = {}
    for host, place in places.items():
        port = place.access.port if place.access else 0
        groups.setdefault((place.directory, port), {})[host] = place
    return groups.values()


def _keys(place: Place) -> str:
    """Return the host keys that a node showed us, under the name by which others reach it."""
    access = place.access
    if access is None or access.known_hosts is None:
        return ""
    name = access.address if access.port == 22 else f"[{access.address}]:{access.port}"
    return pins.renamed(access.known_hosts, access.name, name)
