"""Finding and ending the processes of a deployment by the token in their command lines.

The process table is the truth: it also knows a process that was started just before its
starter was killed, and it cannot mistake a recycled process id for one of ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

KILL_GRACE = 2.0
"""Seconds between TERM and KILL: QEMU and vde_switch end at once on TERM."""

LOOK_SECONDS = 0.2
"""Seconds after which it is looked again for what has ended without being waited for."""


def tagged(token: str) -> list[psutil.Process]:
    """Return this user's processes whose command line contains a token.

    Args:
        token: a random word that nothing else would hold.
    """
    uid = psutil.Process().uids().real
    me = psutil.Process().pid
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == me or process.uids().real != uid:
                continue
        except psutil.Error:
            continue
        if any(token in word for word in words(process)):
            found.append(process)
    return found


def words(process: psutil.Process) -> list[str]:
    """Return the command line of a process; nothing once it has ended."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def end(
    processes: list[psutil.Process], timeout: float, grace: float = KILL_GRACE
) -> list[psutil.Process]:
    """End processes: TERM, then KILL.

    Args:
        processes: which.
        timeout: seconds until those that are still there are given up.
        grace: seconds between TERM and KILL.

    Returns:
        Those that did not end.
    """
    for process in processes:
        _quietly(process.terminate)
    alive = _left(processes, min(grace, timeout))
    for process in alive:
        _quietly(process.kill)
    return _left(alive, max(0.1, timeout - grace))


def _left(processes: list[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Wait for processes to end, and return those that have not."""
    until = time.monotonic() + timeout
    while True:
        wait = max(0.0, min(LOOK_SECONDS, until - time.monotonic()))
        _gone, alive = psutil.wait_procs(processes, timeout=wait)
        processes = [process for process in alive if not _is_zombie(process)]
        if not processes or time.monotonic() >= until:
            return processes


def _is_zombie(process: psutil.Process) -> bool:
    """Tell whether a process has ended, and nobody asks how.

    In a container whose first process is no init, orphans stay so for as long as it runs.
    """
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _quietly(action: Callable[[], None]) -> None:
    try:
        action()
    except psutil.NoSuchProcess:
        return
