"""Connections through a jump host: few at once."""

import threading
import time
from contextlib import ExitStack

import pytest

from enoslib_nxc import ssh, turns
from enoslib_nxc.errors import DeadlineError
from enoslib_nxc.ssh import Access

JUMP = ("-F", "/config", "-J", "ada@access.grid5000.fr")


def most_at_once(via, gate=""):
    """Return how many of 20 connections are open at the same moment at most."""
    lock, now, most = threading.Lock(), [0], [0]

    def connect(number):
        own = gate.format(number)
        access = Access("node", "node", 22, "root", None, None, via, gate=own)
        with ssh.turn(access, 60):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.02)
            with lock:
                now[0] -= 1

    threads = [threading.Thread(target=connect, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most[0]


def test_few_at_once_through_a_jump_host():
    assert most_at_once(JUMP) == turns.JUMPED


def test_hosts_of_machines_behind_one_have_their_own_turns_and_its():
    assert most_at_once(JUMP, gate="host{}") == turns.JUMPED
    assert most_at_once((), gate="host{}") > turns.JUMPED
    assert most_at_once((), gate="host") == turns.JUMPED


def test_all_at_once_without_one():
    assert most_at_once(("-F", "none")) > turns.JUMPED


def test_who_waits_gives_up_when_the_time_is_over():
    access = Access("node", "node", 22, "root", None, None, JUMP)
    with ExitStack() as busy:
        for _ in range(turns.JUMPED):
            assert busy.enter_context(ssh.turn(access, 60)) == 60
        with pytest.raises(DeadlineError) as caught:
            ssh.script(access, "true", timeout=0.05)
    assert str(caught.value) == (
        "node: no turn on jump host ada@access.grid5000.fr within 0.05 s\n"
        f"  it bears {turns.JUMPED} connections at once"
    )
    with ssh.turn(access, 60) as left:
        assert left == 60


def test_the_wait_counts():
    access = Access("node", "node", 22, "root", None, None, JUMP)
    with ExitStack() as busy:
        for _ in range(turns.JUMPED):
            busy.enter_context(ssh.turn(access, 60))
        free = busy.pop_all()
        thread = threading.Timer(0.3, free.close)
        thread.start()
        with ssh.turn(access, 60) as left:
            assert left < 60
        thread.join()
