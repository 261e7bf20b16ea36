"""EnOSlib's Grid'5000 provider and python-grid5000, unmodified, against the rehearsal."""

from __future__ import annotations

import base64
import http.client
import http.server
import json
import stat
import threading
import time
from datetime import datetime, timedelta
from types import SimpleNamespace

import enoslib as en
import pytest
import yaml
from enoslib.errors import (
    InvalidReservationCritical,
    InvalidReservationTime,
    InvalidReservationTooOld,
)
from enoslib.infra.enos_g5k import g5k_api_utils as utils
from enoslib.infra.enos_g5k.driver import OargridStaticDriver
from enoslib.infra.enos_g5k.provider import _concretize_networks, _concretize_nodes, _join
from grid5000 import Grid5000
from grid5000.exceptions import (
    Grid5000AuthenticationError,
    Grid5000CreateError,
    Grid5000DeleteError,
    Grid5000GetError,
    Grid5000ParsingError,
)

from enoslib_nxc.errors import ConfigError
from enoslib_nxc.rehearsal.admission import TIMEZONE
from enoslib_nxc.rehearsal.environments import Catalog, read_description
from enoslib_nxc.rehearsal.jobs import Pace
from enoslib_nxc.rehearsal.server import CLIENT_FILE, Rehearsal
from enoslib_nxc.rehearsal.service import Settings
from enoslib_nxc.rehearsal.site import read_site
from enoslib_nxc.rehearsal.testbed import NOT_BACK, MemoryTestbed

N = "chiclet-{}.lille.grid5000.fr".format
SITES = [
    read_site({"site": "lille", "cluster": "chiclet", "nodes": 4}),
    read_site({"site": "nancy", "cluster": "grisou", "nodes": 2}),
]
PACE = Pace(schedule=0.05, to_launch=0.05, launch=0.05, kill=0.05, finish=0.05)
DESCRIPTION = """
{{name: nixos, os: linux, filesystem: ext4, partition_type: 131,
  boot: {{kernel: /boot/bzImage}},
  image: {{file: "{url}", kind: tar, compression: xz}}}}
"""


def _forget():
    """Clear what EnOSlib keeps between calls in one process."""
    utils._api_client = None
    for cached in vars(utils).values():
        if callable(getattr(cached, "cache_clear", None)):
            cached.cache_clear()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    _forget()
    yield tmp_path
    _forget()


@pytest.fixture
def short_waits(monkeypatch):
    """EnOSlib waits 5 s and more between two looks; its code stays as it is."""
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        time.sleep(min(seconds, 0.1))

    monkeypatch.setattr(utils, "time", SimpleNamespace(sleep=sleep))
    return waits


@pytest.fixture
def grid(home, short_waits):
    testbed = MemoryTestbed(faults={})
    named = read_description(DESCRIPTION.format(url="server:///nixos.tar.xz"))
    settings = Settings(testbed, time.time, Catalog({"nixos": named}), pace=PACE)
    log = []
    with Rehearsal(
        SITES,
        home,
        others=["bob"],
        settings=settings,
        log=lambda method, target, status: log.append((method, target, status)),
    ) as rehearsal:
        yield SimpleNamespace(api=rehearsal, testbed=testbed, log=log, home=home)


def _conf(nodes=2, **settings):
    conf = en.G5kConf.from_settings(job_name="rehearsal", walltime="00:30:00", **settings)
    return conf.add_machine(roles=["c"], cluster="chiclet", nodes=nodes)


def _provider(conf):
    return en.G5k(conf.finalize())


def _until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _client(grid, login):
    return Grid5000(
        uri=grid.api.uri, username=login, password=grid.api.passwords[login], timeout=10
    )


def test_the_clients_file(grid):
    file = grid.home / CLIENT_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = yaml.safe_load(file.read_text())
    assert content["uri"].startswith("http://127.0.0.1:")
    assert len(content["password"]) >= 32
    assert utils.get_api_username() == "rehearsal"


def test_a_clients_file_that_is_there_stays(home):
    (home / CLIENT_FILE).write_text("username: me")
    with pytest.raises(ConfigError, match=r"python-grid5000\.yaml cannot be made: exists"):
        Rehearsal(SITES, home).__enter__()
    assert (home / CLIENT_FILE).read_text() == "username: me"


def test_nothing_is_left(home):
    before = threading.active_count()
    with Rehearsal(SITES, home) as rehearsal:
        uri = rehearsal.uri
        assert Grid5000.from_yaml(home / CLIENT_FILE).sites.list()
    assert list(home.iterdir()) == []
    _until(lambda: threading.active_count() <= before)
    host, port = uri.split("/")[2].split(":")
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection(host, int(port)).request("GET", "/stable/sites")


def test_enoslib_reads_the_reference_data(grid):
    assert utils.get_all_clusters_sites() == {"chiclet": "lille", "grisou": "nancy"}
    assert utils.get_cluster_interfaces("chiclet") == [("eth0", "eno1"), ("eth1", "eno2")]
    assert utils.get_cores("chiclet") == 2
    assert utils.get_memory("chiclet") == 2**30
    assert utils.get_dns("lille") == "172.16.47.101"
    assert utils.get_subnet_gateway("lille") == "10.139.255.254"
    assert utils.get_ipv6("nancy")["site_index"] == 5
    assert utils.get_vlans("nancy")["4"]["network"] == "10.16.0.0/18"
    assert utils.get_vlan("lille", "4").type == "kavlan"
    with pytest.raises(Grid5000GetError, match="404: Cannot find resource /sites/paris"):
        utils.get_site_obj("paris")


def test_reserve_wait_and_destroy(grid):
    conf = _conf(2).add_machine(roles=["s"], servers=[N(4)])
    conf.add_network(id="net", roles=["net"], type="slash_22", site="lille")
    provider = _provider(conf)
    assert not provider.is_created()
    provider.reserve()
    provider.wait()
    nodes, networks = provider.driver.resources()
    assert nodes == [N(1), N(2), N(4)]
    assert sorted((n.nature, n.descriptor) for n in networks) == [
        ("prod", "DEFAULT"),
        ("slash_22", "10.136.0.0/22"),
    ]
    machines = _concretize_nodes(provider.provider_conf.machines, nodes)
    concrete = _concretize_networks(provider.provider_conf.networks, networks)
    hosts = {host.fqdn: host for host in _join(machines, concrete)}
    assert {f: h.roles for f, h in hosts.items()} == {N(1): ["c"], N(2): ["c"], N(4): ["s"]}
    assert hosts[N(1)].primary_nic == ("eth0", "eno1")
    subnet = next(net for net in concrete if net.id == "net")
    (network,) = subnet.to_enos()[1]
    assert (str(network.network), str(network.gateway)) == ("10.136.0.0/22", "10.139.255.254")
    # another process finds the job by its name, or by its number
    again = _provider(_conf(2))
    again.reserve()
    assert [job.uid for job in again.jobs] == [job.uid for job in provider.jobs]
    (job,) = utils.grid_reload_jobs_from_ids([("lille", provider.jobs[0].uid)])
    assert (job.state, job.user, job.types) == ("running", "rehearsal", ["origin=enoslib_g5k"])
    assert OargridStaticDriver([("lille", job.uid)]).resources()[0] == nodes
    provider.destroy(wait=True)
    assert not again.is_created()
    utils.job_delete(job)  # a second time: EnOSlib knows OAR's answer
    with pytest.raises(Grid5000DeleteError, match="This job was already killed"):
        job.delete()
    asked = [target for _method, target, _status in grid.log]
    assert any("/lille/jobs?" in target for target in asked)
    assert not any("/nancy/jobs" in target for target in asked)


def test_another_job_type_makes_enoslib_reserve_anew(grid):
    first = _provider(_conf(1))
    first.reserve()
    first.wait()
    uid = first.jobs[0].uid
    second = _provider(_conf(1, job_type=["deploy"], env_name="nixos"))
    second.reserve()
    second.wait()
    assert second.jobs[0].uid == uid + 1
    assert "deploy" in second.jobs[0].types


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"job_type": ["deplooy"]}, r"\[ADMISSION RULE\] Error: unknown job type: deplooy"),
        ({"queue": "production"}, "# There are not enough resources for your request"),
        ({"queue": "testing"}, "# Error: queue 'testing' does not exist"),
    ],
)
def test_oars_refusals_reach_the_user(grid, settings, text):
    with pytest.raises(InvalidReservationCritical, match=text):
        _provider(_conf(1, **settings)).reserve()


def test_reservation_dates(grid):
    now = datetime.now(TIMEZONE).replace(microsecond=0)
    soon = now + timedelta(hours=1)

    def reserve(date, name, nodes=4):
        conf = _conf(nodes, reservation=date.strftime("%Y-%m-%d %H:%M:%S"))
        conf.job_name = name
        provider = _provider(conf)
        provider.reserve()
        return provider

    provider = reserve(soon, "first")
    assert provider.jobs[0].started_at == int(soon.timestamp())
    with pytest.raises(InvalidReservationTime) as error:
        reserve(soon + timedelta(minutes=10), "second")
    assert error.value.datetime == soon + timedelta(minutes=30, seconds=61)
    with pytest.raises(InvalidReservationTooOld):
        reserve(now - timedelta(hours=1), "third")
    start, end = int(soon.timestamp()), int(soon.timestamp()) + 7200
    assert [_provider(_conf(1)).test_slot(at, end) for at in (start, start + 1801)] == [
        False,
        True,
    ]


def test_test_slot_sees_dead_nodes_and_servers(grid):
    now = int(time.time()) + 10
    assert _provider(_conf(4)).test_slot(now, now)
    grid.api.sites["lille"].scheduler.set_host_state(N(3), "Suspected")
    assert not _provider(_conf(4)).test_slot(now, now)
    assert _provider(_conf(3)).test_slot(now, now)
    conf = en.G5kConf.from_settings(walltime="00:30:00").add_machine(roles=[], servers=[N(3)])
    assert not _provider(conf).test_slot(now, now)


def test_providers_of_two_sites_start_together(grid):
    conf = _conf(1).add_machine(roles=["n"], cluster="grisou", nodes=1)
    provider = _provider(conf)
    provider.reserve()
    jobs = sorted(provider.jobs, key=lambda job: job.site)
    assert [job.site for job in jobs] == ["lille", "nancy"]
    # EnOSlib moves each start to a minute from its own now: a second may lie between them
    assert abs(jobs[0].started_at - jobs[1].started_at) <= 5
    assert jobs[0].started_at > time.time()
    assert jobs[0].state == "waiting"
    provider.destroy()
    assert not provider.is_created()


def test_kavlans(grid):
    conf = en.G5kConf.from_settings(
        job_name="rehearsal", walltime="00:30:00", job_type=["deploy"], env_name="nixos"
    )
    main = en.G5kNetworkConf(id="main", type="kavlan", roles=["main"], site="lille")
    second = en.G5kNetworkConf(id="second", type="kavlan-global", roles=["s"], site="lille")
    conf.add_network_conf(main).add_network_conf(second)
    conf.add_machine(
        roles=["c"],
        cluster="chiclet",
        nodes=2,
        primary_network=main,
        secondary_networks=[second],
    )
    provider = _provider(conf)
    provider.reserve()
    provider.wait()
    nodes, networks = provider.driver.resources()
    assert sorted(n.descriptor for n in networks) == ["12", "4", "DEFAULT"]
    concrete = _concretize_networks(provider.provider_conf.networks, networks)
    hosts = _join(_concretize_nodes(provider.provider_conf.machines, nodes), concrete)
    for host in hosts:
        host.mirror_state()
    assert grid.testbed.cards == {(N(1), 1): "12", (N(2), 1): "12"}
    assert concrete[0].cidr == "10.8.0.0/18"
    assert concrete[0].translate([N(1)]) == [(N(1), "chiclet-1-kavlan-4.lille.grid5000.fr")]
    # a kavlan of nobody's job
    with pytest.raises(Grid5000GetError, match="403: Not enough privileges on Kavlan"):
        utils.set_nodes_vlan([N(1)], "eth1", "5")
    options = {"site": "lille", "environment": "nixos", "nodes": nodes, "vlan": "4"}
    assert utils.grid_deploy([options]) == (nodes, [])


@pytest.fixture
def images():
    """An http server as Kadeploy wants it: ETag, Last-Modified and Content-Length."""
    pages = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body, headers = pages[self.path]
            self.send_response(200)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield SimpleNamespace(pages=pages, url=f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


def _deploy_job(nodes=2):
    provider = _provider(_conf(nodes, job_type=["deploy"], env_name="nixos"))
    provider.reserve()
    provider.wait()
    return provider


def test_deployments_by_url_with_a_node_that_fails_once(grid, images, short_waits):
    headers = {"ETag": '"1"', "Last-Modified": "Mon, 02 Mar 2026 11:00:00 GMT"}
    images.pages["/image.tar.xz"] = (b"image", headers)
    text = DESCRIPTION.format(url=f"{images.url}/image.tar.xz")
    images.pages["/env.yaml"] = (text.encode(), {})
    provider = _deploy_job()
    grid.testbed.faults[N(2)] = [NOT_BACK]
    environment = {"environment": f"{images.url}/env.yaml", "key": "ssh-ed25519 AAAA"}

    def deploy(nodes):
        return utils.grid_deploy([{"site": "lille", "nodes": nodes, **environment}])

    assert deploy([N(1), N(2)]) == ([N(1)], [N(2)])
    assert deploy([N(2)]) == ([N(2)], [])
    assert utils.deploy("lille", [N(1)], dict(environment)) == ([N(1)], [])
    assert 10 in short_waits
    # the image's server does not say what Kadeploy caches by
    images.pages["/image.tar.xz"] = (b"image", {"Last-Modified": headers["Last-Modified"]})
    with pytest.raises(
        Grid5000CreateError, match="400: Cannot launch deployment: Invalid file"
    ):
        deploy([N(1)])
    uid = provider.jobs[0].uid
    provider.destroy(wait=True)
    _until(lambda: sorted(grid.testbed.resets) == [N(1), N(2)])
    assert grid.testbed.ended == [uid]


def test_deployments_through_python_grid5000(grid):
    _deploy_job(1)
    site = utils.get_site_obj("lille")
    grid.testbed.gate.clear()
    started = site.deployments.create({"environment": "nixos", "nodes": [N(1)]})
    assert (started.status, hasattr(started, "result")) == ("processing", False)
    started.refresh()
    assert started.status == "processing"
    site.deployments.delete(started.uid)
    started.refresh()
    assert started.status == "canceled"
    grid.testbed.gate.set()
    other = _client(grid, "bob").sites["lille"].deployments
    for environment, text in (
        ("server:///env.yaml", "500: .*server protocol not supported yet"),
        ("nixos", "400: .*You do not have sufficient rights"),
    ):
        with pytest.raises(Grid5000CreateError, match=text):
            other.create({"environment": environment, "nodes": [N(1)]})
    assert [d.uid for d in site.deployments.list(user="rehearsal")] == [started.uid]


def test_walltime_changes_through_python_grid5000(grid):
    provider = _provider(_conf(1))
    provider.reserve()
    provider.wait()
    (job,) = provider.jobs
    assert job.walltime_change.get().possible == "UNLIMITED"
    # granted all the same: the API's answer is said to be JSON, and is not
    with pytest.raises(Grid5000ParsingError, match="Failed to parse the server message"):
        job.walltime_change.create({"walltime": "+00:10"})
    _until(lambda: job.walltime_change.get().walltime == "0:40:0")
    assert job.walltime_change.get().granted == "+0:10:0"
    job.refresh()
    assert job.walltime == 2400
    with pytest.raises(Grid5000CreateError, match=r"400: .*you must give a new walltime"):
        job.walltime_change.create({})
    theirs = _client(grid, "bob").sites["lille"].jobs[job.uid]
    with pytest.raises(Grid5000CreateError, match=f"403: Job {job.uid} does not belong to you"):
        theirs.walltime_change.create({"walltime": "+1"})


def test_jobs_of_others_and_strangers(grid):
    provider = _provider(_conf(1))
    provider.reserve()
    theirs = _client(grid, "bob").sites["lille"].jobs[provider.jobs[0].uid]
    with pytest.raises(Grid5000DeleteError, match="403: You are not authorized to access this"):
        theirs.delete()
    stranger = Grid5000(uri=grid.api.uri, username="bob", password="guessed")
    with pytest.raises(Grid5000AuthenticationError, match="401: Authorization Required"):
        stranger.sites.list()


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/stable/sites", {}, None, 401),
        ("PUT", "/stable/sites/lille/jobs", {"Authorization": "ours"}, "{}", 405),
        ("POST", "/stable/sites/lille/jobs", {"Authorization": "ours"}, "{}", 415),
        ("POST", "/stable/sites", {"Content-Length": "9999999"}, None, 413),
        ("POST", "/stable/sites", {"Content-Length": "-1"}, None, 413),
    ],
)
def test_plain_http(grid, method, path, headers, body, status):
    token = f"{grid.api.login}:{grid.api.passwords[grid.api.login]}".encode()
    if headers.get("Authorization"):
        headers = {"Authorization": f"Basic {base64.b64encode(token).decode()}"}
    connection = http.client.HTTPConnection(*grid.api.uri.split("/")[2].split(":"), timeout=5)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.read()
    connection.close()


def test_errors_are_text_and_answers_json(grid):
    client = utils.get_api_client()
    answer = client.http_request("get", "/sites")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(answer.content)["total"] == 2
