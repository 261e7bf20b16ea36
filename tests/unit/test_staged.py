"""Files to nodes of Grid'5000 without one: which ways, in which order, what is said."""

import json
from pathlib import Path

import pytest

from enoslib_nxc.boots import staged
from enoslib_nxc.boots.staged import StagedDelivery
from enoslib_nxc.errors import BootError, CommandError, PlatformError
from enoslib_nxc.files import File
from enoslib_nxc.g5k import published, staging
from enoslib_nxc.g5k.staging import FullError, Staged
from enoslib_nxc.model import Reserved
from enoslib_nxc.wait import Deadline
from tests.unit import factory

FILES = (File(Path("kernel"), "1" * 64, "/nix/k"), File(Path("initrd"), "2" * 64, "/nix/i"))


class Home:
    """A home on a site; it remembers what it was asked."""

    def __init__(self, site, error=None):
        self.site, self.error, self.asked = site, error, []

    def put(self, file, _timeout):
        self.asked.append(f"put {file.path.name}")
        if self.error:
            raise self.error
        return Staged(f"/home/ada/{file.sha256[:4]}", f"http://{self.site}/{file.sha256[:4]}")

    def place_of(self, name, *, under):
        return Staged(f"/home/ada/{under}/{name}", f"http://{self.site}/{under}/{name}")

    def write(self, name, text, *, under):
        self.asked.append(f"write {text}")
        return self.place_of(name, under=under)

    def discard(self, staged):
        self.asked.append(f"discard {staged.path}")


class Place:
    """A node that takes files by some of the ways."""

    def __init__(self, *works, fetches=True):
        self.works, self.fetches, self.tried = works, fetches, []

    def ensure(self, file, _timeout):
        way = "nfs" if file.lent else "http" if file.url else "send"
        self.tried.append((way, file.lent or file.url or file.path.name))
        if way not in self.works:
            raise CommandError("ssh failed with exit status 1", details=f"no {way}")
        return f"/var/tmp/{file.sha256[:4]}"

    def can_fetch(self, _url):
        return self.fetches


@pytest.fixture
def homes(monkeypatch):
    made = {}

    def at(_settings, site, _login):
        return made.setdefault(site, Home(site))

    def of_run(_deployment, _settings, site):
        return made.setdefault(site, Home(site))

    monkeypatch.setattr(staging, "at", at)
    monkeypatch.setattr(staging, "of_run", of_run)
    monkeypatch.setattr(staged, "files_of", lambda _run: FILES)
    return made


def run(tmp_path, *hosts, vlan="", sites=(), push="auto", **more):
    made = factory.deployment(*hosts)
    machines = {}
    for number, host in enumerate(hosts):
        site = sites[number] if sites else "lille"
        node = Reserved(node=f"n-{number}.{site}.grid5000.fr", site=site, job=1, vlan=vlan)
        machines[host] = made.machines[host].model_copy(update={"reserved": node})
    made = factory.having(made, machines=machines.values(), flavour="g5k-ramdisk")
    wish = {"g5k": {"push": push, **more}, "retries": {"push": 0}}
    return factory.run(tmp_path, made.model_copy(update={"login": "ada"}), **wish)


def bring(delivery, run, place, host="server"):
    return delivery.bring(run, host, place, Deadline(60))


@pytest.mark.parametrize(
    ("push", "works", "tried"),
    [
        ("auto", ["nfs", "http", "send"], ["nfs"]),
        ("auto", ["http", "send"], ["nfs", "http"]),
        ("auto", ["send"], ["nfs", "http", "send"]),
        ("http", ["nfs", "http"], ["http"]),
        ("send", ["nfs", "send"], ["send"]),
    ],
)
def test_the_first_way_that_works(homes, tmp_path, push, works, tried):
    made, delivery, place = run(tmp_path, "server", push=push), StagedDelivery(), Place(*works)
    delivery.prepare(made, {"server": place}, inline=True)
    assert bring(delivery, made, place) == ["/var/tmp/1111", "/var/tmp/2222"]
    assert [way for way, _ in place.tried] == tried * 2
    assert [home.asked for home in homes.values()] == (
        [] if push == "send" else [["put kernel", "put initrd"]]
    )


def test_a_site_is_sent_a_file_once(homes, tmp_path):
    made = run(tmp_path, "server", "agent1", "agent2", sites=("lille", "nancy", "lille"))
    delivery = StagedDelivery()
    places = {host: Place("nfs") for host in made.deployment.machines}
    delivery.prepare(made, places, inline=True)
    delivery.prepare(made, places, inline=True)
    assert {site: home.asked for site, home in homes.items()} == {
        "lille": ["put kernel", "put initrd"],
        "nancy": ["put kernel", "put initrd"],
    }


def test_what_a_run_does_in_a_home_is_by_one_connection(homes, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        staging, "of_run", lambda deployment, _, site: asked.append(site) or Home(site)
    )
    made, delivery = run(tmp_path, "server"), StagedDelivery()
    places = {"server": Place("nfs")}
    delivery.prepare(made, places, inline=False)
    delivery.prepare(made, places, inline=False)
    assert asked == ["lille"]


def test_a_node_that_no_way_leads_to(homes, tmp_path):
    made, delivery, place = run(tmp_path, "server"), StagedDelivery(), Place()
    delivery.prepare(made, {"server": place}, inline=True)
    with pytest.raises(BootError) as caught:
        bring(delivery, made, place)
    assert str(caught.value) == (
        "server: kernel did not get there (ssh failed with exit status 1); "
        "it still runs its old system\n"
        "  over NFS: no nfs\n"
        "  by HTTP: no http\n"
        "  over ssh: no send"
    )


def test_a_frontend_that_cannot_be_reached(homes, tmp_path):
    error = PlatformError("kernel did not get to the home on lille.grid5000.fr: refused")
    homes["lille"] = Home("lille", error)
    place = Place("send")
    delivery = StagedDelivery()
    made = run(tmp_path, "server")
    delivery.prepare(made, {"server": place}, inline=True)
    bring(delivery, made, place)
    assert [way for way, _ in place.tried] == ["send", "send"]
    with pytest.raises(PlatformError) as caught:
        StagedDelivery().prepare(
            run(tmp_path, "server", push="nfs"), {"server": place}, inline=True
        )
    assert caught.value is error


def test_a_full_home_is_not_gone_around(homes, tmp_path):
    homes["lille"] = Home("lille", FullError("the home is full"))
    with pytest.raises(FullError):
        StagedDelivery().prepare(run(tmp_path, "server"), {"server": Place()}, inline=True)
    assert homes["lille"].asked == ["put kernel"]


def test_a_local_kavlan_reaches_no_home(homes, tmp_path):
    place, delivery = Place("nfs", "http", "send"), StagedDelivery()
    made = run(tmp_path, "server", vlan="2")
    delivery.prepare(made, {"server": place}, inline=True)
    bring(delivery, made, place)
    assert [way for way, _ in place.tried] == ["send", "send"]
    assert homes == {}
    with pytest.raises(PlatformError) as caught:
        delivery.prepare(made, {"server": place}, inline=False)
    assert caught.value.brief == (
        "server cannot fetch the deployment JSON: a local kavlan has no way out"
    )
    made = run(tmp_path, "server", vlan="2", push="http")
    with pytest.raises(PlatformError) as caught:
        StagedDelivery().prepare(made, {"server": place}, inline=True)
    assert str(caught.value) == (
        "g5k.push: http: server cannot reach a home from a local kavlan\n"
        "-> set it to auto or send"
    )


def test_the_json_is_there_while_nodes_fetch_it(homes, tmp_path):
    made, delivery = run(tmp_path, "server", push="send"), StagedDelivery()
    delivery.prepare(made, {"server": Place("send")}, inline=False)
    token = made.deployment.token
    assert delivery.context_url == f"http://lille/{token}/deployment.json"
    assert json.loads((tmp_path / "published.json").read_text())["files"]
    delivery.close()
    assert delivery.context_url == ""
    assert homes["lille"].asked == ["write {}", f"discard /home/ada/{token}/deployment.json"]
    assert published.load(made.home).files == ()


def test_a_json_that_nodes_cannot_fetch(homes, tmp_path):
    made, delivery = run(tmp_path, "server", push="send"), StagedDelivery()
    with pytest.raises(PlatformError) as caught:
        delivery.prepare(made, {"server": Place("send", fetches=False)}, inline=False)
    assert caught.value.brief.startswith(
        "server cannot fetch the deployment JSON: they get nothing from http://lille/"
    )
    delivery.close()
    assert homes["lille"].asked[-1].startswith("discard ")


@pytest.mark.parametrize(
    ("state", "stays"), [("started", True), ("up", False), ("lost", False)]
)
def test_the_json_stays_for_nodes_that_are_booting(homes, tmp_path, state, stays):
    made, delivery = run(tmp_path, "server", "agent1", push="send"), StagedDelivery()
    delivery.prepare(made, {"server": Place("send")}, inline=False)
    up = made.machine("agent1").model_copy(update={"state": "up"})
    made.having(made.machine("server").model_copy(update={"state": state}), up)
    delivery.close()
    assert bool(published.load(made.home).files) is stays
    assert homes["lille"].asked[-1].startswith("write" if stays else "discard")


def test_a_json_that_could_not_be_removed_stays_on_record(homes, monkeypatch, tmp_path):
    def discard(_home, _staged):
        raise PlatformError("lille cannot be reached")

    made, delivery = run(tmp_path, "server", push="send"), StagedDelivery()
    delivery.prepare(made, {"server": Place("send")}, inline=False)
    kept = published.load(made.home)
    monkeypatch.setattr(Home, "discard", discard)
    delivery.close()
    assert published.load(made.home) == kept
    # another run's comes beside it, not in its place
    made = run(tmp_path, "server", push="send", sites=("nancy",))
    StagedDelivery().prepare(made, {"server": Place("send")}, inline=False)
    assert [file.site for file in published.load(made.home).files] == ["lille", "nancy"]


class Trees:
    """TakTuk on some sites, which serves some hosts."""

    def __init__(self, sites, serves):
        self.sites, self.serves, self.asked = sites, serves, []
        self.expected, self.news = [], []

    def __call__(self, run, *, least):
        self.least = least
        return self

    def able(self, site):
        return site in self.sites

    def insist(self, site):
        if site not in self.sites:
            raise PlatformError(f"no taktuk on {site}")

    def expect(self, hosts):
        self.expected = list(hosts)

    def settled(self, host, file):
        self.news.append((host, file.path.name))

    def withdrawn(self, host):
        self.news.append((host, "withdrawn"))

    def ensure(self, host, place, file, staged, seconds):
        self.asked.append((host, file.path.name, staged.path))
        if host not in self.serves:
            raise CommandError("taktuk failed", details="no taktuk")
        return f"/var/tmp/{file.sha256[:4]}"


@pytest.mark.parametrize(
    ("push", "works", "tried"),
    [
        ("auto", ["nfs"], ["nfs"]),
        ("auto", ["taktuk", "send"], ["nfs", "http", "taktuk"]),
        ("auto", ["send"], ["nfs", "http", "taktuk", "send"]),
        ("taktuk", ["nfs", "taktuk"], ["taktuk"]),
        ("taktuk", ["send"], ["taktuk", "send"]),
        ("send", ["nfs", "taktuk"], ["taktuk"]),
        ("send", ["send"], ["taktuk", "send"]),
        ("nfs", ["nfs"], ["nfs"]),
    ],
)
def test_taktuk_where_it_is(homes, tmp_path, monkeypatch, push, works, tried):
    trees = Trees({"lille"}, {"server"} if "taktuk" in works else set())
    monkeypatch.setattr(staged, "Spread", trees)
    made, delivery = run(tmp_path, "server", "agent", push=push), StagedDelivery()
    place = Place(*works)
    delivery.prepare(made, {"server": place, "agent": place}, inline=True)
    assert homes["lille"].asked == ["put kernel", "put initrd"]
    assert bring(delivery, made, place) == ["/var/tmp/1111", "/var/tmp/2222"]
    assert [way for way, _ in place.tried] == [way for way in tried if way != "taktuk"] * 2
    by_taktuk = [
        ("server", name, f"/home/ada/{n}")
        for name, n in (("kernel", "1111"), ("initrd", "2222"))
    ]
    assert trees.asked == (by_taktuk if "taktuk" in tried else [])
    assert trees.least == (1 if push == "taktuk" else 2)
    assert trees.expected == ["server", "agent"]
    # however it came by them, the others need not wait for it
    assert trees.news == [("server", "kernel"), ("server", "initrd")]


def test_where_taktuk_is_not_or_for_one_node_all_is_sent_from_here(
    homes, tmp_path, monkeypatch
):
    monkeypatch.setattr(staged, "Spread", Trees({"nancy"}, set()))
    made = run(
        tmp_path, "server", "agent1", "agent2", sites=("lille", "lille", "nancy"), push="send"
    )
    delivery, place = StagedDelivery(), Place("send")
    delivery.prepare(made, dict.fromkeys(made.deployment.machines, place), inline=True)
    assert homes == {}
    for host in made.deployment.machines:
        assert bring(delivery, made, place, host) == ["/var/tmp/1111", "/var/tmp/2222"]
    assert {way for way, _ in place.tried} == {"send"}


def test_a_home_that_takes_nothing_is_no_need_of_send(homes, tmp_path, monkeypatch):
    monkeypatch.setattr(staged, "Spread", Trees({"lille"}, {"server"}))
    homes["lille"] = Home("lille", FullError("the home on lille is full"))
    made, delivery = run(tmp_path, "server", "agent", push="send"), StagedDelivery()
    place = Place("send")
    delivery.prepare(made, {"server": place, "agent": place}, inline=True)
    assert bring(delivery, made, place) == ["/var/tmp/1111", "/var/tmp/2222"]
    assert {way for way, _ in place.tried} == {"send"}


def test_taktuk_that_is_asked_for_and_not_there(homes, tmp_path, monkeypatch):
    monkeypatch.setattr(staged, "Spread", Trees(set(), set()))
    made = run(tmp_path, "server", push="taktuk")
    with pytest.raises(PlatformError, match="no taktuk on lille"):
        StagedDelivery().prepare(made, {"server": Place()}, inline=True)
    assert homes == {}
