"""The one place through which processes are run (`children` has them while they are).

Always an argv list, never a shell; always a deadline; the child leads its own session, so
that its whole group ends with the step that started it, Ctrl-C included. Where this process
itself is ended, by SIGTERM or SIGKILL, the kernel sends its children SIGTERM.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from enoslib_nxc import children
from enoslib_nxc.children import Child
from enoslib_nxc.errors import CommandError, DeadlineError, ToolMissingError

TAIL_LINES = 20
"""Lines of output that an error shows: what colmena and Nix show by default."""

SHOWN = 600
"""Characters of a command line that an error shows: that of QEMU has thousands."""

SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where system programs are, searched after PATH."""


@dataclass(frozen=True)
class Result:
    """What a finished process left.

    Args:
        argv: the command.
        returncode: exit status; negative for a signal.
        stdout: standard output, text.
        stderr: standard error, text.
        seconds: wall-clock duration.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a text, for an error's details."""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def _shown(words: Sequence[str]) -> str:
    """Return a command line for an error's details: its beginning and its end."""
    line = shlex.join(words)
    if len(line) <= SHOWN:
        return line
    half = SHOWN // 2
    return f"{line[:half]} [{len(line) - 2 * half} characters] {line[-half:]}"


def which(program: str) -> str | None:
    """Return the path of a program or None; sbin is searched too, as users often lack it."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN))
    return shutil.which(program, path=path)


def require(program: str, *, purpose: str, package: str) -> str:
    """Return the path of a program that is needed.

    Args:
        program: its name.
        purpose: what it is needed for, "to start virtual machines".
        package: the Debian package that brings it.

    Raises:
        ToolMissingError: it is not installed.
    """
    path = which(program)
    if path is None:
        raise ToolMissingError(
            f"{program} is not installed; it is needed {purpose}",
            resolution=f"apt-get install {package}",
        )
    return path


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    stdin: str | None = None,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    on_stderr: Callable[[str], None] | None = None,
) -> Result:
    """Run a command to its end.

    Args:
        argv: the command; its first word is looked up in PATH.
        timeout: seconds until its process group is killed.
        stdin: text for its standard input; without it, the input is empty.
        check: raise when it exits with anything but 0.
        env: variables set on top of this process's environment.
        cwd: directory to run it in.
        on_stderr: called with each line of standard error as it comes, from another thread.

    Returns:
        Its exit status and output.

    Raises:
        ToolMissingError: there is no such program.
        CommandError: it failed (with `check`).
        DeadlineError: it did not end in time.
    """
    words = tuple(str(word) for word in argv)
    child = _started(words, env=env, cwd=cwd)
    return _finished(child, words, stdin=stdin, timeout=timeout, check=check, follow=on_stderr)


def beside(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    check: bool = True,
    on_stderr: Callable[[str], None] | None = None,
) -> Result:
    """Run a command that belongs to no step: `children.end_all` leaves it; our end does not.

    Arguments, result and errors are those of `run`.
    """
    words = tuple(str(word) for word in argv)
    child = _started(words)
    children.spare(child)
    return _finished(child, words, timeout=timeout, check=check, follow=on_stderr)


def foreground(argv: Sequence[str], *, env: Mapping[str, str], timeout: float) -> int:
    """Run a command that has this process's own input and output: the user's program.

    Ctrl-C reaches it as it reaches us; it then has a minute to clean up.

    Args:
        argv: the command; its first word is looked up in PATH.
        env: variables set on top of this process's environment.
        timeout: seconds until it is ended.

    Returns:
        Its exit status; negative for a signal.

    Raises:
        ToolMissingError: there is no such program.
        DeadlineError: it did not end in time.
    """
    path = env.get("PATH", os.environ.get("PATH", os.defpath))
    program = shutil.which(argv[0], path=path)
    if program is None:
        raise ToolMissingError(f"{argv[0]} is not installed")
    status = children.foreground(program, argv[1:], env=env, timeout=timeout)
    if status is None:
        raise DeadlineError(f"{argv[0]} did not end within {timeout:g} s")
    return status


def become(argv: Sequence[str]) -> NoReturn:
    """Run a command in place of this process: the user's shell on a machine, a log.

    Args:
        argv: the command; its first word is looked up in PATH.

    Raises:
        ToolMissingError: there is no such program.
    """
    program = which(argv[0])
    if program is None:
        raise ToolMissingError(f"{argv[0]} is not installed")
    children.become(program, argv[1:])


def stream(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    stdin_from: Path | None = None,
    stdout_to: Path | None = None,
    offset: int = 0,
) -> Result:
    """Run a command whose standard input or output is a file: bytes, never held in memory.

    Args:
        argv: the command; its first word is looked up in PATH.
        timeout: seconds until its process group is killed.
        stdin_from: file that is its standard input; without it, the input is empty.
        stdout_to: file that takes its standard output; without it, see the result.
        offset: bytes of `stdin_from` to leave out at its beginning.

    Returns:
        Its exit status, standard error, and output if that went to no file.

    Raises:
        ToolMissingError: there is no such program.
        CommandError: it failed.
        DeadlineError: it did not end in time.
    """
    words = tuple(str(word) for word in argv)
    with ExitStack() as files:
        source = files.enter_context(stdin_from.open("rb")) if stdin_from else None
        if source:
            source.seek(offset)
        target = files.enter_context(stdout_to.open("wb")) if stdout_to else None
        child = _started(words, stdin=source, stdout=target)
        return _finished(child, words, timeout=timeout)


def pipe(source: Sequence[str | Path], sink: Sequence[str | Path], *, timeout: float) -> Result:
    """Run a command on the output of another: bytes, never held in memory.

    Args:
        source: the command whose output is taken; it says little on standard error.
        sink: the command that takes it.
        timeout: seconds until both are killed.

    Returns:
        What the sink left.

    Raises:
        ToolMissingError: there is no such program.
        CommandError: one of them failed.
        DeadlineError: they did not end in time.
    """
    first, second = (tuple(str(word) for word in words) for words in (source, sink))
    giver = _started(first)
    taken, giver.stdout = giver.stdout, None
    try:
        with taken or nullcontext():
            taker = _started(second, stdin=taken)
        result = _finished(taker, second, timeout=timeout)
    except BaseException:
        children.kill(giver)
        raise
    _finished(giver, first, timeout=timeout)
    return result


def _started(
    words: tuple[str, ...],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: IO[bytes] | IO[str] | None = None,
    stdout: IO[bytes] | None = None,
) -> Child:
    program = which(words[0])
    if program is None:
        raise ToolMissingError(f"{words[0]} is not installed")
    return children.start(program, words[1:], env=env, cwd=cwd, stdin=stdin, stdout=stdout)


def _finished(
    child: Child,
    words: tuple[str, ...],
    *,
    timeout: float,
    stdin: str | None = None,
    check: bool = True,
    follow: Callable[[str], None] | None = None,
) -> Result:
    """See a child to its end, and raise what is wrong with that."""
    ended = children.finish(child, timeout=timeout, stdin=stdin, on_stderr=follow)
    details = f"$ {_shown(words)}\n{tail(ended.stderr or ended.stdout)}"
    if ended.expired:
        raise DeadlineError(f"{words[0]} did not end within {timeout:g} s", details=details)
    if check and ended.returncode != 0:
        raise CommandError(
            f"{words[0]} failed with exit status {ended.returncode}", details=details
        )
    return Result(words, ended.returncode, ended.stdout, ended.stderr, ended.seconds)
