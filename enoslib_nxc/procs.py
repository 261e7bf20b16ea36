"""Finding and ending the processes of a deployment by the token in their command lines.

The process table is the truth: it also knows a process that was started just before its
starter was killed, and it cannot mistake a recycled process id for one of ours.
"""

from __future__ import annotations

from collections.abc import Callable

import psutil

KILL_GRACE = 2.0
"""Seconds between TERM and KILL: QEMU and vde_switch end at once on TERM."""


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
            if any(token in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


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
    _gone, alive = psutil.wait_procs(processes, timeout=min(grace, timeout))
    for process in alive:
        _quietly(process.kill)
    _gone, alive = psutil.wait_procs(alive, timeout=max(0.1, timeout - grace))
    return list(alive)


def _quietly(action: Callable[[], None]) -> None:
    try:
        action()
    except psutil.NoSuchProcess:
        return
