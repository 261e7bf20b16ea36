"""The Kadeploy boot without a machine: batches, command lines, what is refused and told."""

import json
import threading
from contextlib import contextmanager

import pytest

from enoslib_nxc import bring_up, status
from enoslib_nxc.boots import kadeploy
from enoslib_nxc.boots.arrival import SomeoneElseError
from enoslib_nxc.boots.kadeploy import KadeployBoot
from enoslib_nxc.context import NodeContext
from enoslib_nxc.errors import BootError, CommandError, PlatformError
from enoslib_nxc.events import Phase
from enoslib_nxc.g5k import deployments, earlier, published
from enoslib_nxc.g5k.api import ApiError
from enoslib_nxc.g5k.deployments import Failure
from enoslib_nxc.g5k.earlier import Standing
from enoslib_nxc.g5k.published import Published
from enoslib_nxc.model import Entry, Reserved
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline
from tests.unit import factory

GOES_ON, DONE = Standing(under_way=True), Standing(under_way=False)
IMAGE = "/nix/store/t/all-compositions.tar.xz"
KEYS = "ssh-ed25519 A\nssh-ed25519 B"
DIGEST = "nxc.id=" + "d" * 16
LINE = f"console=ttyS0 deploy=http://lille/deployment.json {DIGEST}"


def node(number, site="lille"):
    return f"chiclet-{number}.{site}.grid5000.fr"


@pytest.fixture
def made(tmp_path):
    """Make a run on reserved nodes: {host: (site, vlan)}."""

    def made(places=None, *, deploy=True, image=IMAGE, text=None, state="planned", **settings):
        places = places or dict.fromkeys(("server", "agent1", "agent2"), ("lille", ""))
        deployment = factory.deployment(*places, state=state)
        machines = {}
        for number, (host, (site, vlan)) in enumerate(places.items(), 1):
            reserved = Reserved(
                node=node(number, site), site=site, job=7, deploy=deploy, vlan=vlan
            )
            update = {
                "reserved": reserved,
                "entry": Entry(user="root", words="console=ttyS0"),
                "identity": factory.identity(host),
            }
            machines[host] = deployment.machines[host].model_copy(update=update)
        artifacts = deployment.artifacts.model_copy(update={"image": image})
        deployment = factory.having(
            deployment.model_copy(update={"login": "ada"}),
            machines=machines.values(),
            artifacts=artifacts,
        )
        run = factory.run(tmp_path, deployment, **settings)
        text = text or json.dumps({"ssh_key.pub": KEYS})
        object.__setattr__(run, "context", NodeContext(text=text, hosts=""))
        return run

    return made


class World:
    """Kadeploy and homes that remember what they were asked."""

    def __init__(self):
        self.orders = []
        self.lines = []
        self.staged = []
        self.failures = {}
        self.error = None
        self.threads = set()

    # boots.homes.Homes
    def __call__(self, run):
        return self

    def context_url(self, site):
        return f"http://{site}/deployment.json"

    def stage(self, site, deadline):
        self.staged.append(site)

    @contextmanager
    def environment(self, site, line, hosts):
        self.lines.append((site, line, tuple(hosts)))
        yield f"http://{site}/{len(self.lines)}/environment.yaml"

    # g5k.deployments
    def deploy(self, order, deadline, say):
        self.threads.add(threading.get_ident())
        self.orders.append(order)
        if self.error:
            raise self.error
        say("Kadeploy: processing")
        found = {n: self.failures[n].pop(0) for n in order.nodes if self.failures.get(n)}
        return {n: failure for n, failure in found.items() if failure}


@pytest.fixture
def world(monkeypatch):
    world = World()
    monkeypatch.setattr(kadeploy, "Homes", world)
    monkeypatch.setattr(deployments, "deploy", world.deploy)
    return world


def wanted(run):
    return {host: factory.identity(host) for host in run.deployment.machines}


def started(boot, run):
    """Start all hosts side by side as bring_up does; return host -> error."""
    outcome = bring_up.parallel.each(
        run.deployment.machines, lambda host: boot.start(run, host, Deadline(60))
    )
    return {host: str(error) for host, error in outcome.failed.items()}


def test_one_deployment_for_all_that_are_alike(made, world):
    run, boot = made(), KadeployBoot()
    assert boot.check(run, wanted(run)).refused == {}
    assert (world.orders, world.staged) == ([], ["lille"])
    assert started(boot, run) == {}
    (order,) = world.orders
    assert order.nodes == (node(1), node(2), node(3))
    assert order.body == {
        "nodes": [node(1), node(2), node(3)],
        "environment": "http://lille/1/environment.yaml",
        "key": KEYS,
    }
    assert world.lines == [("lille", LINE, ("server", "agent1", "agent2"))]
    assert len(world.threads) == 1


def test_sites_and_kavlans_have_deployments_of_their_own(made, world):
    places = {
        "server": ("lille", ""),
        "agent1": ("nancy", ""),
        "agent2": ("lille", "4"),
        "agent3": ("nancy", ""),
    }
    run, boot = made(places), KadeployBoot()
    boot.check(run, wanted(run))
    assert started(boot, run) == {}
    assert sorted((o.site, o.vlan, o.nodes) for o in world.orders) == [
        ("lille", "", (node(1),)),
        ("lille", "4", (node(3),)),
        ("nancy", "", (node(2, "nancy"), node(4, "nancy"))),
    ]


def test_many_nodes_of_a_site_do_not_keep_another_site_waiting(made, world, monkeypatch):
    """Lille's deployment ends only once that of nancy, whose host comes last, has begun."""
    few = {**bring_up.parallel.each.__kwdefaults__, "workers": 4}
    monkeypatch.setattr(bring_up.parallel.each, "__kwdefaults__", few)
    begun, met = threading.Event(), []

    def deploy(order, deadline, say):
        if order.site == "nancy":
            begun.set()
        met.append(begun.wait(5))
        return {}

    monkeypatch.setattr(deployments, "deploy", deploy)
    run = made({**{f"agent{n}": ("lille", "") for n in range(1, 7)}, "server": ("nancy", "")})
    boot = KadeployBoot()
    boot.check(run, wanted(run))
    assert started(boot, run) == {}
    assert met == [True, True]


def test_other_parameters_need_another_deployment(made):
    run = made()
    other = factory.identity("agent2").model_copy(update={"digest": "e" * 16})
    found = kadeploy.batches(
        run, {**wanted(run), "agent2": other}, {"lille": "http://lille/deployment.json"}
    )
    assert found["server"] is found["agent1"]
    assert found["server"].hosts == ["server", "agent1"]
    assert found["agent2"].hosts == ["agent2"]
    assert found["agent2"].line == LINE.replace("d" * 16, "e" * 16)


def test_the_command_line(made):
    run = made({"server": ("lille", "")}, kernel_params="quiet mitigations=off")
    found = kadeploy.batches(run, wanted(run), {"lille": "http://lille/x/deployment.json"})
    assert found["server"].line == (
        "console=ttyS0 quiet mitigations=off deploy=http://lille/x/deployment.json " + DIGEST
    )


def test_on_a_local_kavlan_the_json_is_inline(made):
    run = made({"server": ("lille", "2")}, text="{}")
    found = kadeploy.batches(run, wanted(run), {"lille": "http://lille/deployment.json"})
    assert found["server"].line == f"console=ttyS0 deploy=e30= {DIGEST}"
    run = made({"server": ("lille", "2")}, text="x" * 2000)
    with pytest.raises(PlatformError) as caught:
        kadeploy.batches(run, wanted(run), {"lille": "http://lille/deployment.json"})
    assert str(caught.value) == (
        "nodes on the local kavlan 2 can fetch nothing, and the deployment JSON does not fit "
        "their kernel command line: 2713 characters, the limit is 1983\n"
        "-> use a routed kavlan (type kavlan), or fewer nodes and parameters"
    )


def test_what_is_refused(made, world):
    def refused(run):
        with pytest.raises(PlatformError) as caught:
            KadeployBoot().check(run, wanted(run))
        return str(caught.value)

    assert refused(made(deploy=False)) == (
        "job 7 of lille is not of type deploy: Kadeploy may not touch its nodes\n"
        "-> use a job of type deploy, or flavour g5k-ramdisk"
    )
    assert refused(made(image="")) == (
        "the composition was built without the image (tarball) that Kadeploy installs\n"
        "-> build it for the flavour g5k-image"
    )
    assert refused(made(kernel_params="x" * 2000)) == (
        f"the kernel command line has {len(LINE) + 2001} characters, the limit is 1983\n"
        "-> shorten kernel_params"
    )
    assert (world.orders, world.staged) == ([], [])


def test_what_is_told_of_nodes_that_failed(made, world):
    run, boot = made(), KadeployBoot()
    world.failures = {
        node(2): [Failure("Kadeploy failed at BootNewEnv (wait_reboot)", "no answer")],
    }
    boot.check(run, wanted(run))
    assert started(boot, run) == {
        "agent1": f"agent1 ({node(2)}): Kadeploy failed at BootNewEnv (wait_reboot)\n"
        "  no answer"
    }


def test_what_is_told_of_a_refusal(made, world):
    run, boot = made(), KadeployBoot()
    world.error = ApiError(
        "cannot deploy 3 nodes of lille: the Grid'5000 API refused (400)",
        details="Cannot launch deployment: Invalid file",
        resolution="do something",
    )
    boot.check(run, wanted(run))
    assert started(boot, run) == {
        "server": "server was not deployed: cannot deploy 3 nodes of lille: the Grid'5000 API "
        "refused (400)\n"
        "  Cannot launch deployment: Invalid file\n"
        "-> do something",
        "agent1": "agent1 was not deployed, as server",
        "agent2": "agent2 was not deployed, as server",
    }
    assert len(world.orders) == 1


def test_a_defect_is_not_hidden(made, world):
    run, boot = made({"server": ("lille", "")}), KadeployBoot()
    world.error = KeyError("x")
    boot.check(run, wanted(run))
    with pytest.raises(KeyError):
        boot.start(run, "server", Deadline(60))


@pytest.fixture
def answers(monkeypatch):
    """What a node says when it is asked, in turn; the last for ever."""

    def answers(*told):
        left = list(told)

        def greeting(run, access, deadline):
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(kadeploy, "greeting", greeting)
        monkeypatch.setattr(kadeploy, "PAUSE_SECONDS", 0)
        monkeypatch.setattr(kadeploy, "ARRIVAL_SECONDS", 0.2)

    return answers


def report(run, host):
    return Report("boot", factory.identity(host), run.context.hosts_digest, "/python", "")


def access(host):
    return kadeploy.Access(host, host, 22, "root", None, None)


def test_a_node_arrives(made, answers):
    run = made({"server": ("lille", "")})
    answers(
        CommandError("refused"), SomeoneElseError("our key is refused"), report(run, "server")
    )
    found = KadeployBoot().arrive(run, access("server"), Deadline(60))
    assert found.boot_id == "boot"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (CommandError("refused"), "did not answer on ssh"),
        (
            SomeoneElseError("our key is refused"),
            "answers on ssh with another system (our key is refused)",
        ),
    ],
)
def test_a_node_that_does_not_arrive_leaves_time_to_try_again(made, answers, answer, told):
    run = made({"server": ("lille", "")})
    answers(answer)
    deadline = Deadline(60)
    with pytest.raises(BootError) as caught:
        KadeployBoot().arrive(run, access("server"), deadline)
    assert str(caught.value) == (
        f"server ({node(1)}) was deployed, but {told} within 0 s\n"
        f"-> look at its console, on lille: kaconsole3 -m {node(1)}"
    )
    assert not deadline.passed


def test_who_is_alive(made, monkeypatch):
    places = dict.fromkeys(("server", "agent1", "agent2", "agent3"), ("lille", ""))
    run = made(places, state="started")
    up = run.machine("server").model_copy(update={"state": "up"})
    run = run.having(up)
    urls = {host: f"http://lille/{host}" for host in ("server", "agent1", "agent2")}
    published.save(run.home, Published(environments=urls))

    def standing(site, login, nodes):
        assert (site, login) == ("lille", "ada")
        assert nodes == {node(2): urls["agent1"], node(3): urls["agent2"]}
        ko = Failure("Kadeploy failed at BootNewEnv (wait_reboot)")
        return {node(2): Standing(under_way=False, failure=ko), node(3): GOES_ON}

    monkeypatch.setattr(earlier, "standing", standing)
    assert KadeployBoot().alive(run.deployment, run.home) == {"server", "agent2"}


def test_what_an_interrupted_run_left_is_awaited(made, answers, monkeypatch):
    run = made(state="started")
    hosts = list(run.deployment.machines)
    published.save(run.home, Published(environments=dict.fromkeys(hosts, "http://lille/0")))
    calls = []

    def settled(site, login, nodes, deadline):
        calls.append((site, login, set(nodes)))
        ko = Failure("Kadeploy failed at BootNewEnv (wait_reboot)")
        return {node(1): DONE, node(2): Standing(under_way=False, failure=ko)}

    monkeypatch.setattr(earlier, "settled", settled)
    answers(report(run, "server"))
    boot = KadeployBoot()
    assert boot.arrive(run, access("server"), Deadline(60)).boot_id == "boot"
    with pytest.raises(BootError) as caught:
        boot.arrive(run, access("agent1"), Deadline(60))
    assert str(caught.value) == (
        f"agent1 ({node(2)}): Kadeploy failed at BootNewEnv (wait_reboot)"
    )
    assert calls == [("lille", "ada", {node(1), node(2), node(3)})]


def test_what_runs_rightly_needs_no_api(made, monkeypatch):
    run = made(state="up")
    monkeypatch.setattr(earlier, "standing", None)
    assert KadeployBoot().alive(run.deployment, run.home) == set(run.deployment.machines)


class Arriving(KadeployBoot):
    """Nodes answer as deployed."""

    def arrive(self, run, access, deadline):
        return report(run, access.name)


def bring(boot, run, tmp_path):
    keys = bring_up.Keys(("ssh-ed25519 A",), "PRIVATE", "ssh-ed25519 A")
    return bring_up.BringUp(boot, keys, lambda _run, host: access(host), Deadline(600))(
        run, wanted(run)
    )


def test_only_what_failed_is_deployed_again(made, world, tmp_path, monkeypatch):
    ko = Failure("Kadeploy failed at SetDeploymentEnv (format_deploy_part)")
    world.failures = {node(2): [ko]}
    events = []
    run = made(ssh={"trust": "nxc"})
    object.__setattr__(run, "report", events.append)
    after = bring(Arriving(), run, tmp_path)
    assert [order.nodes for order in world.orders] == [
        (node(1), node(2), node(3)),
        (node(2),),
    ]
    assert {m.state for m in after.deployment.machines.values()} == {"up"}
    assert "Kadeploy: processing" in [e.message for e in events if e.phase is Phase.BOOT]
    # and the next time, nothing is
    monkeypatch.setattr(status, "ask", lambda access, *_a: report(run, access.name))
    bring(Arriving(), after, tmp_path)
    assert len(world.orders) == 2


def test_one_that_never_works(made, world, tmp_path):
    ko = Failure("Kadeploy failed at BroadcastEnv (send_environment)")
    world.failures = {node(2): [ko, ko, ko]}
    with pytest.raises(BootError) as caught:
        bring(Arriving(), made(ssh={"trust": "nxc"}, retries={"boot": 2}), tmp_path)
    assert str(caught.value) == (
        "1 of 3 machines did not come up: agent1\n"
        f"  agent1 ({node(2)}): Kadeploy failed at BroadcastEnv (send_environment)\n"
        "-> init() tries again what is missing; destroy() ends what is there"
    )
    assert [order.nodes for order in world.orders][1:] == [(node(2),), (node(2),)]
    world.failures = {node(2): [ko, ko]}
    after = bring(Arriving(), made(ssh={"trust": "nxc"}, min=2), tmp_path)
    assert after.machine("agent1").state == "lost"
