"""When machines answer under their own roles, seen from outside."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from benchmarks.measure import MeasureError

PATIENCE = 1.0
"""Seconds that the first connection waits for a greeting, then twice as many each time: the
first packets to a machine that boots are lost, and repeated at growing intervals only; but
each connection that a slow machine accepts costs it the start of a process."""

PATIENCE_LIMIT = 16.0

REBOOT_LIMIT = 4.0
"""The same for a machine that leaves its system: nothing of it accepts what it cannot answer,
and packets that were lost are to be repeated soon."""

SILENT_SECONDS = 0.5
"""Between two looks at whether a system is left: each costs it the start of a process."""

LOOK_SECONDS = 0.1
"""Between two looks; a refused connection costs a machine nothing."""

LOGINS = 3
"""Attempts to log in."""

SSH_SECONDS = 60.0
"""For one login: several machines that boot at once are slow."""

SSH = (
    *("ssh", "-T", "-F", "none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"),
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "ControlPath=none", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=30"),
)
"""ssh without what its user has configured, and without a look at host keys."""


@dataclass(frozen=True)
class Door:
    """How a machine is reached.

    Args:
        host: its name.
        role: that it is to have.
        port: TCP port of its ssh server.
        address: likewise.
        boot: boot_id of the system that it has left, which is not meant.
    """

    host: str
    role: str
    port: int = 22
    address: str = "127.0.0.1"
    boot: str = ""


@dataclass(frozen=True)
class Wait:
    """How long machines are waited for.

    Args:
        key: private key that root of them trusts.
        deadline: moment of the monotonic clock after which none is waited for.
        trouble: says why nobody needs to wait any longer, "" while one may.
        over: set when nobody waits any more.
    """

    key: Path
    deadline: float
    trouble: Callable[[], str]
    over: Event


def command(door: Door, key: Path, words: str) -> list[str]:
    """Return the command line that runs words on a machine as root."""
    return [*SSH, "-i", str(key), "-p", str(door.port), f"root@{door.address}", words]


def each(
    doors: Sequence[Door], work: Callable[[Door], None], over: Event | None = None
) -> None:
    """Do something for all machines, side by side.

    Args:
        doors: of the machines.
        work: what.
        over: set when one has failed, or when this is interrupted.
    """
    with ThreadPoolExecutor(len(doors)) as pool:
        try:
            for end in [pool.submit(work, door) for door in doors]:
                end.result()
        except BaseException:
            if over:
                over.set()
            raise


def until_all(
    doors: Sequence[Door], key: Path, seconds: float, trouble: Callable[[], str] = str
) -> None:
    """Wait until all machines answer: for each its greeting, then one login.

    Args:
        doors: of the machines.
        key: private key that root of them trusts.
        seconds: after which none is waited for.
        trouble: says why nobody needs to wait any longer, "" while one may.

    Raises:
        MeasureError: one did not answer, or under another role.
    """
    wait = Wait(key, time.monotonic() + seconds, trouble, Event())
    each(doors, lambda door: until(door, wait), wait.over)


def until(door: Door, wait: Wait) -> None:
    """Wait until a machine answers; see `until_all`."""
    words = "cat /proc/sys/kernel/random/boot_id; cat /etc/nxc/role"
    failed = 0
    if door.boot:
        # a login to a system that is left on the way would hang
        _until_silent(door, wait)
    while True:
        _until_greeting(door, wait)
        try:
            boot, _, role = ask(door, wait.key, words).partition("\n")
        except MeasureError:
            failed += 1  # it may leave its system while it is asked
            if failed >= LOGINS:
                raise
        else:
            if boot != door.boot:
                break
        time.sleep(LOOK_SECONDS)
    if role != door.role:
        raise MeasureError(f"{door.host} answers as {role or 'nothing'}, not as {door.role}")


def _until_silent(door: Door, wait: Wait) -> None:
    """Open one connection after the other, until sshd greets no more."""
    while _greets(door, PATIENCE, wait.over):
        if reason := wait.trouble():
            raise MeasureError(f"{door.host}: {reason}")
        if time.monotonic() > wait.deadline:
            raise MeasureError(f"{door.host} did not leave its system in time")
        time.sleep(SILENT_SECONDS)


def _until_greeting(door: Door, wait: Wait) -> None:
    """Open one connection after the other, until sshd greets."""
    patience = PATIENCE
    limit = REBOOT_LIMIT if door.boot else PATIENCE_LIMIT
    while not wait.over.is_set():
        if reason := wait.trouble():
            raise MeasureError(f"{door.host}: {reason}")
        began = time.monotonic()
        if began > wait.deadline:
            raise MeasureError(f"{door.host} did not answer in time")
        if _greets(door, patience, wait.over):
            return
        if time.monotonic() - began >= patience:
            patience = min(2 * patience, limit)
        time.sleep(LOOK_SECONDS)
    raise MeasureError(f"{door.host}: nobody waits any longer")


def _greets(door: Door, seconds: float, over: Event) -> bool:
    """Tell whether an ssh server sends its greeting, on one connection."""
    end = time.monotonic() + seconds
    with suppress(OSError), socket.create_connection((door.address, door.port), seconds) as one:
        one.settimeout(LOOK_SECONDS)
        while time.monotonic() < end and not over.is_set():
            with suppress(TimeoutError):
                return one.recv(4) == b"SSH-"
    return False


def listens(door: Door) -> bool:
    """Tell whether anybody listens where a machine is to be reached."""
    with socket.socket() as probe:
        probe.settimeout(PATIENCE)
        return probe.connect_ex((door.address, door.port)) == 0


def ask(door: Door, key: Path, words: str, seconds: float = SSH_SECONDS) -> str:
    """Return the output of a command on a machine.

    Raises:
        MeasureError: it failed.
    """
    argv = command(door, key, words)
    try:
        done = subprocess.run(
            argv, timeout=seconds, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise MeasureError(f"{door.host}: no answer within {seconds:g} s") from error
    if done.returncode:
        raise MeasureError(f"{door.host}: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()
