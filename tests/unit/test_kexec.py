"""The kexec boot without a machine: command lines, where files come from, who answers."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from enoslib_nxc import node, pins, ssh, transfer
from enoslib_nxc.boots import kexec, returning
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import BootError, CommandError
from enoslib_nxc.files import File
from enoslib_nxc.model import Entry, Reserved
from enoslib_nxc.shell import Result
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.status import Report
from enoslib_nxc.transfer import Place
from enoslib_nxc.wait import Deadline
from tests.unit import factory

IP = "ip=192.168.1.1::192.168.1.254:255.255.255.0::eth1:off"


def lent(tmp_path, *, leased=False, **settings):
    run = factory.run(tmp_path, factory.deployment("server"), **settings)
    entry = Entry(user="root", words="console=ttyS1,9600", ip=IP, leased=leased)
    return run, run.machine("server").model_copy(update={"entry": entry})


def line(run, machine, url=""):
    return kexec._line(run, machine, factory.identity("server"), url)


def test_the_command_line(tmp_path):
    run, machine = lent(tmp_path, kernel_params="quiet")
    digest = "nxc.id=" + "d" * 16
    assert line(run, machine) == f"console=ttyS1,9600 {IP} quiet deploy=e30= {digest}"
    url = "http://10.0.0.1:80/x/deployment.json"
    assert line(run, machine, url) == f"console=ttyS1,9600 {IP} quiet deploy={url} {digest}"


@pytest.mark.parametrize(
    ("keep", "leased", "kept"),
    [
        ("auto", False, True),
        ("auto", True, False),
        ("yes", True, True),
        ("no", False, False),
    ],
)
def test_addresses_are_kept_unless_dhcp_gives_them(tmp_path, keep, leased, kept):
    run, machine = lent(tmp_path, leased=leased, kexec={"keep_address": keep})
    assert (IP in line(run, machine)) is kept
    shape = kexec.KexecBoot().shape(run.settings, run.deployment.plan.nodes[0], machine)
    assert shape == {"address": "192.168.1.1", "ip": IP if kept else ""}


def test_the_store_of_a_node(tmp_path):
    run, machine = lent(tmp_path, leased=True)
    node = Reserved(node="n-1.lille.grid5000.fr", site="lille", job=1)
    machine = machine.model_copy(update={"reserved": node})
    home = "nfs.lille.grid5000.fr:/export/home/ada/public/enoslib-nxc/store"
    stored = factory.having(run.deployment, flavour="g5k-nfs-store")
    run = replace(run, deployment=stored.model_copy(update={"login": "ada"}))
    assert line(run, machine).split()[1:3] == [f"nfs_store={home}", "deploy=e30="]
    boot, planned = kexec.KexecBoot(), run.deployment.plan.nodes[0]
    assert boot.shape(run.settings, planned, machine) == {"address": "192.168.1.1", "ip": ""}
    own = Settings.model_validate(
        {"roles": {"server": 1}, "g5k": {"nfs_store": "nas:/nix/store"}}
    )
    run = replace(run, settings=own)
    assert "nfs_store=nas:/nix/store" in line(run, machine).split()
    assert boot.shape(own, planned, machine)["store"] == "nas:/nix/store"


@pytest.mark.parametrize(
    ("deploy", "resolution"),
    [
        (None, "look at its console, or reset it by its own means"),
        (True, "look at its console: kaconsole3 -m n-1, on lille"),
        (
            False,
            "its job gives no console: destroy() ends the job, and the site resets the node",
        ),
    ],
)
def test_a_machine_that_does_not_come_back(monkeypatch, tmp_path, deploy, resolution):
    run, machine = lent(tmp_path)
    if deploy is not None:
        node = Reserved(node="n-1", site="lille", job=1, deploy=deploy)
        machine = machine.model_copy(update={"reserved": node})
    run = run.having(machine)

    def nobody(*_args):
        raise CommandError("ssh failed with exit status 255")

    monkeypatch.setattr(returning, "greeting", nobody)
    monkeypatch.setattr(returning, "PAUSE_SECONDS", 0.01)
    with pytest.raises(BootError) as caught:
        kexec.KexecBoot().arrive(run, Access("server", "", 22, "", None, None), Deadline(0.1))
    assert caught.value.brief == "server did not come back from kexec within 0 s"
    assert caught.value.resolution == resolution


def test_the_system_on_the_disk_is_not_ours(monkeypatch, tmp_path):
    run, _ = lent(tmp_path)
    found = Report(
        "b", factory.identity("server").model_copy(update={"digest": ""}), "", "", ""
    )
    monkeypatch.setattr(returning, "greeting", lambda *_args: found)
    monkeypatch.setattr(returning, "LEAVING_SECONDS", 0)
    monkeypatch.setattr(returning, "greets", lambda *_args, **_more: False)
    here, there = socket.socketpair()
    monkeypatch.setattr(returning, "greeted", lambda *_args, **_more: here)
    with there, here, pytest.raises(BootError, match="server came back with the system on its"):
        kexec.KexecBoot().arrive(run, Access("server", "", 22, "", None, None), Deadline(9))


@pytest.mark.parametrize(
    ("gone_for", "looks"),
    [(0.0, 2), (2.0, 2), (returning.LATE_SECONDS + 1, 0)],
    ids=["just left", "a moment ago", "one of many"],
)
def test_who_left_a_while_ago_is_not_waited_to_be_silent(monkeypatch, gone_for, looks):
    slept, greets = [], iter((True, False))
    monkeypatch.setattr(returning.time, "sleep", slept.append)
    asked = []

    def greeted(*_args, **_more):
        asked.append(1)
        return next(greets)

    monkeypatch.setattr(returning, "greets", greeted)
    way = Access("server", "", 22, "", None, None)
    returning._until_silent(way, lambda: False, gone_for)
    assert len(asked) == looks
    assert slept[0] == max(0.0, returning.LEAVING_SECONDS - gone_for)


class Node:
    """Answers the node scripts as a machine with these files would."""

    def __init__(self, told):
        self.told = told
        self.calls = []

    def script(self, _access, text, **_kwargs):
        if text.endswith(transfer.FETCH_UNLESS_THERE):
            self.calls.append("have")
        for name in ("place", "fetch"):
            if text.endswith(node.text(name)):
                action = "accept" if "ACTION=accept" in text else ""
                self.calls.append(f"{name} {action}".strip())
        out = "complete" if "ACTION=accept" in text else self.told
        return Result((), 0, f"{out}\n", "", 0.0)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    def machine(told):
        made = Node(told)

        def stream(words, *, timeout, stdin_from, offset):
            made.calls.append(f"send {stdin_from.name} from {offset}: {words[-1]}")

        monkeypatch.setattr(ssh, "script", made.script)
        monkeypatch.setattr(transfer.shell, "stream", stream)
        access = Access("server", "10.0.0.1", 22, "root", None, None)
        return made, Place(access, HostKey.PINNED, "/tmp/enoslib-nxc-t")

    return machine


def file(tmp_path, url=""):
    (tmp_path / "initrd").write_bytes(b"an image")
    return File(tmp_path / "initrd", "5" * 64, "/nix/store/x/initrd", url)


def test_a_file_that_is_there_is_not_sent(machine, tmp_path):
    made, place = machine("complete")
    assert place.ensure(file(tmp_path), 60) == f"/tmp/enoslib-nxc-t/{'5' * 64}"
    assert made.calls == ["place"]


def test_a_broken_copy_is_gone_on_with(machine, tmp_path):
    made, place = machine("part=1048576")
    place.ensure(file(tmp_path), 60)
    part = place.part(file(tmp_path))
    assert part.startswith(f"/tmp/enoslib-nxc-t/{'5' * 64}.part-")
    there = f"sh -c 'umask 077; LC_ALL=C cat >> {part}'"
    assert made.calls == ["place", f"send initrd from 1048576: {there}", "place accept"]


def test_a_file_with_a_url_is_fetched(machine, tmp_path):
    made, place = machine("part=0")
    place.ensure(file(tmp_path, "http://10.0.0.1:80/x/initrd"), 60)
    assert made.calls == ["have"]


def test_files_with_a_url_are_fetched_in_one_go(machine, tmp_path, monkeypatch):
    made, place = machine("part=0")
    texts, script = [], made.script

    def seen(access, text, **more):
        texts.append(text)
        return script(access, text, **more)

    monkeypatch.setattr(ssh, "script", seen)
    first = file(tmp_path, "http://10.0.0.1:80/x/initrd")
    second = replace(first, sha256="6" * 64, url="http://10.0.0.1:80/x/kernel")
    place.fetch([first, second], 60)
    assert made.calls == ["have"]
    (text,) = texts
    for one in (first, second):
        assert f"\nURL={one.url}\n" in text
        assert f"\nPART={place.part(one)}\n" in text
    assert text.count(transfer.FETCH_UNLESS_THERE) == 2


def test_who_cannot_fetch(machine, monkeypatch):
    _made, place = machine("")
    assert place.can_fetch("http://10.0.0.1:80/x/probe")

    def script(*_args, **_kwargs):
        raise CommandError("ssh failed with exit status 1")

    monkeypatch.setattr(ssh, "script", script)
    assert not place.can_fetch("http://10.0.0.1:80/x/probe")


def test_pins_are_never_half_there(tmp_path):
    known = tmp_path / "known_hosts"
    known.write_text("server ssh-ed25519 A\n")
    known.chmod(0o640)
    with known.open() as reader:
        pins.pin(known, "agent1", "agent1 ssh-ed25519 B\n")
        assert reader.read() == "server ssh-ed25519 A\n"
    assert known.read_text() == "server ssh-ed25519 A\nagent1 ssh-ed25519 B\n"
    assert known.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [known]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/home/ada/known_hosts", "/home/ada/known_hosts"),
        ("/home/ada l/known_hosts", '"/home/ada l/known_hosts"'),
        ("/home/100%/known_hosts", "/home/100%%/known_hosts"),
    ],
)
def test_a_home_with_odd_signs(path, value):
    access = Access("server", "10.0.0.1", 22, "root", None, Path(path))
    assert f"UserKnownHostsFile={value}" in ssh.options(access)


def test_pins_are_replaced_by_name(tmp_path):
    known = tmp_path / "known_hosts"
    pins.pin(known, "server")
    assert not known.exists()
    pins.pin(known, "server", "server ssh-ed25519 A\n")
    pins.pin(known, "server1", "server1 ssh-ed25519 B\n")
    pins.pin(known, "server", "server ssh-ed25519 C\n")
    assert known.read_text() == "server1 ssh-ed25519 B\nserver ssh-ed25519 C\n"
    assert pins.pinned(known, "server1")
    pins.pin(known, "server1")
    assert not pins.pinned(known, "server1")
