"""Bringing up with a boot that only remembers: what is started, when, and what is told."""

import threading

import pytest

from enoslib_nxc import bring_up, ssh, status
from enoslib_nxc.boots import Checked, failures
from enoslib_nxc.errors import BootError, CommandError, PlatformError
from enoslib_nxc.shell import Result
from enoslib_nxc.ssh import Access
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline
from tests.unit import factory

KEYS = bring_up.Keys(("ssh-ed25519 A",), "PRIVATE", "ssh-ed25519 A")


class World:
    """Machines as they would answer; also the boot that changes them."""

    def __init__(self, *hosts):
        self.answers = {host: factory.identity(host) for host in hosts}
        self.up = set(hosts)
        self.hosts_digest = {}
        self.trusted = {}
        self.boots = []
        self.scripts = []
        self.dead_for = {}
        self.refusals = {}

    def report(self, host):
        if self.dead_for.get(host, 0):
            self.dead_for[host] -= 1
            raise BootError(f"{host} did not come up: its kernel panicked")
        return Report(
            boot_id=f"{host}-{self.boots.count(host)}",
            identity=self.answers[host],
            hosts=self.hosts_digest.get(host, ""),
            python="/usr/bin/python3",
            trusted=self.trusted.get(host, ""),
        )

    # the Boot protocol
    def require(self):
        pass

    def shape(self, settings, node, machine):
        return {}

    def check(self, run, wanted):
        refused = {host: self.refusals[host] for host in wanted if host in self.refusals}
        return Checked(run, refused)

    def start(self, run, host, deadline):
        self.boots.append(host)
        self.up.add(host)
        self.answers[host] = run.machine(host).identity
        self.trusted.pop(host, None)

    def stop(self, run, hosts):
        self.up -= set(hosts)

    def alive(self, deployment, home):
        return set(self.up)

    def arrive(self, run, access, deadline):
        return self.report(access.name)

    def log(self, run, host):
        return f"last lines of {run.home.console(host)}:\nconsole of {host}"

    def close(self):
        pass


@pytest.fixture
def world(monkeypatch):
    made = World()

    def script(access, text, *_args, **_kw):
        made.scripts.append((access.name, "trust" if "PRIVATE_KEY=" in text else "hosts"))
        return Result((), 0, "", "", 0.0)

    monkeypatch.setattr(status, "ask", lambda access, *_a: made.report(access.name))
    monkeypatch.setattr(ssh, "script", script)
    return made


def _reach(_run, host):
    return Access(host, "", 22, "root", None, None)


def _go(world, tmp_path, made, *, fresh=(), **settings):
    run = factory.run(tmp_path, made, **settings)
    act = bring_up.BringUp(world, KEYS, _reach, Deadline(600))
    wanted = {host: factory.identity(host) for host in made.machines}
    return act(run, wanted, fresh=fresh)


def _settle(world, run):
    """Let all machines be as a finished bring-up leaves them."""
    for host in run.deployment.machines:
        world.hosts_digest[host] = run.context.hosts_digest
        world.trusted[host] = KEYS.digest


def test_first_time_boots_all(world, tmp_path):
    run = _go(world, tmp_path, factory.deployment("server", "agent1"))
    assert sorted(world.boots) == ["agent1", "server"]
    assert {m.state for m in run.deployment.machines.values()} == {"up"}
    assert run.machine("server").boot_id == "server-1"
    assert run.home.load() == run.deployment


def test_second_time_does_nothing(world, tmp_path):
    run = _go(world, tmp_path, factory.deployment("server", "agent1"))
    _settle(world, run)
    world.boots.clear()
    world.scripts.clear()
    again = _go(world, tmp_path, run.deployment)
    assert (world.boots, world.scripts) == ([], [])
    assert again.deployment == run.deployment


def test_only_what_differs_boots(world, tmp_path):
    run = _go(world, tmp_path, factory.deployment("server", "agent1", "agent2"))
    _settle(world, run)
    world.boots.clear()
    world.up.discard("agent2")
    world.answers["agent1"] = world.answers["agent1"].model_copy(update={"toplevel": "/old"})
    _go(world, tmp_path, run.deployment)
    assert sorted(world.boots) == ["agent1", "agent2"]


def test_force_boots_all(world, tmp_path):
    run = _go(world, tmp_path, factory.deployment("server", "agent1"))
    world.boots.clear()
    _go(world, tmp_path, run.deployment, fresh=["server", "agent1"])
    assert sorted(world.boots) == ["agent1", "server"]


def test_interrupted_start_is_only_awaited(world, tmp_path):
    made = factory.deployment("server")
    started = made.machines["server"].model_copy(
        update={"state": "started", "identity": factory.identity("server")}
    )
    made = made.model_copy(update={"machines": {"server": started}})
    world.up.add("server")
    world.answers["server"] = factory.identity("server")
    run = _go(world, tmp_path, made)
    assert world.boots == []
    assert run.machine("server").state == "up"


def test_hosts_file_is_refreshed_without_a_boot(world, tmp_path):
    run = _go(world, tmp_path, factory.deployment("server"))
    _settle(world, run)
    world.hosts_digest["server"] = "old"
    world.boots.clear()
    world.scripts.clear()
    _go(world, tmp_path, run.deployment)
    assert world.boots == []
    assert world.scripts == [("server", "hosts")]


def test_trust_nxc_leaves_the_image_as_it_is(world, tmp_path):
    _go(world, tmp_path, factory.deployment("server"), ssh={"trust": "nxc"})
    assert world.scripts == [("server", "hosts")]


def test_a_machine_that_fails_once_is_started_again(world, tmp_path):
    world.dead_for["server"] = 1
    run = _go(world, tmp_path, factory.deployment("server"))
    assert world.boots == ["server", "server"]
    assert run.machine("server").state == "up"


def test_retries_are_bounded(world, tmp_path):
    world.dead_for["agent1"] = 100
    with pytest.raises(BootError) as caught:
        _go(world, tmp_path, factory.deployment("server", "agent1"), retries={"boot": 2})
    assert world.boots.count("agent1") == 3
    assert world.boots.count("server") == 1
    assert str(caught.value) == (
        "1 of 2 machines did not come up: agent1\n"
        "  agent1 did not come up: its kernel panicked\n"
        f"  last lines of {tmp_path / 'console' / 'agent1.log'}:\n"
        "  console of agent1\n"
        "-> init() tries again what is missing; destroy() ends what is there"
    )


def test_min_lets_the_rest_go_on(world, tmp_path):
    world.dead_for["agent2"] = 100
    made = factory.deployment("server", "agent1", "agent2")
    run = _go(world, tmp_path, made, min=2)
    assert run.machine("agent2").state == "lost"
    assert "agent2" not in world.up


def test_min_that_is_not_met(world, tmp_path):
    world.dead_for["agent2"] = 100
    made = factory.deployment("server", "agent1", "agent2")
    with pytest.raises(BootError, match="1 of 3 machines did not come up: agent2"):
        _go(world, tmp_path, made, min=3)


def test_min_of_a_role_binds_that_role_only(world, tmp_path):
    world.dead_for["server"] = 100
    made = factory.deployment("server", "agent1", "agent2")
    roles = {"server": {"nodes": 1}, "agent": {"nodes": 2, "min": 1}}
    with pytest.raises(BootError, match="did not come up: server"):
        _go(world, tmp_path, made, roles=roles)


def test_what_the_preflight_refuses_is_named_before_anything_starts(world, tmp_path):
    world.refusals["agent1"] = PlatformError("agent1 has no kexec", resolution="install it")
    with pytest.raises(BootError) as caught:
        _go(world, tmp_path, factory.deployment("server", "agent1"))
    assert world.boots == []
    assert str(caught.value).splitlines()[:3] == [
        "1 of 2 machines cannot be booted: agent1",
        "  agent1 has no kexec",
        "  -> install it",
    ]


def test_min_goes_on_without_what_the_preflight_refuses(world, tmp_path):
    world.refusals["agent1"] = PlatformError("agent1 has no kexec")
    run = _go(world, tmp_path, factory.deployment("server", "agent1"), min=1)
    assert set(world.boots) == {"server"}
    assert run.machine("agent1").state == "lost"


def test_wrong_role_is_an_error_that_says_so(world, tmp_path, monkeypatch):
    def start(run, host, deadline):
        world.boots.append(host)
        world.answers[host] = factory.identity("agent")

    monkeypatch.setattr(world, "start", start)
    with pytest.raises(BootError) as caught:
        _go(world, tmp_path, factory.deployment("server"))
    assert "server came up, but host name is agent, not server; role is agent" in str(
        caught.value
    )


def test_setup_that_fails_names_the_machine(world, tmp_path, monkeypatch):
    def script(access, text, *_args, **_kw):
        raise CommandError(f"ssh failed on {access.name}")

    monkeypatch.setattr(ssh, "script", script)
    with pytest.raises(BootError, match="1 of 1 machines could not be set up: server"):
        _go(world, tmp_path, factory.deployment("server"))


def test_started_machines_are_on_record_before_they_start(world, tmp_path, monkeypatch):
    seen = []
    start = world.start

    def watch(run, host, deadline):
        seen.append(run.home.load().machines[host].state)
        start(run, host, deadline)

    monkeypatch.setattr(world, "start", watch)
    _go(world, tmp_path, factory.deployment("server", "agent1"))
    assert seen == ["started", "started"]


def test_what_machines_wrote_last_is_read_side_by_side(tmp_path):
    """A host that is gone is waited for once, not for each of its machines."""
    met = threading.Barrier(2)

    class Slow(World):
        def log(self, run, host):
            met.wait(5)
            return f"console of {host}"

    run = factory.run(tmp_path, factory.deployment("server", "agent1"))
    failed = {host: BootError(f"{host}: no") for host in ("server", "agent1")}
    error = failures.failure("did not come up", failed, run, Slow())
    assert error.details == "server: no\nconsole of server\nagent1: no\nconsole of agent1"


def test_what_cannot_be_tried_again_is_told_by_why_it_failed(world, tmp_path):
    """As where the host of virtual machines dies: nothing can be sent to it any more."""
    world.dead_for["agent1"] = 2
    looks = []

    def check(run, wanted):
        looks.append(set(wanted))
        if len(looks) > 1:
            raise BootError("vmhost2: kernel did not get there")
        return Checked(run, {})

    world.check = check
    with pytest.raises(BootError) as caught:
        _go(world, tmp_path, factory.deployment("server", "agent1"), retries={"boot": 1})
    assert looks == [{"server", "agent1"}, {"agent1"}]
    assert caught.value.brief == "1 of 2 machines did not come up: agent1"
    assert caught.value.details.startswith("agent1 did not come up: its kernel panicked")
