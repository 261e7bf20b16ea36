"""Reads the `resources` of a submission, as OAR's oarsub does (its -l option)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from enoslib_nxc.rehearsal.replies import OURS

ALL = -1
"""Count of a level that asks for `ALL`."""

DEFAULT_WALLTIME = 2 * 3600
"""Seconds; OAR's default admission rule 15."""

_GROUP = re.compile(r"\s*(?:\++|,+|\s*)\s*\{(.+?)\}(.*)", re.S)
_LEVELS = re.compile(r"\s*(?:\++|,+|\s*)\s*/*([^,+]+)\s*(.*)", re.S)
_LEVEL = re.compile(r"\s*(\w+)\s*=\s*(\d{1,9}|ALL)\s*", re.ASCII)
_WALLTIME = re.compile(
    r"[\s,]*walltime\s*=\s*(\d{1,6})(?::(\d{1,6}))?(?::(\d{1,6}))?\s*", re.ASCII
)


VERIFY = "# Error: please verify your job submission syntax."
"""Last line of oarsub's when it found nothing for a request."""


class OarError(Exception):
    """Something that OAR refuses: what its command prints.

    Args:
        text: what it prints.
        status: HTTP status that OAR's API makes of its exit status.
    """

    def __init__(self, text: str, *, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Level:
    """One step of a hierarchy, `host=2`.

    Args:
        name: property; `nodes` is read as `host`, as OAR does.
        count: values wanted, or `ALL`.
    """

    name: str
    count: int


@dataclass(frozen=True)
class Group:
    """What stands between two `+`: `{cluster='x'}/nodes=2`.

    Args:
        where: SQL condition, "" for none.
        levels: from the outermost to the innermost.
    """

    where: str
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Request:
    """What a submission asks for.

    Args:
        groups: at least one.
        walltime: seconds.
    """

    groups: tuple[Group, ...]
    walltime: int


def parse(resources: str) -> Request:
    """Read a resource description.

    Args:
        resources: `{cluster='x'}/nodes=2+slash_22=1,walltime=01:00:00`.

    Raises:
        OarError: with oarsub's text.
    """
    groups: list[Group] = []
    rest = resources
    walltime = DEFAULT_WALLTIME
    while not groups or rest.strip():
        before = rest
        group, rest = _group(rest)
        groups.append(group)
        if found := _WALLTIME.fullmatch(rest):
            hours, minutes, seconds = (int(part or 0) for part in found.groups())
            walltime, rest = hours * 3600 + minutes * 60 + seconds, ""
        if rest == before:
            raise OarError(f"# Error: cannot recognize -- {rest} -- resource")
    if walltime <= 0:
        raise OarError(f"# Error: a walltime of 0 seconds {OURS}")
    return Request(tuple(groups), walltime)


def _group(text: str) -> tuple[Group, str]:
    where = ""
    if found := _GROUP.fullmatch(text):
        where, text = found.groups()
    found = _LEVELS.fullmatch(text)
    if found is None or found[1].lstrip().startswith("walltime"):
        # oarsub falls back to OARSUB_DEFAULT_RESOURCES, here one node
        return Group(where, (Level("host", 1),)), text
    # Perl's split, as OAR uses it, drops what is empty at the end
    levels = tuple(_level(part) for part in found[1].rstrip("/").split("/"))
    return Group(where, levels), found[2]


def _level(text: str) -> Level:
    found = _LEVEL.fullmatch(text)
    if found is None:
        raise OarError(f"# Error: cannot recognize the resource description: {text}")
    name, count = found.groups()
    if count.isdigit() and int(count) == 0:
        raise OarError(f"# Error: nothing is asked for by {text.strip()} {OURS}")
    return Level("host" if name == "nodes" else name, ALL if count == "ALL" else int(count))
