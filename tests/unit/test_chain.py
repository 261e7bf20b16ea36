"""Chains of hosts without any: who takes from whom, when there is one, what is told of it."""

import ast
import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from enoslib_nxc import node, transfer
from enoslib_nxc.boots import chain, delivery, serving
from enoslib_nxc.boots.chain import Chain
from enoslib_nxc.boots.serving import Serving
from enoslib_nxc.errors import BootError, CommandError, PlatformError
from enoslib_nxc.files import File
from enoslib_nxc.shell import Result
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.transfer import Place
from enoslib_nxc.wait import Deadline
from tests.unit import factory

HOSTS = ("agent1", "agent2", "agent3")

CHAINED = ["kernel by the chain", "initrd by the chain"]

SENT = "kernel not fetched: curl: (28) Connection timed out; what is not there is sent"
BOTH = (
    "kernel and initrd not fetched: curl: (28) Connection timed out; what is not there is sent"
)


def test_each_takes_from_the_one_that_came_before():
    made = Chain(7)
    first, second, third = (made.join(f"10.0.0.{n}", 1000 + n) for n in (1, 2, 3))
    assert first["before"] is None
    assert second["before"] == {
        "address": "10.0.0.1",
        "port": 1001,
        "secret": first["secret"],
    }
    assert third["before"] == {
        "address": "10.0.0.2",
        "port": 1002,
        "secret": second["secret"],
    }
    assert [told["depth"] for told in (first, second, third)] == [0, 1, 2]
    assert len({told["secret"] for told in (first, second, third)}) == 3
    assert third["size"] == 7


def test_who_leaves_is_followed_by_nobody():
    made = Chain(7)
    first, second = made.join("10.0.0.1", 1), made.join("10.0.0.2", 2)
    assert made.leave(first["number"])
    assert not made.leave(second["number"])
    assert made.join("10.0.0.3", 3)["before"] is None


def test_what_hosts_ask():
    made = Chain(7)
    told = json.loads(made.answer("10.0.0.1", {"port": "1"}))
    assert (told["before"], told["number"]) == (None, 1)
    assert json.loads(made.answer("10.0.0.2", {"port": "2"}))["before"]["port"] == 1
    assert json.loads(made.answer("10.0.0.1", {"leave": "1"})) == {"followed": True}
    for asked in ({}, {"port": "x"}, {"leave": ""}):
        with pytest.raises(ValueError, match=r"port|invalid"):
            made.answer("10.0.0.1", asked)


def test_the_script_is_one_that_old_hosts_run():
    text = node.text("relay.py")
    ast.parse(text, feature_version=(3, 6))
    assert node.END not in text
    wrapped = node.python_function("relay", "relay", {"URL": "a'b", "PART": "/p"})
    head, _, rest = wrapped.partition("python3 -I -S - <<")
    assert head.splitlines()[1] == "export URL PART"
    assert shlex.split(head.splitlines()[2]) == ["URL=a'b"]
    assert rest.endswith(f"\n{node.END}\n)\n")


class Host(Place):
    """Answers as if files got there, or not."""

    able = frozenset({"http", "chain"})
    broken = ""
    helped = ""
    calls: list

    def ways(self, url):
        assert url.endswith("/probe")
        return self.able

    def relay(self, file, timeout):
        self.calls.append(f"relay {file.path.name}")
        if "chain" not in self.able:
            raise CommandError("it cannot", details="$ ssh\nsh: python3: not found")
        if self.broken:
            raise CommandError("ssh failed with exit status 1", details=f"$ ssh\n{self.broken}")
        return self.helped

    def fetch(self, files, timeout):
        assert all(file.url for file in files)
        self.calls.append(f"fetch {' and '.join(file.path.name for file in files)}")
        if "http" not in self.able:
            raise CommandError("it cannot", details="$ ssh\ncurl: (28) Connection timed out")

    def ensure(self, file, timeout):
        assert not file.url
        self.calls.append(f"send {file.path.name}")
        return self.target(file)


class Server:
    """Publishes to nobody."""

    def __init__(self, _address, _clients):
        pass

    def publish(self, name, content):
        return f"http://10.0.0.9/{name}"

    def close(self):
        pass


@pytest.fixture
def lab(tmp_path, monkeypatch):
    made = []
    for name in ("kernel", "initrd"):
        path = tmp_path / name
        path.write_bytes(b"x")
        made.append(File(path, name[0] * 64, "/nowhere"))
    monkeypatch.setattr(serving, "files_of", lambda _run: tuple(made))
    monkeypatch.setattr(serving, "ContextServer", Server)
    monkeypatch.setattr(serving, "address_towards", lambda _host: "10.0.0.9")
    monkeypatch.setattr(delivery, "PAUSE_SECONDS", 0)

    monkeypatch.setattr(chain, "LEAST_BYTES", 2)  # a file has one byte: from three hosts on

    def lab(*hosts, push, kind=Host):
        kind = type("Kind", (kind,), {"calls": []})
        run = factory.run(tmp_path, factory.deployment(*hosts), kexec={"push": push})
        events = []
        run = replace(run, report=lambda event: events.append((event.subject, event.message)))
        places = {
            host: kind(Access(host, host, 22, "root", None, None), HostKey.PINNED, "/tmp/x")
            for host in hosts
        }
        return run, places, events, kind

    return lab


@pytest.mark.parametrize(
    ("push", "hosts", "able", "calls", "told"),
    [
        ("auto", 3, {"http", "chain"}, ["relay kernel", "relay initrd"], CHAINED),
        ("auto", 2, {"http", "chain"}, ["fetch kernel and initrd"], []),
        (
            "auto",
            3,
            {"http"},
            ["relay kernel", "fetch kernel", "relay initrd", "fetch initrd"],
            [
                f"{name} fetched from here: not by the chain: sh: python3: not found"
                for name in ("kernel", "initrd")
            ],
        ),
        ("auto", 2, set(), ["fetch kernel and initrd", "send kernel", "send initrd"], [BOTH]),
        (
            "auto",
            3,
            set(),
            ["relay kernel", "fetch kernel", "send kernel", "send initrd"],
            ["kernel fetched from here: not by the chain: sh: python3: not found", SENT],
        ),
        ("http", 3, {"http", "chain"}, ["fetch kernel and initrd"], []),
        ("send", 3, {"http", "chain"}, ["send kernel", "send initrd"], []),
        ("chain", 1, {"http", "chain"}, ["relay kernel", "relay initrd"], CHAINED),
    ],
)
def test_the_way_that_files_go(lab, push, hosts, able, calls, told):
    kind = type("Able", (Host,), {"able": frozenset(able)})
    run, places, events, kind = lab(*HOSTS[:hosts], push=push, kind=kind)
    made = Serving()
    made.prepare(run, places, inline=True)
    there = made.bring(run, "agent1", places["agent1"], Deadline(9))
    made.close()
    assert there == [f"/tmp/x/{name[0] * 64}" for name in ("kernel", "initrd")]
    assert kind.calls == calls
    assert {host for host, _ in events} <= {"agent1"}
    assert [said for _, said in events] == told


@pytest.mark.parametrize(
    ("able", "brief"),
    [
        (
            {"http"},
            "agent1 cannot be in a chain (kexec.push: chain): python3 is not there",
        ),
        (
            set(),
            "agent1 cannot fetch kernel and initrd (kexec.push: chain) from this computer",
        ),
    ],
)
def test_where_there_can_be_none(lab, able, brief):
    kind = type("Unable", (Host,), {"able": frozenset(able)})
    run, places, _, _ = lab("agent1", push="chain", kind=kind)
    made = Serving()
    with pytest.raises(PlatformError) as caught:
        made.prepare(run, places, inline=True)
    made.close()
    assert caught.value.brief == brief


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"broken": "no room"}, "kernel fetched from here: not by the chain: no room"),
        (
            {"helped": "10.0.0.1 at 5 %: timed out"},
            "kernel by the chain, the rest from here: 10.0.0.1 at 5 %: timed out",
        ),
    ],
)
def test_a_chain_that_breaks(lab, given, told):
    run, places, events, kind = lab(*HOSTS, push="auto", kind=type("Kind", (Host,), given))
    made = Serving()
    made.prepare(run, places, inline=True)
    assert len(made.bring(run, "agent1", places["agent1"], Deadline(9))) == 2
    made.close()
    assert events[0] == ("agent1", told)
    assert ("fetch kernel" in kind.calls) is ("broken" in given)


def test_a_host_that_nothing_gets_to(lab):
    class Shut(Host):
        broken = "no room"

        def fetch(self, files, timeout):
            raise CommandError("ssh failed with exit status 255", details="gone")

        def ensure(self, file, timeout):
            raise CommandError("ssh failed with exit status 255", details="gone")

    run, places, _, _ = lab(*HOSTS, push="auto", kind=Shut)
    made = Serving()
    made.prepare(run, places, inline=True)
    with pytest.raises(BootError, match="agent1: kernel did not get there"):
        made.bring(run, "agent1", places["agent1"], Deadline(9))
    made.close()


def test_one_command_asks_relays_and_takes(monkeypatch):
    texts = []

    def script(_access, text, **_more):
        texts.append(text)
        return Result((), 0, "10.0.0.1 at 5 %: gone\n", "", 0.0)

    monkeypatch.setattr(transfer.ssh, "script", script)
    access = Access("agent1", "agent1", 22, "root", None, None)
    place = Place(access, HostKey.PINNED, "/tmp/x")
    file = File(Path(__file__), "1" * 64, "/nowhere", url="http://u", chain="http://c")
    assert place.relay(file, 9) == "10.0.0.1 at 5 %: gone"
    (text,) = texts
    assert text.endswith(transfer.RELAY_UNLESS_THERE)
    for value in ("CHAIN=http://c", "URL=http://u", f"FILE=/tmp/x/{'1' * 64}", "SECONDS=9"):
        assert f"\n{value}\n" in text


@pytest.mark.parametrize(
    ("hosts", "least", "calls"),
    [
        (3, 2, ["relay kernel", "relay initrd"]),
        (3, 3, ["fetch kernel and initrd"]),
        (1, 1, ["fetch kernel and initrd"]),
    ],
)
def test_a_chain_is_for_what_the_source_would_send_more(lab, monkeypatch, hosts, least, calls):
    monkeypatch.setattr(chain, "LEAST_BYTES", least)
    run, places, _, kind = lab(*HOSTS[:hosts], push="auto")
    made = Serving()
    made.prepare(run, places, inline=True)
    made.bring(run, "agent1", places["agent1"], Deadline(9))
    made.close()
    assert kind.calls == calls


def test_a_chain_that_is_asked_for_is_for_all(lab, monkeypatch):
    monkeypatch.setattr(chain, "LEAST_BYTES", 1 << 30)
    for push, calls in (
        ("auto", ["fetch kernel and initrd"]),
        ("chain", ["relay kernel", "relay initrd"]),
    ):
        run, places, _, kind = lab(*HOSTS, push=push)
        made = Serving()
        made.prepare(run, places, inline=True)
        made.bring(run, "agent1", places["agent1"], Deadline(9))
        made.close()
        assert kind.calls == calls
