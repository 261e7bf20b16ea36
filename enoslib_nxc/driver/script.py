"""A composition's test script: read, checked before anything starts, and run.

It is Python text that comes with the composition and runs in this process, with the rights
of the user: whoever runs it trusts it as they trust the composition's build.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from enoslib_nxc import shell
from enoslib_nxc.built import Artifacts
from enoslib_nxc.driver.machine import Commands
from enoslib_nxc.errors import ArtifactError, NxcError, ScriptError
from enoslib_nxc.events import Phase, Reporter, step

NAME = "testScript"
"""What messages call a composition's script: its attribute."""


@dataclass(frozen=True)
class Script:
    """A script that is known to be Python.

    Args:
        name: what messages call it.
        text: its text.
        code: the same, compiled.
    """

    name: str
    text: str
    code: CodeType

    def line(self, number: int) -> str:
        """Return a line of it, for an error's details."""
        lines = self.text.splitlines()
        shown = lines[number - 1].strip() if 0 < number <= len(lines) else ""
        return f"{number}: {shown}"


def of(artifacts: Artifacts) -> Script:
    """Return the test script of a composition.

    Raises:
        ScriptError: there is none, or it is not Python.
        ArtifactError: its file is not there.
    """
    missing = ScriptError(
        f"composition {artifacts.composition} has no testScript",
        resolution="add one to the composition, beside roles; or run another with --script",
    )
    if not artifacts.test_script:
        raise missing
    text = _read(artifacts.store.real(artifacts.test_script))
    if not text.strip():  # what NXC writes where the composition has none
        raise missing
    return _compiled(NAME, text)


def from_file(path: Path) -> Script:
    """Return a script of the user's.

    Raises:
        ScriptError: it is not Python.
        ArtifactError: it cannot be read.
    """
    return _compiled(str(path), _read(path))


def run(script: Script, machines: Mapping[str, Commands], report: Reporter) -> None:
    """Run a script to its end.

    Args:
        script: the script.
        machines: identifier -> machine.
        report: where events go.

    Raises:
        ScriptError: it failed, with the line of it where it did.
    """
    # one machine has several names
    distinct = list({machine.name: machine for machine in machines.values()}.values())
    scope: dict[str, object] = {"__name__": NAME, **_names(distinct, report), **machines}
    with step(report, Phase.RUN, f"run {script.name}"):
        try:
            exec(script.code, scope)  # noqa: S102 - to run it is what was asked for
        except SystemExit as error:
            if error.code:
                raise _ended(script, error) from error
        except Exception as error:
            raise _failed(script, error, sorted(machines)) from error


def _names(machines: Sequence[Commands], report: Reporter) -> dict[str, object]:
    """Return the names that NixOS's driver gives a script beside the machines' own."""

    def start_all() -> None:
        """Do nothing: all machines run."""

    def subtest(name: str) -> AbstractContextManager[None]:
        """Group calls under a name."""
        return _subtest(name, report)

    names = {"start_all": start_all, "subtest": subtest, "machines": list(machines)}
    return {**names, "machine": machines[0]} if len(machines) == 1 else names


@contextmanager
def _subtest(name: str, report: Reporter) -> Iterator[None]:
    with step(report, Phase.RUN, f"subtest: {name}"):
        yield


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ArtifactError(
            f"test script {path}: not UTF-8 text (byte {error.start})"
        ) from error
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ArtifactError(f"test script {path} cannot be read: {reason}") from error


def _compiled(name: str, text: str) -> Script:
    try:
        return Script(name, text, compile(text, name, "exec"))
    except SyntaxError as error:
        where = f"{name}, line {error.lineno}" if error.lineno else name
        shown = f"{error.lineno}: {(error.text or '').strip()}" if error.lineno else ""
        raise ScriptError(f"{where}: not Python: {error.msg}", details=shown) from error
    except ValueError as error:  # null bytes, before Python 3.12
        raise ScriptError(f"{name}: not Python: {error}") from error


def _failed(script: Script, error: Exception, known: Sequence[str]) -> ScriptError:
    """Return a script's error with its place; one that is not ours is named by its type."""
    number = _line_of(script, error)
    if isinstance(error, NxcError):
        text, details, hint = error.brief, error.details, error.resolution
    else:
        text, details, hint = _plain(error), "", ""
    if isinstance(error, NameError):
        hint = f"machines here: {', '.join(known)}"
    told = "\n".join(filter(None, [script.line(number), shell.tail(details)]))
    return ScriptError(f"{script.name}, line {number}: {text}", details=told, resolution=hint)


def _ended(script: Script, error: SystemExit) -> ScriptError:
    number = _line_of(script, error)
    return ScriptError(
        f"{script.name}, line {number}: it ended itself with {error.code!r}",
        details=script.line(number),
    )


def _plain(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _line_of(script: Script, error: BaseException) -> int:
    """Return the innermost line of the script that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == script.code.co_filename]
    return (lines[-1] if lines else None) or 0
