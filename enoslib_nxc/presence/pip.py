"""`pip` on systems of ours: are the packages of Python in the composition?"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from packaging.requirements import InvalidRequirement, Requirement

from enoslib_nxc import compat
from enoslib_nxc.presence.look import Presence, failed, present, words


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
    """Return the names that a task gives: a comma is also part of `docker<7,>=5`."""
    lines: list[str] = []
    for word in words(given):
        if lines and not word[0].isalnum() and word[0] not in "./":
            lines[-1] += f",{word}"
        else:
            lines.append(word)
    return lines


class ActionModule(Presence):
    """Ansible's `pip`, or a look."""

    def look(self, role: str, known: Mapping[str, object]) -> dict[str, object] | None:
        """See that the packages are there; in a virtual environment, pip may install."""
        args = self._task.args
        if args.get("virtualenv") or args.get("executable"):
            return None
        lines = joined(args.get("name"))
        if args.get("requirements"):
            lines += self._lines_of(str(args["requirements"]), str(args.get("chdir", "")))
        wanted = parse(lines)
        asked = {one.name if isinstance(one, Requirement) else one: one for one in wanted}
        named = [name for name, one in asked.items() if isinstance(one, Requirement)]
        found = self.ask(known, python=named)
        missing = [name for name in asked if name not in found.versions]
        if missing:
            names = compat.table().bring_python(asked, missing)
            return failed("pip", missing, compat.advice(names, role, found.installed))
        other = [
            f"{one} was asked for, the composition has {found.versions[name]}"
            for name, one in asked.items()
            if isinstance(one, Requirement)
            and not one.specifier.contains(found.versions[name], prereleases=True)
        ]
        return {**present(list(asked)), **({"warnings": other} if other else {})}

    def _lines_of(self, file: str, directory: str) -> list[str]:
        """Return the requirements of a file of the machine (pip's requirements file format)."""
        script = f"cd {shlex.quote(directory or '.')} && cat {shlex.quote(file)}"
        text = str(self._low_level_execute_command(script, sudoable=False)["stdout"])
        lines = [line.partition(" #")[0].strip() for line in text.splitlines()]
        return [line for line in lines if line and line[0] not in "#-"]
