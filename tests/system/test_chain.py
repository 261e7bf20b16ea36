"""Files in a chain of hosts: real ssh servers here, each with a directory of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from enoslib_nxc import context_server, parallel
from enoslib_nxc.boots import chain, serving
from enoslib_nxc.boots.serving import Serving
from enoslib_nxc.errors import CommandError
from enoslib_nxc.files import File
from enoslib_nxc.nix.provenance import digest
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.transfer import Place
from enoslib_nxc.wait import Deadline
from tests.system import lab
from tests.system.loopback_ssh import LoopbackSsh
from tests.unit import factory

HOSTS = ("agent1", "agent2", "agent3", "agent4")
SIZE = 4 << 20
STEP = 64 << 10


@pytest.fixture(autouse=True)
def whatever_size(monkeypatch):
    monkeypatch.setattr(chain, "LEAST_BYTES", 0)


@pytest.fixture(scope="module")
def accesses(tmp_path_factory):
    place = tmp_path_factory.mktemp("ssh")
    with ExitStack() as stack:
        found = {}
        for host in HOSTS:
            server = stack.enter_context(LoopbackSsh(place / host))
            key, known = place / host / "user", place / "known_hosts"
            found[host] = Access(host, "127.0.0.1", server.port, getpass.getuser(), key, known)
        yield found


@pytest.fixture
def places(accesses, tmp_path):
    yield {
        host: Place(access, HostKey.FIRST_CONTACT, str(tmp_path / host))
        for host, access in accesses.items()
    }
    # neither a process, nor with it a port, is left
    lab.until(lambda: not _relays(tmp_path), 10)


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "initrd"
    path.write_bytes(os.urandom(SIZE))
    made = File(path, digest(path), "/nowhere")
    monkeypatch.setattr(serving, "files_of", lambda _run: (made,))
    return made


class Source:
    """Takes some seconds for a copy, and counts what it sends."""

    pause = 0.05

    def __init__(self):
        self.sent = 0

    def copy(self, source, target):
        while data := source.read(STEP):
            target.write(data)
            self.sent += len(data)
            if len(data) == STEP:
                time.sleep(self.pause)


@pytest.fixture
def slow(monkeypatch):
    source = Source()
    monkeypatch.setattr(context_server.shutil, "copyfileobj", source.copy)
    return source


@pytest.fixture
def run(tmp_path):
    made = factory.deployment(*HOSTS)
    here = {h: m.model_copy(update={"address": "127.0.0.1"}) for h, m in made.machines.items()}
    run = factory.run(tmp_path, made.model_copy(update={"machines": here}))
    told = {host: [] for host in HOSTS}
    return replace(run, report=lambda event: told[event.subject].append(event.message)), told


def _relays(tmp_path, host=""):
    """Return the relays of a test, or of a host of it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            ours = process.environ().get("PART", "").startswith(f"{tmp_path}/{host}")
            if ours and process.name().startswith("python"):
                found.append(process)
    return found


def begun(place, file):
    part = Path(place.part(file))
    return part.exists() and part.stat().st_size > STEP


def whole(place, file):
    there = Path(place.target(file))
    assert digest(there) == file.sha256
    assert there.stat().st_mode & 0o777 == 0o600
    assert list(there.parent.iterdir()) == [there]


def test_all_get_the_file_and_the_source_sends_one_copy(places, file, slow, run):
    run, told = run
    made = Serving()
    made.prepare(run, places, inline=True)
    outcome = parallel.each(
        places, lambda host: made.bring(run, host, places[host], Deadline(60))
    )
    # one that has it takes part in nothing
    assert places["agent1"].relay(made.files[0], 20) == ""
    made.close()
    assert outcome.failed == {}
    assert told == {host: ["initrd by the chain"] for host in HOSTS}
    for place in places.values():
        whole(place, file)
    assert SIZE <= slow.sent < SIZE + (8 << 10)


@pytest.mark.parametrize(
    "how", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.full)]
)
def test_one_that_is_lost_does_not_spoil_those_after_it(places, file, slow, run, tmp_path, how):
    run, told = run
    made = Serving()
    made.prepare(run, places, inline=True)
    threads, failed, slow.pause = [], [], 0.1

    def work(host):
        try:
            made.bring(run, host, places[host], Deadline(60))
        except Exception as error:
            failed.append(error)

    for host in HOSTS:
        threads.append(threading.Thread(target=work, args=(host,)))
        threads[-1].start()
        lab.until(lambda host=host: Path(places[host].part(file)).exists(), 10)
    lab.until(lambda: begun(places["agent4"], file), 10)
    slow.pause = 0.02
    (relay,) = _relays(tmp_path, "agent2")
    relay.send_signal(how)
    for host in (0, 2, 3):
        threads[host].join(60)
    with suppress(psutil.Error):
        relay.kill()
    for thread in threads:
        thread.join(60)
    made.close()
    assert failed == []
    assert told["agent1"] == told["agent4"] == ["initrd by the chain"]
    assert told["agent2"][0].startswith("initrd fetched from here: not by the chain: ")
    assert told["agent3"][0].startswith(
        "initrd by the chain, the rest from here: 127.0.0.1 at "
    )
    for place in places.values():
        whole(place, file)
    assert slow.sent < 3 * SIZE


def test_a_relay_serves_only_whom_the_secret_was_given(places, file, slow, run, tmp_path):
    run, told = run
    made = Serving()
    made.prepare(run, places, inline=True)
    worker = threading.Thread(
        target=made.bring, args=(run, "agent1", places["agent1"], Deadline(60))
    )
    worker.start()
    lab.until(lambda: begun(places["agent1"], file), 10)
    (relay,) = _relays(tmp_path)
    (listening,) = [c for c in relay.net_connections("tcp") if c.status == "LISTEN"]
    assert listening.laddr.ip == "127.0.0.1"
    with socket.create_connection(listening.laddr, 5) as stranger:
        stranger.sendall(b"0" * 32)
        stranger.settimeout(5)
        assert stranger.recv(1) == b""
    worker.join(60)
    made.close()
    assert told["agent1"] == ["initrd by the chain"]
    whole(places["agent1"], file)


@pytest.mark.parametrize("how", ["killed", "late"])
def test_a_relay_ends_with_who_waits_for_it(places, file, slow, run, tmp_path, how):
    run, _ = run
    made = Serving()
    made.prepare(run, places, inline=True)
    place, (chained,) = places["agent1"], made.files
    failed = []

    def work():
        try:
            place.relay(chained, 60 if how == "killed" else 1)
        except CommandError as error:
            failed.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    if how == "killed":
        lab.until(lambda: begun(place, file), 10)
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if child.name() == "ssh" and str(place.access.port) in child.cmdline():
                    child.kill()
    worker.join(20)
    assert len(failed) == 1
    if how == "late":
        assert failed[0].details.strip().endswith("it was not there in time")
    lab.until(lambda: not _relays(tmp_path), 2)
    assert list(Path(place.directory).iterdir()) == []
    made.close()
    shutil.rmtree(place.directory)
