"""Unit tests start no process and open no connection: an audit hook sees to it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from enoslib_nxc import multiplexing

# https://docs.python.org/3/library/audit_events.html
FORBIDDEN = {
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
    "pty.spawn",
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.sendmsg",
    "socket.sendto",
    "subprocess.Popen",
}

_guarded = False


def _refuse(event: str, args: tuple[object, ...]) -> None:
    if _guarded and event in FORBIDDEN:
        # a BaseException, so that no `except OSError` of the code under test swallows it
        pytest.fail(f"a unit test must not do {event}{args!r}")


sys.addaudithook(_refuse)  # for the life of the process, hence the flag


@pytest.fixture(autouse=True)
def nothing_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each command its own connection: nobody asks ssh for its version."""
    monkeypatch.setattr(multiplexing, "_available", lambda: False)


@pytest.fixture(autouse=True)
def no_process_no_network() -> Iterator[None]:
    """Forbid processes and sockets while a unit test runs."""
    global _guarded
    _guarded = True
    yield
    _guarded = False
