"""Kadeploy through the rehearsed API: homes by ssh and HTTP, nodes that only exist by name."""

from __future__ import annotations

import getpass
import http.server
import json
import threading
import time
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import yaml

from enoslib_nxc import bring_up, multiplexing
from enoslib_nxc.boots import kadeploy
from enoslib_nxc.boots.kadeploy import KadeployBoot
from enoslib_nxc.built import StoreMap
from enoslib_nxc.context import NodeContext
from enoslib_nxc.errors import BootError, PlatformError
from enoslib_nxc.g5k import api, credentials, deployments, published, where
from enoslib_nxc.model import Reserved
from enoslib_nxc.rehearsal.environments import Catalog
from enoslib_nxc.rehearsal.jobs import Pace
from enoslib_nxc.rehearsal.server import Rehearsal
from enoslib_nxc.rehearsal.service import Settings
from enoslib_nxc.rehearsal.site import read_site
from enoslib_nxc.rehearsal.testbed import NOT_BACK, DeploymentError, MemoryTestbed, Outcome
from enoslib_nxc.ssh import Access
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline
from tests.system import faulty
from tests.system.loopback_ssh import LoopbackSsh
from tests.unit import factory

N = "chiclet-{}.lille.grid5000.fr".format
HOSTS = {"server": N(1), "agent1": N(2), "agent2": N(3)}
SITE = read_site({"site": "lille", "cluster": "chiclet", "nodes": 4})
PACE = Pace(schedule=0.05, to_launch=0.05, launch=0.05, kill=0.05, finish=0.05)
ME = getpass.getuser()
TOKEN = "5e77ed0000000003"
CONTEXT = {"ssh_key.pub": "ssh-ed25519 A", "deployment": {}}
KEYS = bring_up.Keys(("ssh-ed25519 A",), "PRIVATE", "ssh-ed25519 A")


class Web(http.server.SimpleHTTPRequestHandler):
    """What Kadeploy asks of an image's server."""

    def end_headers(self):
        self.send_header("ETag", '"1"')
        super().end_headers()

    def log_message(self, *_args):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A frontend whose home is a directory of the test, and the site's web server."""
    place = tmp_path_factory.mktemp("site")
    home = place / "home"
    home.mkdir()
    with LoopbackSsh(place / "server", HOME=home) as server:
        web = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(Web, directory=str(home / "public"))
        )
        threading.Thread(target=web.serve_forever, args=(0.05,), daemon=True).start()
        access = Access(
            "frontend",
            "127.0.0.1",
            server.port,
            ME,
            place / "server" / "user",
            None,
            ("-F", "none", "-o", f"UserKnownHostsFile={place}/known", *where.FIRST_CONTACT),
        )
        url = f"http://127.0.0.1:{web.server_port}"
        public = home / "public" / "enoslib-nxc"
        yield SimpleNamespace(access=access, url=url, public=public)
        web.shutdown()
        web.server_close()


@pytest.fixture
def grid(tmp_path, monkeypatch, site):
    """A rehearsed site, and a deploy job of four nodes."""
    monkeypatch.setattr(where, "frontend", lambda *_words: site.access)
    home = tmp_path / "user"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(deployments, "POLL", 0.1)
    api.forget()
    testbed = MemoryTestbed(faults={})
    settings = Settings(testbed, time.time, Catalog({}), pace=PACE)
    with Rehearsal([SITE], home, login=ME, settings=settings) as rehearsal:
        wish = {"command": "sleep 1d", "resources": "nodes=4", "types": ["deploy"]}
        jobs = api.client().sites["lille"].jobs
        job = jobs.create(wish)
        until(lambda: jobs[job.uid].state == "running")
        yield SimpleNamespace(api=rehearsal, testbed=testbed, job=job.uid, home=home)
        testbed.gate.set()
    api.forget()


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Arriving(KadeployBoot):
    """Nodes answer as they were deployed; this test has none."""

    def arrive(self, run, access, deadline):
        host = access.name
        return Report("boot", factory.identity(host), run.context.hosts_digest, "/python", "")


@pytest.fixture
def run(tmp_path, site, grid):
    """Make a run of three nodes of the job; its connections end with the test."""

    def run(**settings):
        deployment = factory.deployment(*HOSTS).model_copy(update={"token": TOKEN})
        store = tmp_path / "root"
        image = store / "nix/store/t/all-compositions.tar.xz"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(b"an image")
        machines = {}
        for host, node in HOSTS.items():
            reserved = Reserved(node=node, site="lille", job=grid.job, deploy=True)
            update = {"reserved": reserved, "identity": factory.identity(host)}
            machines[host] = deployment.machines[host].model_copy(update=update)
        artifacts = deployment.artifacts.model_copy(
            update={
                "image": "/nix/store/t/all-compositions.tar.xz",
                "store": StoreMap(root=store),
            }
        )
        deployment = factory.having(deployment, machines=machines.values(), artifacts=artifacts)
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        wish = {"g5k": {"public_url": site.url}, "ssh": {"trust": "nxc"}, **settings}
        made = factory.run(home, deployment.model_copy(update={"login": ME}), **wish)
        return replace(made, context=NodeContext(text=json.dumps(CONTEXT), hosts=""))

    yield run
    multiplexing.settle(TOKEN)
    assert not multiplexing.runtime_dir(TOKEN).exists()


def go(run, boot=None):
    def reach(_run, host):
        return Access(host, host, 22, "root", None, None)

    act = bring_up.BringUp(boot or Arriving(), KEYS, reach, Deadline(600))
    wanted = {host: factory.identity(host) for host in run.deployment.machines}
    return act(run, wanted)


def asked(grid):
    return [
        sorted(d.request.nodes) for d in reversed(grid.api.sites["lille"].deployments.all())
    ]


def in_home(site):
    return sorted(
        str(p.relative_to(site.public)) for p in site.public.rglob("*") if p.is_file()
    )


def test_one_that_fails_once(run, grid, site):
    environments = []
    deploy = grid.testbed.deploy

    def remember(node, order):
        environments.append((node.fqdn, order.environment, order.key))
        return deploy(node, order)

    grid.testbed.deploy = remember
    grid.testbed.faults[N(2)] = [NOT_BACK]
    made = run(kernel_params="quiet")
    after = go(made)
    assert asked(grid) == [[N(1), N(2), N(3)], [N(2)]]
    assert {m.state for m in after.deployment.machines.values()} == {"up"}
    # what Kadeploy was told
    _node, environment, key = environments[0]
    url = site.url + f"/enoslib-nxc/{made.deployment.token}/deployment.json"
    assert environment.boot.kernel_params == f"quiet deploy={url} nxc.id={'d' * 16}"
    image = environment.image.file.rpartition("/")[2]
    assert (site.public / image).read_bytes() == b"an image"
    assert (environment.image.compression, environment.partition_type) == ("xz", 131)
    assert key == "ssh-ed25519 A"
    # the nodes find the deployment JSON there at each boot; the descriptions are gone
    kept = f"{made.deployment.token}/deployment.json"
    assert in_home(site) == sorted([image, kept])
    assert json.loads((site.public / kept).read_text()) == CONTEXT
    assert published.take_back(made.home) == ()
    assert in_home(site) == [image]


def test_one_that_never_works(run, grid):
    ko = Outcome(ok=False, macro="BroadcastEnv", micro="send_environment")
    grid.testbed.faults[N(3)] = [NOT_BACK, ko]
    with pytest.raises(BootError) as caught:
        go(run())
    assert str(caught.value) == (
        "1 of 3 machines did not come up: agent2\n"
        f"  agent2 ({N(3)}): Kadeploy failed at BroadcastEnv (send_environment)\n"
        "-> init() tries again what is missing; destroy() ends what is there"
    )
    assert asked(grid) == [[N(1), N(2), N(3)], [N(3)]]


def test_min_goes_on_without_it(run, grid):
    grid.testbed.faults[N(3)] = [NOT_BACK, NOT_BACK]
    after = go(run(min=2))
    assert after.machine("agent2").state == "lost"


def test_an_error_of_the_whole(run, grid):
    grid.testbed.faults[N(1)] = [DeploymentError("no space on the server")] * 2
    with pytest.raises(BootError) as caught:
        go(run())
    assert str(caught.value) == (
        "3 of 3 machines did not come up: server, agent1, agent2\n"
        f"  server ({N(1)}): the deployment ended in error\n    no space on the server\n"
        f"  agent1 ({N(2)}): the deployment ended in error\n    no space on the server\n"
        f"  agent2 ({N(3)}): the deployment ended in error\n    no space on the server\n"
        "-> init() tries again what is missing; destroy() ends what is there"
    )
    assert len(asked(grid)) == 2


def test_canceled_by_somebody_while_it_is_followed(run, grid):
    grid.testbed.gate.clear()
    of_site = grid.api.sites["lille"].deployments
    errors = []

    def cancel():
        until(of_site.all)
        (first,) = of_site.all()
        of_site.cancel(first.uid)
        grid.testbed.gate.set()

    helper = threading.Thread(target=cancel)
    helper.start()
    events = []
    made = replace(run(), report=events.append)
    after = go(made)
    helper.join()
    assert errors == []
    assert {m.state for m in after.deployment.machines.values()} == {"up"}
    assert [d.status.value for d in of_site.all()] == ["terminated", "canceled"]
    assert f"server ({N(1)}): the deployment was canceled by somebody else" in [
        event.message for event in events
    ]


def test_ctrl_c_cancels_the_deployment(run, grid, monkeypatch):
    grid.testbed.gate.clear()
    of_site = grid.api.sites["lille"].deployments
    first = []
    result = bring_up.parallel.ThreadPoolExecutor

    class Interrupted(result):
        """Ctrl-C comes to the main thread, once the deployment is under way."""

        def submit(self, *args, **kwargs):
            future = super().submit(*args, **kwargs)
            if not first:
                first.append(future)
                until(of_site.all)

                def interrupt(timeout=None):
                    raise KeyboardInterrupt

                future.result = interrupt
            return future

    made, boot = run(), Arriving()
    boot.check(made, {host: factory.identity(host) for host in HOSTS})
    monkeypatch.setattr(bring_up.parallel, "ThreadPoolExecutor", Interrupted)
    deadline = kadeploy.Deadline(60)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        bring_up.parallel.each(
            HOSTS, lambda host: boot.start(made, host, deadline), cancel=deadline.cancel
        )
    assert [d.status.value for d in of_site.all()] == ["canceled"]
    assert time.monotonic() - started < 10


def test_a_killed_process_leaves_a_deployment_to_be_awaited(run, grid):
    grid.testbed.gate.clear()
    grid.testbed.faults[N(3)] = [NOT_BACK]
    made, boot = run(), Arriving()
    wanted = {host: factory.identity(host) for host in HOSTS}
    checked = boot.check(made, wanted).run
    started = checked.having(
        *(
            m.model_copy(update={"state": "started"})
            for m in checked.deployment.machines.values()
        )
    )
    assert KadeployBoot().alive(started.deployment, started.home) == set()
    deadline = kadeploy.Deadline(60)
    lost = threading.Thread(target=partial(_quietly, boot, started, deadline), daemon=True)
    lost.start()
    until(grid.api.sites["lille"].deployments.all)
    # another process finds the record, and what goes on
    assert KadeployBoot().alive(started.deployment, started.home) == set(HOSTS)
    grid.testbed.gate.set()
    until(lambda: KadeployBoot().alive(started.deployment, started.home) != set(HOSTS))
    assert KadeployBoot().alive(started.deployment, started.home) == {"server", "agent1"}
    lost.join()
    after = go(started)
    assert asked(grid) == [[N(1), N(2), N(3)], [N(3)]]
    assert {m.state for m in after.deployment.machines.values()} == {"up"}


def _quietly(boot, run, deadline):
    bring_up.parallel.each(HOSTS, lambda host: boot.start(run, host, deadline))


def test_an_api_that_fails_while_it_is_asked(run, grid, monkeypatch):
    """The deployment goes on; who follows it waits."""
    grid.testbed.gate.clear()
    file = grid.home / credentials.FILE
    content = yaml.safe_load(file.read_text())
    relay = faulty.passes_on(grid.api.uri)
    broken = faulty.says(503, "Service Unavailable")
    events = []

    def answer(handler):
        bad = handler.command == "GET" and "/deployments/" in handler.path and asking["bad"]
        (broken if bad else relay)(handler)

    asking = {"bad": True}
    with faulty.serving(answer) as server:
        file.write_text(yaml.safe_dump({**content, "uri": f"{server.url}/stable"}))

        def report(event):
            events.append(event.message)
            if "asking again" in event.message:
                asking["bad"] = False
                grid.testbed.gate.set()

        go(replace(run(), report=report))
        assert [line for line in server.asked if line.startswith("POST")] == [
            "POST /stable/sites/lille/deployments"
        ]
    (told,) = [text for text in events if "asking again" in text]
    assert told.startswith("cannot look at deployment D-")
    assert told.endswith("the Grid'5000 API failed (503); asking again")
    assert asked(grid) == [[N(1), N(2), N(3)]]


def test_an_answer_that_is_lost(run, grid):
    """The API accepted: the deployment is found, and not asked for again."""
    file = grid.home / credentials.FILE
    content = yaml.safe_load(file.read_text())
    relay = faulty.passes_on(grid.api.uri)

    def answer(handler):
        if handler.command == "POST":
            handler.say = lambda *_args: faulty.hang_up(handler)
        relay(handler)

    grid.testbed.gate.clear()
    with faulty.serving(answer) as server:
        file.write_text(yaml.safe_dump({**content, "uri": f"{server.url}/stable"}))

        def report(event):
            if event.message.startswith("Kadeploy: processing"):
                grid.testbed.gate.set()

        go(replace(run(), report=report))
    assert asked(grid) == [[N(1), N(2), N(3)]]


def test_an_image_that_kadeploy_cannot_fetch(run, grid, site, monkeypatch):
    made = run()
    monkeypatch.setattr(Web, "do_HEAD", lambda handler: handler.send_error(404))
    with pytest.raises(BootError) as caught:
        go(made)
    text = str(caught.value)
    assert text.startswith(
        "3 of 3 machines did not come up: server, agent1, agent2\n"
        "  server was not deployed: cannot deploy 3 nodes of lille: the Grid'5000 API refused "
        "(400)\n"
        "    Cannot launch deployment: Invalid file -- Unable to get the checksum of "
        f"{site.url}/enoslib-nxc/"
    )
    assert "\n  agent1 was not deployed, as server\n" in text
    assert grid.testbed.deployed == []


def test_nodes_of_another_job(run, grid):
    made = run()
    api.client().sites["lille"].jobs.delete(grid.job)
    until(lambda: api.client().sites["lille"].jobs[grid.job].state != "running")
    with pytest.raises(BootError, match="You do not have sufficient rights"):
        go(made)


def test_a_home_that_cannot_be_reached(run, site, monkeypatch):
    nobody = replace(site.access, port=9)
    monkeypatch.setattr(where, "frontend", lambda *_words: nobody)
    with pytest.raises(PlatformError) as caught:
        go(run())
    assert caught.value.brief.startswith(
        "what is to be staged did not get to the home on frontend: ssh failed"
    )
