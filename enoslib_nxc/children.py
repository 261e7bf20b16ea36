"""The processes under way: started, fed, drained, ended. `shell` is how they are used."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn, TypeAlias

Child: TypeAlias = "subprocess.Popen[str]"
Stream: TypeAlias = "IO[bytes] | IO[str]"

GRACE = 60.0
"""Seconds that a program which was interrupted has to clean up: to delete its jobs."""

_children: set[Child] = set()
"""Those under way; `end_all` ends them when a wait for several is interrupted."""


@dataclass(frozen=True)
class Ended:
    """What a process left.

    Args:
        returncode: exit status; negative for a signal.
        stdout: standard output, text; "" when it went to a file.
        stderr: standard error, text.
        seconds: wall-clock duration.
        expired: whether it was ended at its deadline.
    """

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    expired: bool


def start(
    program: str,
    arguments: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Stream | None = None,
    stdout: IO[bytes] | None = None,
) -> Child:
    """Start a process that leads its own session; `finish` must be called for it.

    Args:
        program: path of the program.
        arguments: its arguments.
        env: variables set on top of this process's environment.
        cwd: directory to run it in.
        stdin: file that is its standard input; a pipe without it.
        stdout: file that takes its standard output; a pipe without it.
    """
    child = subprocess.Popen(
        (*_leash(), program, *arguments),
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


def finish(
    child: Child,
    *,
    timeout: float,
    stdin: str | None = None,
    on_stderr: Callable[[str], None] | None = None,
) -> Ended:
    """See a child to its end; its group is killed if we do not get there.

    Args:
        child: the process.
        timeout: seconds until its group is killed.
        stdin: text for its standard input; without it, the input is empty.
        on_stderr: called with each line of standard error as it comes, from another thread.
    """
    started = time.monotonic()
    try:
        stdout, stderr, expired = _communicate(child, stdin, timeout, on_stderr)
    except BaseException:
        kill(child)
        raise
    finally:
        _children.discard(child)
    return Ended(child.returncode, stdout, stderr, time.monotonic() - started, expired)


def foreground(
    program: str, arguments: Sequence[str], *, env: Mapping[str, str], timeout: float
) -> int | None:
    """Run a program that has this process's own input and output, and its session.

    Ctrl-C reaches it as it reaches us; it then has `GRACE` seconds to clean up.

    Args:
        program: path of the program.
        arguments: its arguments.
        env: variables set on top of this process's environment.
        timeout: seconds until it is ended.

    Returns:
        Its exit status, negative for a signal; None when it was ended.
    """
    child = subprocess.Popen((*_leash(), program, *arguments), env={**os.environ, **env})
    try:
        return child.wait(timeout=timeout)
    except subprocess.TimeoutExpired:
        return None
    except KeyboardInterrupt:
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.wait(timeout=GRACE)
        raise
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def become(program: str, arguments: Sequence[str]) -> NoReturn:
    """Run a program in place of this process: it has our terminal, and our process id.

    Args:
        program: path of the program.
        arguments: its arguments.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(program, (program, *arguments))  # noqa: S606


def spare(child: Child) -> None:
    """Let `end_all` leave a process alone. It still ends with this one."""
    _children.discard(child)


def end_all() -> None:
    """End every process that is still waited for, in whichever thread.

    Ctrl-C reaches the main thread only: the waits of the others end with their processes.
    """
    for child in tuple(_children):
        kill(child)


def kill(child: Child) -> None:
    """End a child's whole session: TERM, and KILL for what is left after a second."""
    _children.discard(child)
    for sig in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, sig)
        except ProcessLookupError:
            return
        try:
            child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            continue


@functools.cache
def _leash() -> tuple[str, ...]:
    """Return the words that let a command end with us; () where there are none.

    setpriv asks the kernel for a signal at the end of the thread that started the command
    (prctl(2), PR_SET_PDEATHSIG): that thread is the one that waits for it. What the command
    itself forks, as a daemon, is not concerned. `preexec_fn` would not be safe in threads.
    """
    program = shutil.which("setpriv")
    words = (program or "", "--pdeathsig", "TERM", "--")
    # util-linux has the option since 2.33, busybox has not
    tried = program and subprocess.run(
        (*words, "true"), capture_output=True, timeout=30, check=False
    )
    return words if tried and tried.returncode == 0 else ()


def _communicate(
    child: Child,
    stdin: str | None,
    timeout: float,
    on_stderr: Callable[[str], None] | None,
) -> tuple[str, str, bool]:
    """Feed and drain a child; kill its group at the deadline; return out, err, expired."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        kill(child)

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
    child: Child, stdin: str | None, on_stderr: Callable[[str], None]
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
