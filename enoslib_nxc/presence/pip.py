"""`pip` on systems of ours: are the packages of Python in the composition?"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion

from enoslib_nxc import compat
from enoslib_nxc.presence.look import Presence, absent, failed, present, words

FURTHER = re.compile(r"-[re]|--(requirement|editable)\b")
"""Options of a line of pip's requirements file that install something."""


def parse(lines: list[str]) -> list[Requirement | str]:
    """Return requirements; what is no name and version (a path, an address) as it is."""
    found: list[Requirement | str] = []
    for line in lines:
        try:
            found.append(Requirement(line))
        except InvalidRequirement:
            found.append(line)
    return found


def joined(given: object) -> list[str]:
    """Return the names that a task gives: commas also are in `docker<7,>=5` and `dask[a,b]`."""
    lines: list[str] = []
    for word in words(given):
        inside = bool(lines) and lines[-1].count("[") > lines[-1].count("]")
        if inside or (lines and not word[0].isalnum() and word[0] not in "./"):
            lines[-1] += f",{word}"
        else:
            lines.append(word)
    return lines


def fits(wanted: Requirement, version: str) -> bool:
    """Tell whether a version is one of those that were asked for."""
    try:
        return not wanted.specifier or wanted.specifier.contains(version, prereleases=True)
    except InvalidVersion:  # a distribution's need not be one of PyPI's
        return False


class ActionModule(Presence):
    """Ansible's `pip`, or a look."""

    def look(self, role: str, known: Mapping[str, object]) -> dict[str, object] | None:
        """See that the packages are there; in a virtual environment, pip may install."""
        args = self._task.args
        if args.get("virtualenv") or args.get("executable"):
            return None
        lines = joined(args.get("name"))
        if args.get("requirements"):
            file = posixpath.join(str(args.get("chdir") or "."), str(args["requirements"]))
            read = self._lines_of(file)
            if read is None:
                return {"failed": True, "msg": f"pip: cannot read {file}"}
            if further := [line for line in read if FURTHER.match(line)]:
                told = f"pip: {file} has {', '.join(further)}, which is not looked into here"
                return {"failed": True, "msg": f"{told}: give a file that names its packages"}
            lines += read
        wanted = parse(lines)
        asked = {one.name if isinstance(one, Requirement) else one: one for one in wanted}
        named = [name for name, one in asked.items() if isinstance(one, Requirement)]
        found = self.ask(known, python=named)
        missing = [name for name in asked if name not in found.versions]
        if args.get("state") == "absent":
            return absent("pip", list(asked), missing, role)
        if missing:
            names = compat.table().bring_python(asked, missing)
            return failed("pip", missing, compat.advice(names, role, found.installed))
        other = [
            f"{one} was asked for, the composition has {found.versions[name]}"
            for name, one in asked.items()
            if isinstance(one, Requirement) and not fits(one, found.versions[name])
        ]
        return {**present(list(asked)), **({"warnings": other} if other else {})}

    def _lines_of(self, file: str) -> list[str] | None:
        """Return the requirements in a file of the machine, None where it cannot be read.

        Lines that name further files or directories count: they cannot be seen from here.
        """
        script = f"cat {shlex.quote(file)}"
        result = self._low_level_execute_command(script, sudoable=False)
        if result["rc"]:
            return None
        lines = [line.partition(" #")[0].strip() for line in str(result["stdout"]).splitlines()]
        return [line for line in lines if line and (line[0] not in "#-" or FURTHER.match(line))]
