"""Waiting for a greeting: one connection at a time, and an end at once when it is given up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from enoslib_nxc import wait
from enoslib_nxc.errors import BootError
from enoslib_nxc.ssh import Access
from tests.system import lab


class Mute:
    """A server that accepts and says nothing until it is told to."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self.connections.append(self.listener.accept()[0])
            except OSError:
                return

    def wait(self, deadline: wait.Deadline) -> threading.Thread:
        """Wait for its greeting, in a thread."""
        port = self.listener.getsockname()[1]
        self.access = Access("server", "127.0.0.1", port, "root", None, Path("known"))
        self.failed: list[str] = []

        def body() -> None:
            try:
                wait.until_greeting(self.access, deadline, lambda: "")
            except BootError as error:
                self.failed.append(error.brief)

        thread = threading.Thread(target=body)
        thread.start()
        lab.until(lambda: len(self.connections) == 1)
        return thread


@pytest.fixture
def mute() -> Iterator[Mute]:
    server = Mute()
    yield server
    for each in (server.listener, *server.connections):
        each.close()


def test_a_wait_that_is_given_up_ends_at_once(mute):
    deadline = wait.Deadline(60)
    waiting = mute.wait(deadline)
    time.sleep(1)
    assert len(mute.connections) == 1  # guests are not asked more often for that
    deadline.cancel()
    assert lab.timed(lambda: waiting.join(5)) < 0.6
    assert mute.failed == ["server did not answer on ssh within 60 s"]


def test_a_greeting_that_takes_its_time(mute):
    waiting = mute.wait(wait.Deadline(60))
    time.sleep(1)
    mute.connections[0].sendall(b"SSH-2.0-late\r\n")
    assert lab.timed(lambda: waiting.join(5)) < 0.6
    assert mute.failed == []
    assert len(mute.connections) == 1


def test_one_connection_is_kept_for_some_seconds_only(mute, monkeypatch):
    monkeypatch.setattr(wait, "GREETING_SECONDS", 0.5)
    deadline = wait.Deadline(60)
    waiting = mute.wait(deadline)
    lab.until(lambda: len(mute.connections) == 2, 3)
    deadline.cancel()
    waiting.join(5)
