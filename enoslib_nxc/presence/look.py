"""What the tasks share: telling hosts apart, and one question to a machine."""

from __future__ import annotations

import shlex
from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from ansible.plugins.action import normal

from enoslib_nxc import compat
from enoslib_nxc.names import ROLE_VARIABLE

_VERSIONS = """\
import sys
from importlib import metadata
for name in sys.argv[1:]:
    try:
        print("python", name, metadata.version(name))
    except metadata.PackageNotFoundError:
        pass
"""


class Task(Protocol):
    """What is needed of Ansible's tasks."""

    delegate_to: str | None


@dataclass(frozen=True)
class Found:
    """What a machine has of what it was asked about.

    Args:
        commands: programs in its PATH.
        files: files.
        versions: package of Python -> version.
        installed: names of `enoslib.compat`.
    """

    commands: frozenset[str]
    files: frozenset[str]
    versions: Mapping[str, str]
    installed: tuple[str, ...]


def question(
    *, commands: Collection[str], files: Collection[str], python: Collection[str], program: str
) -> str:
    """Return a script that tells what there is, in lines that `answer` reads.

    Args:
        commands: programs to look for.
        files: files to look for.
        python: packages of Python to look for.
        program: Python's path.
    """
    lines = [
        f"command -v {shlex.quote(one)} > /dev/null && echo command {shlex.quote(one)}"
        for one in commands
    ]
    lines += [f"[ -e {shlex.quote(one)} ] && echo file {shlex.quote(one)}" for one in files]
    if python:
        lines.append(shlex.join([program, "-c", _VERSIONS, *python]))
    lines.append(f"[ -e {compat.INSTALLED} ] && sed 's/^/installed /' {compat.INSTALLED}")
    return "\n".join([*lines, "true"])


def answer(text: str) -> Found:
    """Read what the script wrote."""
    words = [line.split() for line in text.splitlines()]
    return Found(
        commands=frozenset(line[1] for line in words if line[:1] == ["command"]),
        files=frozenset(line[1] for line in words if line[:1] == ["file"]),
        versions={line[1]: line[2] for line in words if line[:1] == ["python"]},
        installed=tuple(line[1] for line in words if line[:1] == ["installed"]),
    )


class Presence(normal.ActionModule):  # type: ignore[misc]
    """A task that installs something: on systems of ours, it looks whether it is there."""

    def run(
        self, tmp: object = None, task_vars: dict[str, object] | None = None
    ) -> dict[str, object]:
        """Run the task: Ansible's own module unless the host runs a system of ours."""
        known = of_host(self._task, task_vars or {})
        role = str(known.get(ROLE_VARIABLE, ""))
        said = self.look(role, known) if role else None
        if said is None:
            result: dict[str, object] = super().run(tmp, task_vars)
            return result
        # answered at once: there is no job that Ansible could wait for
        self._task.async_val = 0
        return {"changed": False, **said}

    @abstractmethod
    def look(self, role: str, known: Mapping[str, object]) -> dict[str, object] | None:
        """Return the task's result on a system of ours, or None to run Ansible's module.

        Args:
            role: the host's role.
            known: Ansible's variables.
        """

    def ask(
        self,
        known: Mapping[str, object],
        *,
        commands: Collection[str] = (),
        files: Collection[str] = (),
        python: Collection[str] = (),
    ) -> Found:
        """Ask the machine what it has."""
        program = str(known.get("ansible_python_interpreter", "")) or "python3"
        if program.startswith("auto"):  # Ansible would look for one
            program = "python3"
        script = question(commands=commands, files=files, python=python, program=program)
        return answer(str(self._low_level_execute_command(script, sudoable=False)["stdout"]))


def of_host(task: Task, known: Mapping[str, object]) -> Mapping[str, object]:
    """Return the variables of the host that a task runs on: it may be delegated.

    Args:
        task: Ansible's.
        known: variables of the host that the play is for.
    """
    to = task.delegate_to
    if not to:
        return known
    delegated = known.get("ansible_delegated_vars")
    found = delegated.get(to) if isinstance(delegated, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def words(value: object) -> list[str]:
    """Return an argument that Ansible takes as a list, or as text with commas."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [one for part in value for one in words(part)]
    return [one for part in str(value).split(",") if (one := part.strip())]


def failed(subject: str, missing: Collection[str], advice: str) -> dict[str, object]:
    """Return the result of a task that finds something missing."""
    return {
        "failed": True,
        "missing": sorted(missing),
        "msg": f"{subject}: {', '.join(sorted(missing))} is not in the system that this host "
        f"runs, and nothing can be installed there: {advice}",
    }


def absent(
    subject: str, asked: Collection[str], missing: Collection[str], role: str
) -> dict[str, object]:
    """Return the result of a task that wants things away."""
    here = [name for name in asked if name not in missing]
    if not here:
        return {"msg": f"not in the composition: {', '.join(asked)}"}
    return {
        "failed": True,
        "msg": f"{subject}: {', '.join(here)} is part of the system that this host runs: "
        f"take it out of role {role} of the composition",
    }


def present(what: Collection[str]) -> dict[str, object]:
    """Return the result of a task that finds everything."""
    return {"msg": f"in the composition: {', '.join(what)}" if what else "nothing to install"}
