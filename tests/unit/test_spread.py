"""Trees of TakTuk without one: who is served together, what is told of those that are not."""

import shlex
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from enoslib_nxc import agent, parallel
from enoslib_nxc.boots import spread
from enoslib_nxc.boots.spread import Spread
from enoslib_nxc.errors import CommandError, PlatformError
from enoslib_nxc.files import File
from enoslib_nxc.g5k import where
from enoslib_nxc.g5k.staging import Staged
from enoslib_nxc.model import Reserved
from enoslib_nxc.shell import Result
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.transfer import Place
from tests.unit import factory

IMAGE = File(Path(__file__), "1" * 64, "/nix/i")
STAGED = Staged("/home/ada/public/enoslib-nxc/1", "http://public/1")
FRONTEND = Access("lille.grid5000.fr", "lille.grid5000.fr", 22, "ada", None, None)


class Site:
    """A frontend's TakTuk that serves the nodes that it is told to."""

    def __init__(self):
        self.there, self.serves, self.says = "here\n", set(), ""
        self.asked, self.trees, self.accepted = 0, [], []

    def script(self, access, text, key, *, timeout):
        assert (access, key.name) == (FRONTEND, "id_ed25519")
        values = text.partition("# Spreads")[0]
        self.trees.append(dict(word.split("=", 1) for word in shlex.split(values)))
        return Result((), 0, self.says, "", 0.0)


@pytest.fixture
def site(monkeypatch, tmp_path):
    site = Site()

    class Node(Place):
        def run(self, script, values, *, timeout):
            if script == "taktuk":
                site.asked += 1
                if isinstance(site.there, CommandError):
                    raise site.there
                return site.there
            if values["ACTION"] == "look":
                return "part=0"
            host = self.access.name.partition(".")[0]
            if host not in site.serves:
                raise CommandError("ssh failed with exit status 1", details="not what was sent")
            site.accepted.append(host)
            return "complete"

    monkeypatch.setattr(spread, "Place", Node)
    monkeypatch.setattr(agent, "script", site.script)
    monkeypatch.setattr(where, "frontend", lambda *_words: FRONTEND)
    monkeypatch.setattr(spread, "GATHER_SECONDS", 20)
    site.node = Node
    return site


def run_of(tmp_path, *hosts):
    made = factory.deployment(*hosts)
    machines = {}
    for number, host in enumerate(hosts, 1):
        name = f"n-{number}.lille.grid5000.fr"
        update = {"reserved": Reserved(node=name, site="lille", job=1), "ssh_host": name}
        machines[host] = made.machines[host].model_copy(update=update)
    return factory.run(tmp_path, made.model_copy(update={"machines": machines, "login": "ada"}))


def place_of(site, tmp_path, host, number, directory="/tmp/ours"):
    known = tmp_path / "known"
    known.write_text("".join(f"agent{n}.x ssh-ed25519 K{n}\n" for n in range(1, 9)))
    access = Access(f"{host}.x", f"n-{number}.lille.grid5000.fr", 22, "root", None, known)
    return site.node(access, HostKey.PINNED, directory)


def spread_to(site, tmp_path, *hosts, least=2, directories=("/tmp/ours",)):
    trees = Spread(run_of(tmp_path, *hosts), least=least)
    trees.expect(hosts)
    places = {
        host: place_of(site, tmp_path, host, number, directories[number % len(directories)])
        for number, host in enumerate(hosts, 1)
    }
    return parallel.each(
        hosts, lambda host: trees.ensure(host, places[host], IMAGE, STAGED, 60)
    )


def test_all_that_come_at_once_are_one_tree(site, tmp_path):
    hosts = ("agent1", "agent2", "agent3")
    site.serves = set(hosts)
    outcome = spread_to(site, tmp_path, *hosts)
    assert outcome.done == dict.fromkeys(hosts, f"/tmp/ours/{'1' * 64}")
    (tree,) = site.trees
    assert sorted(tree["NODES"].split()) == [f"n-{n}.lille.grid5000.fr" for n in (1, 2, 3)]
    assert sorted(tree["KEYS"].splitlines()) == [
        f"n-{n}.lille.grid5000.fr ssh-ed25519 K{n}" for n in (1, 2, 3)
    ]
    assert (tree["ACTION"], tree["FILE"], tree["PORT"]) == ("spread", STAGED.path, "22")
    assert tree["PART"].startswith(f"/tmp/ours/{'1' * 64}.part-")
    assert tree["PART"].endswith("-taktuk")
    assert site.asked == 1


@pytest.fixture
def trio(site, tmp_path):
    """Three hosts of a run, each with a thread that wants the file; and their trees."""
    hosts = ("agent1", "agent2", "agent3")
    site.serves = set(hosts)
    trees = Spread(run_of(tmp_path, *hosts), least=2)
    trees.expect(hosts)
    places = {host: place_of(site, tmp_path, host, n) for n, host in enumerate(hosts, 1)}

    def want(host, seconds=60):
        return trees.ensure(host, places[host], IMAGE, STAGED, seconds)

    with ThreadPoolExecutor(4) as pool:
        yield trees, lambda host, **more: pool.submit(want, host, **more)


def waiting(trees, count):
    """Wait until so many hosts are in the tree that is gathered."""
    while sum(len(tree.places) for tree in trees._open.values()) < count:
        time.sleep(0.01)


@pytest.mark.parametrize("news", ["settled", "withdrawn"])
def test_a_tree_begins_when_the_last_is_known_not_to_come(site, trio, news):
    trees, want = trio
    wanted = [want("agent1"), want("agent2")]
    waiting(trees, 2)
    assert site.trees == []
    trees.settled("agent3", IMAGE) if news == "settled" else trees.withdrawn("agent3")
    assert [each.result(5) for each in wanted] == [f"/tmp/ours/{'1' * 64}"] * 2
    assert len(site.trees[0]["NODES"].split()) == 2


def test_hosts_of_which_nothing_is_heard_are_not_waited_for(site, trio, monkeypatch):
    monkeypatch.setattr(spread, "GATHER_SECONDS", 0.1)
    _, want = trio
    wanted = [want("agent1"), want("agent2")]
    assert [each.result(5) for each in wanted]
    assert len(site.trees) == 1


def test_a_host_in_another_s_tree_has_a_deadline_of_its_own(site, trio, monkeypatch):
    trees, want = trio
    going_on = threading.Event()
    real = agent.script

    def slow(*words, **more):
        going_on.wait(10)
        return real(*words, **more)

    monkeypatch.setattr(agent, "script", slow)
    trees.withdrawn("agent3")
    first = want("agent1")
    waiting(trees, 1)
    hurried = want("agent2", seconds=0.4)
    with pytest.raises(CommandError) as caught:
        hurried.result(5)
    assert caught.value.brief == "the tree that it is in has not ended in time"
    going_on.set()
    assert first.result(5)


def test_nodes_with_room_elsewhere_are_another_tree(site, tmp_path):
    site.serves = {"agent1", "agent2"}
    outcome = spread_to(site, tmp_path, "agent1", "agent2", directories=("/tmp/a", "/dev/b"))
    assert set(outcome.done) == {"agent1", "agent2"}
    assert sorted(tree["PART"].rpartition("/")[0] for tree in site.trees) == [
        "/dev/b",
        "/tmp/a",
    ]


def test_what_arrives_counts_and_not_what_is_said(site, tmp_path):
    site.serves = {"agent1", "agent3"}
    site.says = (
        "n-2.lille.grid5000.fr: Host key verification failed.\n"
        "n-2.lille.grid5000.fr: Connection failed\n"
        "n-3.lille.grid5000.fr: Connection lost\n"
        "taktuk ended with status 124\n"
    )
    outcome = spread_to(site, tmp_path, "agent1", "agent2", "agent3", "agent4")
    assert set(outcome.done) == {"agent1", "agent3"}
    assert {host: error.details for host, error in outcome.failed.items()} == {
        "agent2": "Host key verification failed.",
        "agent4": "taktuk ended with status 124",
    }


def test_one_alone_needs_no_tree(site, tmp_path):
    outcome = spread_to(site, tmp_path, "agent1")
    assert outcome.failed["agent1"].brief == "it is the only node"
    assert site.trees == []
    site.serves = {"agent1"}
    assert spread_to(site, tmp_path, "agent1", least=1).failed == {}


def test_a_frontend_that_cannot_be_used(site, tmp_path, monkeypatch):
    def broken(*_words, **_more):
        raise CommandError(
            "ssh-agent failed with exit status 255", details="Connection refused"
        )

    monkeypatch.setattr(agent, "script", broken)
    outcome = spread_to(site, tmp_path, "agent1", "agent2")
    assert {error.details for error in outcome.failed.values()} == {"Connection refused"}


def test_a_defect_ends_all_that_wait(site, tmp_path, monkeypatch):
    def broken(*_words, **_more):
        raise ZeroDivisionError

    monkeypatch.setattr(agent, "script", broken)
    with pytest.raises(ZeroDivisionError):
        spread_to(site, tmp_path, "agent1", "agent2")


@pytest.mark.parametrize(
    ("told", "brief"),
    [
        ("", "it is not installed on lille.grid5000.fr"),
        (
            CommandError("ssh failed with exit status 255", details="Connection timed out"),
            "it was not looked for on lille.grid5000.fr: ssh failed with exit status 255",
        ),
    ],
)
def test_where_there_is_no_taktuk(site, tmp_path, told, brief):
    site.there = told
    trees = Spread(run_of(tmp_path, "agent1", "agent2"), least=1)
    assert not trees.able("lille")
    with pytest.raises(PlatformError) as caught:
        trees.insist("lille")
    assert caught.value.brief == f"g5k.push: taktuk: {brief}"
    assert caught.value.resolution == "set it to auto or send"
    place = place_of(site, tmp_path, "agent1", 1)
    with pytest.raises(CommandError) as caught:
        trees.ensure("agent1", place, IMAGE, STAGED, 60)
    assert caught.value.brief == brief
    assert site.asked == 1
