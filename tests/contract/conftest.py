"""Flavours of another package, as if it were installed; Grid'5000 without machines."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import enoslib as en
import pytest

from enoslib_nxc.g5k import api
from enoslib_nxc.rehearsal.jobs import Pace
from enoslib_nxc.rehearsal.server import Rehearsal
from enoslib_nxc.rehearsal.service import Settings
from enoslib_nxc.rehearsal.site import read_site
from enoslib_nxc.rehearsal.testbed import MemoryTestbed
from tests.system.loopback_ssh import LoopbackSsh
from tests.system.vm_hosts import as_host

SITE = read_site({"site": "lille", "cluster": "chiclet", "nodes": 2})
PACE = Pace(schedule=0.05, to_launch=0.05, launch=0.05, kill=0.05, finish=0.05)


@pytest.fixture(scope="session")
def vm_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[en.Host]:
    """This computer as a host of virtual machines, by an ssh server on its loopback."""
    if os.getuid() != 0:
        pytest.skip("such a host is entered as root")
    with LoopbackSsh(tmp_path_factory.mktemp("vm-host") / "ssh") as server:
        yield as_host(server, "vmhost")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Give this process a Grid'5000 without machines; return the methods it is asked with."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    methods: list[str] = []
    settings = Settings(MemoryTestbed(), time.time, pace=PACE)
    with Rehearsal(
        [SITE], home, settings=settings, log=lambda method, *_answer: methods.append(method)
    ):
        yield methods
    api.forget()
