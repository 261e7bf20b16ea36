"""The one place that starts a process.

Always an argv list, never a shell; always a deadline; the child leads its own session, so
that its whole group ends with the step that started it, Ctrl-C included. Where this process
itself is ended, by SIGTERM or SIGKILL, the kernel sends its children SIGTERM.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from enoslib_nxc.errors import CommandError, DeadlineError, ToolMissingError

TAIL_LINES = 20
"""Lines of output that an error shows: what colmena and Nix show by default."""

SHOWN = 600
"""Characters of a command line that an error shows: that of QEMU has thousands."""

SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where system programs are, searched after PATH."""

GRACE = 60.0
"""Seconds that a program which was interrupted has to clean up: to delete its jobs."""

_children: set[subprocess.Popen[str]] = set()
"""Those under way; `end_children` ends them when a wait for several is interrupted."""


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
    child = _start(words, env=env, cwd=cwd)
    return _finish(child, words, stdin=stdin, timeout=timeout, check=check, follow=on_stderr)


def beside(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    check: bool = True,
    on_stderr: Callable[[str], None] | None = None,
) -> Result:
    """Run a command that belongs to no step: `end_children` leaves it. It still ends with us.

    Arguments, result and errors are those of `run`.
    """
    words = tuple(str(word) for word in argv)
    child = _start(words)
    _children.discard(child)
    return _finish(child, words, timeout=timeout, check=check, follow=on_stderr)


def foreground(argv: Sequence[str], *, env: Mapping[str, str], timeout: float) -> int:
    """Run a command that has this process's own input and output: the user's program.

    Ctrl-C reaches it as it reaches us; it then has `GRACE` seconds to clean up.

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
    child = subprocess.Popen((*_leash(), program, *argv[1:]), env={**os.environ, **env})
    try:
        return child.wait(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise DeadlineError(f"{argv[0]} did not end within {timeout:g} s") from error
    except KeyboardInterrupt:
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.wait(timeout=GRACE)
        raise
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


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
        child = _start(words, stdin=source, stdout=target)
        return _finish(child, words, timeout=timeout)


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
    giver = _start(first)
    taken, giver.stdout = giver.stdout, None
    try:
        with taken or nullcontext():
            taker = _start(second, stdin=taken)
        result = _finish(taker, second, timeout=timeout)
    except BaseException:
        _kill_group(giver)
        _children.discard(giver)
        raise
    _finish(giver, first, timeout=timeout)
    return result


def _finish(
    child: subprocess.Popen[str],
    words: tuple[str, ...],
    *,
    timeout: float,
    stdin: str | None = None,
    check: bool = True,
    follow: Callable[[str], None] | None = None,
) -> Result:
    """See a child to its end; its group is killed if we do not get there."""
    started = time.monotonic()
    try:
        stdout, stderr, expired = _communicate(child, stdin, timeout, follow)
    except BaseException:
        _kill_group(child)
        raise
    finally:
        _children.discard(child)
    result = Result(words, child.returncode, stdout, stderr, time.monotonic() - started)
    if expired:
        raise DeadlineError(
            f"{words[0]} did not end within {timeout:g} s",
            details=f"$ {_shown(words)}\n{tail(stderr or stdout)}",
        )
    if check and result.returncode != 0:
        raise CommandError(
            f"{words[0]} failed with exit status {result.returncode}",
            details=f"$ {_shown(words)}\n{tail(stderr or stdout)}",
        )
    return result


def _start(
    words: tuple[str, ...],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: IO[bytes] | IO[str] | None = None,
    stdout: IO[bytes] | None = None,
) -> subprocess.Popen[str]:
    program = which(words[0])
    if program is None:
        raise ToolMissingError(f"{words[0]} is not installed")
    child = subprocess.Popen(
        (*_leash(), program, *words[1:]),
        stdin=stdin or subprocess.PIPE,
        stdout=stdout or subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, **env} if env else None,
        cwd=cwd,
        start_new_session=True,
    )
    _children.add(child)
    return child


@functools.cache
def _leash() -> tuple[str, ...]:
    """Return the words that let a command end with us; () where there are none.

    setpriv asks the kernel for a signal at the end of the thread that started the command
    (prctl(2), PR_SET_PDEATHSIG): that thread is the one that waits for it. What the command
    itself forks, as a daemon, is not concerned. `preexec_fn` would not be safe in threads.
    """
    program = which("setpriv")
    words = (program or "", "--pdeathsig", "TERM", "--")
    # util-linux has the option since 2.33, busybox has not
    tried = program and subprocess.run(
        (*words, "true"), capture_output=True, timeout=30, check=False
    )
    return words if tried and tried.returncode == 0 else ()


def end_children() -> None:
    """End every process that this module still waits for, in whichever thread.

    Ctrl-C reaches the main thread only: the waits of the others end with their processes.
    """
    for child in tuple(_children):
        _kill_group(child)


def _communicate(
    child: subprocess.Popen[str],
    stdin: str | None,
    timeout: float,
    on_stderr: Callable[[str], None] | None,
) -> tuple[str, str, bool]:
    """Feed and drain a child; kill its group at the deadline; return out, err, expired."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        _kill_group(child)

    timer = threading.Timer(timeout, expire)
    timer.daemon = True
    timer.start()
    try:
        if on_stderr is None:
            stdout, stderr = child.communicate(stdin or "")
            stdout = stdout or ""  # None when it went to a file
        else:
            stdout, stderr = _follow(child, stdin, on_stderr)
    finally:
        timer.cancel()
    return stdout, stderr, expired.is_set()


def _follow(
    child: subprocess.Popen[str], stdin: str | None, on_stderr: Callable[[str], None]
) -> tuple[str, str]:
    lines: list[str] = []

    def pump() -> None:
        for line in child.stderr or ():
            lines.append(line)
            on_stderr(line.rstrip("\n"))

    follower = threading.Thread(target=pump, daemon=True)
    follower.start()
    if child.stdin:
        child.stdin.write(stdin or "")
        child.stdin.close()
    stdout = child.stdout.read() if child.stdout else ""
    child.wait()
    follower.join()
    return stdout, "".join(lines)


def _kill_group(child: subprocess.Popen[str]) -> None:
    """End the child's whole session: TERM, and KILL for what is left after a second."""
    for sig in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, sig)
        except ProcessLookupError:
            return
        try:
            child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            continue
