"""Processes are ended, also where nobody waits for them."""

from __future__ import annotations

import subprocess
import time

import psutil

from enoslib_nxc import procs
from tests.system import lab


def test_an_orphan_that_its_parent_leaves_a_zombie_has_ended() -> None:
    # as in a container whose first process is no init
    with subprocess.Popen(["sh", "-c", "sleep 600 & exec sleep 600"]) as careless:
        try:
            parent = psutil.Process(careless.pid)
            end = time.monotonic() + 10
            while not (children := parent.children()) or parent.name() != "sleep":
                assert time.monotonic() < end
                time.sleep(0.01)
            started = time.monotonic()
            assert procs.end(children, 30) == []
            assert time.monotonic() - started < procs.KILL_GRACE
            assert children[0].status() == psutil.STATUS_ZOMBIE
        finally:
            careless.kill()


def test_what_has_ended_has_no_words() -> None:
    with subprocess.Popen(["sleep", "600"]) as ending:
        process = psutil.Process(ending.pid)
        try:
            lab.until(lambda: procs.words(process) == ["sleep", "600"], 10)
        finally:
            ending.kill()
        lab.until(lambda: process.status() == psutil.STATUS_ZOMBIE, 10)
        assert procs.words(process) == []
    assert procs.words(process) == []
