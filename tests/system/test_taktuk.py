"""Files spread by a real TakTuk between real sshds: a frontend, nodes with their own disks."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from enoslib_nxc import agent, parallel, pins, shell, ssh
from enoslib_nxc.boots import staged
from enoslib_nxc.boots.staged import StagedDelivery
from enoslib_nxc.errors import CommandError, DeadlineError
from enoslib_nxc.files import File
from enoslib_nxc.g5k import where
from enoslib_nxc.model import Reserved
from enoslib_nxc.nix.provenance import digest
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.transfer import Place
from enoslib_nxc.wait import Deadline
from tests.system import lab
from tests.system.loopback_ssh import LoopbackSsh
from tests.unit import factory

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root makes file systems for the nodes"
)

MANY = tuple(f"agent{number}" for number in range(1, 9))
"""So many that nodes to which no key was sent from the root pass them on."""

HOSTS = MANY[:4]
SIZE = 5 << 20
ROOM = "16m"


class Node(LoopbackSsh):
    """A node: an sshd at an address of its own, with file systems of its own at two paths.

    Args:
        directory: where its keys and configuration go.
        number: its address is 127.0.9.NUMBER.
        disk: the path where files go.
        temporary: the path where the frontend has others, which no node is to see.
        port: that of all nodes.
    """

    def __init__(
        self, directory: Path, number: int, disk: Path, temporary: Path, port: int
    ) -> None:
        super().__init__(directory, address=f"127.0.9.{number}")
        self.port = port
        mount = 'mount -t tmpfs -o size=$1 tmpfs "$2" && mount -t tmpfs tmpfs "$3"'
        private = ["unshare", "--mount", "--propagation", "private"]
        paths = [ROOM, str(disk), str(temporary)]
        self.wrapped = [*private, "sh", "-c", f'{mount} && shift 3 && exec "$@"', "sh", *paths]

    def on(self, *words: str) -> str:
        """Run a command with its file system."""
        inside = ["nsenter", "-t", str(self.pid), "-m", *words]
        return subprocess.run(inside, check=True, capture_output=True, text=True).stdout


class Site:
    """A frontend with TakTuk, and nodes.

    Args:
        place: a directory for all of it.
    """

    def __init__(self, place: Path) -> None:
        self.place, self.home, self.disk = place, place / "home", place / "disk"
        self.home.mkdir()
        self.disk.mkdir()
        self.nodes: dict[str, Node] = {}
        ssh.make_key(place / "id_ed25519", "the deployment's")

    def __enter__(self) -> Site:
        with ExitStack() as stack:
            temporary = self.place / "tmp"
            temporary.mkdir()
            frontend = LoopbackSsh(self.place / "frontend", HOME=self.home, TMPDIR=temporary)
            self.frontend = stack.enter_context(frontend)
            for number, host in enumerate(MANY, 1):
                port = self.frontend.port
                node = Node(self.place / host, number, self.disk, temporary, port)
                self.nodes[host] = stack.enter_context(node)
                shutil.copy(self.place / "id_ed25519.pub", node.directory / "authorized")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(None, None, None)

    @property
    def way(self) -> Access:
        """How the frontend is reached: with the user's key, which no node knows."""
        return Access(
            "lille",
            "127.0.0.1",
            self.frontend.port,
            getpass.getuser(),
            self.frontend.directory / "user",
            None,
            (
                "-F",
                "none",
                "-o",
                f"UserKnownHostsFile={self.place}/known",
                "-o",
                "StrictHostKeyChecking=accept-new",
            ),
        )

    def run(self, tmp_path: Path, hosts: tuple[str, ...], push: str):
        """Return a run on nodes, and how each is entered."""
        made = factory.deployment(*hosts)
        machines, places = {}, {}
        shutil.copy(self.place / "id_ed25519", tmp_path)
        for host in hosts:
            node = self.nodes[host]
            access = Access(
                f"{host}.lille.grid5000.fr",
                node.address,
                node.port,
                "root",
                tmp_path / "id_ed25519",
                tmp_path / "known_hosts.entry",
            )
            # the survey's first contact
            ssh.script(access, "true", timeout=30, host_key=HostKey.FIRST_CONTACT)
            reserved = Reserved(node=access.name, site="lille", job=1)
            update = {"reserved": reserved, "ssh_host": node.address, "ssh_port": node.port}
            machines[host] = made.machines[host].model_copy(update=update)
            places[host] = Place(access, HostKey.PINNED, f"{self.disk}/enoslib-nxc-0123")
        update = {"machines": machines, "login": "ada", "flavour": "g5k-ramdisk"}
        wish = {"g5k": {"push": push}, "retries": {"push": 0}}
        return factory.run(tmp_path, made.model_copy(update=update), **wish), places


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(autouse=True)
def clean(site, monkeypatch):
    monkeypatch.setattr(where, "frontend", lambda *_words: site.way)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    yield
    for node in site.nodes.values():
        node.on("rm", "-rf", f"{site.disk}/enoslib-nxc-0123", f"{site.disk}/fill")
    shutil.rmtree(site.home / "public", ignore_errors=True)
    # neither a process of TakTuk's, nor an agent, nor a file on the frontend is left
    lab.until(lambda: not _left(site), 20)
    assert list((site.place / "tmp").iterdir()) == []
    assert list(site.disk.iterdir()) == []


def _left(site: Site) -> list[list[str]]:
    """Return the command lines of what TakTuk is made of, and of agents."""
    found = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    marks = ("taktuk", "ssh-agent", "-A", "-r")
    return [words for words in found if any(mark in words for mark in marks)]


@pytest.fixture
def files(tmp_path, monkeypatch):
    made = []
    for name, size in (("kernel", 1 << 20), ("initrd", SIZE)):
        path = tmp_path / name
        path.write_bytes(os.urandom(size))
        made.append(File(path, digest(path), "/nowhere"))
    monkeypatch.setattr(staged, "files_of", lambda _run: made)
    return made


@contextmanager
def counted(monkeypatch):
    """Count what is sent from here over ssh."""
    sent, stream = [], shell.stream

    def seen(words, **more):
        if "stdin_from" in more:
            sent.append((more["stdin_from"].name, words[-2]))
        return stream(words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(shell, "stream", seen)
        yield sent


def outcome_of(run, places):
    """Bring the files to all hosts side by side, as they are started; tell by which way."""
    told: dict[str, list[str]] = {host: [] for host in places}

    def report(event):
        if event.subject in told:
            told[event.subject].append(event.message)

    run = replace(run, report=report)
    delivery = StagedDelivery()
    delivery.prepare(run, places, inline=True)
    outcome = parallel.each(
        places, lambda host: delivery.bring(run, host, places[host], Deadline(60))
    )
    return told, outcome.failed


def brought(run, places):
    """Do the same where all is to go well."""
    told, failed = outcome_of(run, places)
    assert failed == {}
    return told


@contextmanager
def watched():
    """Look out for connections that a TakTuk on a node has made: leaves of the tree."""
    seen, over = [], threading.Event()

    def watch():
        while not over.wait(0.05):
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    words = process.cmdline()
                    if "-A" in words and any("-r" in p.cmdline() for p in process.parents()):
                        seen.append(words)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@pytest.mark.full
def test_the_tree_goes_as_deep_as_it_must(site, tmp_path, files):
    run, places = site.run(tmp_path, MANY, "taktuk")
    told = brought(run, places)
    assert told == {host: ["kernel by taktuk", "initrd by taktuk"] for host in MANY}


@pytest.mark.parametrize("push", ["taktuk", pytest.param("send", marks=pytest.mark.full)])
def test_all_nodes_get_the_files_from_the_site(site, tmp_path, files, monkeypatch, push):
    run, places = site.run(tmp_path, HOSTS, push)
    with counted(monkeypatch) as sent, watched() as leaves:
        told = brought(run, places)
    assert told == {host: ["kernel by taktuk", "initrd by taktuk"] for host in HOSTS}
    # from here each went to the home, once; from the frontend to two, and on from there
    assert sent == [("kernel", "127.0.0.1"), ("initrd", "127.0.0.1")]
    assert leaves
    for host, place in places.items():
        node, directory = site.nodes[host], place.directory
        for file in files:
            assert node.on("sha256sum", f"{directory}/{file.sha256}").split()[0] == file.sha256
        names = [n for n in node.on("ls", directory).split() if not n.startswith("hosts.")]
        assert sorted(names) == sorted(file.sha256 for file in files)
        assert node.on("stat", "-c", "%U %a", directory).split() == ["root", "700"]


def test_nodes_that_taktuk_does_not_serve(site, tmp_path, files, monkeypatch):
    """One shows another host key than it showed us; another's disk is full."""
    run, places = site.run(tmp_path, HOSTS, "taktuk")
    stranger, full = HOSTS[1], HOSTS[2]
    known = pins.renamed

    def other_key(file, name, other):
        key = known(file, name, other)
        return key.replace("AAAA", "AAAB") if name.startswith(stranger) else key

    monkeypatch.setattr(pins, "renamed", other_key)
    room = int(site.nodes[full].on("stat", "-f", "-c", "%a", str(site.disk))) * 4096
    site.nodes[full].on("fallocate", "-l", str(room - (2 << 20)), f"{site.disk}/fill")
    with counted(monkeypatch) as sent:
        told, failed = outcome_of(run, places)
    fine = ["kernel by taktuk", "initrd by taktuk"]
    assert told == {
        HOSTS[0]: fine,
        stranger: ["kernel over ssh", "initrd over ssh"],
        full: ["kernel by taktuk"],
        HOSTS[3]: fine,
    }
    (error,) = failed.values()
    assert list(failed) == [full]
    assert error.brief == (
        f"{full}: initrd did not get there (ssh failed with exit status 1); "
        "it still runs its old system"
    )
    by_taktuk, over_ssh = error.details.split("over ssh: ")
    assert by_taktuk == "by taktuk: Error No space left on device\n"
    assert "No space left on device" in over_ssh
    directly = {address for _, address in sent} - {"127.0.0.1"}
    assert directly == {site.nodes[host].address for host in (stranger, full)}


def test_a_key_is_lent_for_as_long_as_a_script_runs(site, tmp_path):
    key = site.place / "id_ed25519"
    fingerprint = shell.run(["ssh-keygen", "-l", "-f", key], timeout=10).stdout.split()[1]
    for access in (site.way, None):
        told = agent.script(access, "ssh-add -l; echo $SSH_AUTH_SOCK", key, timeout=30).stdout
        assert told.split()[1] == fingerprint
        socket = Path(told.split()[-1])
        lab.until(lambda socket=socket: not socket.exists(), 15)
        with pytest.raises(CommandError) as caught:
            agent.script(access, "echo no >&2; exit 3", key, timeout=30)
        assert caught.value.brief == "ssh-agent failed with exit status 3"
        assert caught.value.details.endswith("\nno")
        with pytest.raises(DeadlineError):
            agent.script(access, "sleep 60", key, timeout=1)
