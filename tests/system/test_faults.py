"""What goes wrong while machines boot or run: told at once, and put right by `init()`."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from enoslib_nxc import deploy, procs, shell, state, status
from enoslib_nxc.errors import BootError
from enoslib_nxc.events import Event, Phase, Status
from enoslib_nxc.ssh import HostKey
from tests.system import lab

PAIR = {"agent": 2}


class Assassin:
    """A reporter that ends a machine once its console says something, `times` times.

    Args:
        job_name: the deployment.
        host: the machine.
        times: how often; later starts are left alone.
    """

    def __init__(self, job_name: str, host: str, times: int = 1) -> None:
        self.job_name = job_name
        self.host = host
        self.left = times
        self.starts = 0
        self.killed_at = 0.0

    def __call__(self, event: Event) -> None:
        started = event.message == "start" and event.status is Status.DONE
        if not started or event.subject != self.host:
            return
        self.starts += 1
        if self.left:
            self.left -= 1
            threading.Thread(target=self._kill, daemon=True).start()

    def _kill(self) -> None:
        home = state.find(self.job_name)
        lab.until(
            lambda: "Linux version" in home.console(self.host).read_text(errors="replace")
        )
        self.killed_at = time.monotonic()
        procs.end(procs.tagged(f"enoslib-nxc:{home.load().token}:{self.host}"), 10)


# one machine, which does not come up


def test_a_machine_that_dies_is_told_at_once():
    made = lab.provider("dies", {"server": 1}, retries={"boot": 0})
    killer = Assassin("dies", "server")
    with pytest.raises(BootError) as caught:
        made.init(reporter=killer)
    assert time.monotonic() - killer.killed_at < 10
    assert killer.starts == 1
    error, record = caught.value, made.deployment
    log = state.find("dies").console("server")
    head, told, *console = error.details.splitlines()
    assert error.brief == "1 of 1 machines did not come up: server"
    assert head == "server did not come up: its QEMU process ended"
    assert told == f"last lines of {log}:"
    assert console
    assert set(console) <= set(log.read_text().splitlines())
    assert (
        error.resolution == "init() tries again what is missing; destroy() ends what is there"
    )
    assert not made.is_created()
    made.destroy()
    lab.assert_all_gone(made, record)


def test_a_machine_that_is_told_of_others_only(monkeypatch):
    """Stage 1 does not find itself in the deployment JSON; nobody waits for the deadline."""
    context = deploy._context

    def of_others(side, deployment, own):
        machines = {
            host: machine.model_copy(update={"address": "192.168.1.99"})
            for host, machine in deployment.machines.items()
        }
        return context(side, deployment.model_copy(update={"machines": machines}), own)

    monkeypatch.setattr(deploy, "_context", of_others)
    made = lab.provider("stranger", {"server": 1}, retries={"boot": 0})
    started = time.monotonic()
    with pytest.raises(BootError) as caught:
        made.init()
    assert time.monotonic() - started < 60
    assert caught.value.details.splitlines()[0] == (
        "server did not come up: stage 1 did not find its address in the deployment JSON"
    )
    record = made.deployment
    made.destroy()
    lab.assert_all_gone(made, record)


def test_deadline():
    made = lab.provider("late", {"server": 1}, deadlines={"boot": 3})
    started = time.monotonic()
    with pytest.raises(BootError) as caught:
        made.init()
    took = time.monotonic() - started
    assert caught.value.brief == "1 of 1 machines did not come up: server"
    assert caught.value.details.splitlines()[0] == "server did not answer on ssh within 3 s"
    assert took < 20
    record = made.deployment
    assert [m.state for m in record.machines.values()] == ["started"]
    made.destroy()
    lab.assert_all_gone(made, record)


def test_with_a_failing_init_leaves_nothing():
    made = lab.provider("within", {"server": 1}, deadlines={"boot": 3})
    tokens = []

    def note(event):
        if event.phase is Phase.BOOT and made.deployment:
            tokens.append(made.deployment.token)

    made.init = lambda init=made.init: init(reporter=note)
    with pytest.raises(BootError), made:
        pytest.fail("the body runs although init() failed")
    assert tokens
    lab.assert_nothing_left("within", tokens[0], [])


# a context too large for the command line, and keys of the user's own


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Make a key of each kind: kind -> private key."""
    place = tmp_path_factory.mktemp("keys")
    found = {kind: place / kind for kind in ("ed25519", "rsa")}
    for kind, file in found.items():
        shell.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file], timeout=60)
    return found


LARGE = {f"parameter{n}": f"value {n} " * 10 for n in range(30)}


@pytest.fixture(scope="module")
def large(keys):
    def large(kind, trust):
        return lab.provider(
            "large",
            {"server": 1},
            parameters=LARGE,
            kernel_params="nxctest=42 quiet",
            ssh={"key": str(keys[kind]), "trust": trust},
        )

    made = large("ed25519", "nxc")
    made.init()
    yield large
    made.destroy()


def logs_in(made, host: str, key: Path) -> bool:
    """Tell whether a key alone opens a machine, as the user would use it."""
    reach = lab.access(made, host)
    words = ["ssh", "-F", "none", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    words += ["-o", "IdentityAgent=none", "-o", f"UserKnownHostsFile={reach.known_hosts}"]
    words += ["-o", f"HostKeyAlias={host}", "-i", key, "-p", str(reach.port)]
    return (
        shell.run([*words, "root@127.0.0.1", "true"], timeout=60, check=False).returncode == 0
    )


def test_a_large_context_is_fetched(large):
    made = large("ed25519", "nxc")
    line = lab.on(made, "server", "cat /proc/cmdline").split()
    assert "deploy=http://10.0.2.100/deployment.json" in line
    assert {"nxctest=42", "quiet"} <= set(line)
    assert lab.on(made, "server", "cat /etc/nxc/role") == "server"
    told = lab.on(made, "server", "cat /etc/nxc/deployment.json")
    assert len(told) > 2047
    assert all(f'"{name}":"{value}"' in told for name, value in LARGE.items())


def test_trust_nxc_leaves_the_image_as_it_is(large, keys):
    made = large("ed25519", "nxc")
    assert (
        lab.on(made, "server", "ls /run/enoslib-nxc/trusted || echo untouched") == "untouched"
    )
    assert not lab.on(made, "server", "grep ^root: /etc/shadow").startswith("root:*:")
    assert logs_in(made, "server", keys["ed25519"])
    assert not logs_in(made, "server", keys["rsa"])


def test_another_key_and_trust_need_no_boot(large, keys):
    made = large("rsa", "pin")
    before = lab.boot_ids(made)
    roles, _ = made.init()
    assert lab.boot_ids(made) == before
    assert roles["server"][0].keyfile == str(keys["rsa"])
    assert logs_in(made, "server", keys["rsa"])
    assert not logs_in(made, "server", keys["ed25519"])
    assert lab.on(made, "server", "grep ^root: /etc/shadow").startswith("root:*:")


@pytest.mark.full
def test_another_key_needs_a_boot_where_the_image_is_left_as_it_is(large, keys):
    made = large("ed25519", "nxc")
    before = lab.boot_ids(made)
    made.init()
    assert lab.boot_ids(made) != before
    assert logs_in(made, "server", keys["ed25519"])
    assert not logs_in(made, "server", keys["rsa"])


# two machines, in order


@pytest.fixture(scope="module")
def pair():
    made = lab.provider("pair", PAIR)
    killer = Assassin("pair", "agent2")
    made.init(reporter=killer)
    yield made, killer
    made.destroy()


def test_a_machine_that_dies_once_is_started_again(pair):
    made, killer = pair
    assert killer.killed_at
    assert killer.starts == 2
    assert made.is_created()
    assert lab.on(made, "agent2", "hostname") == "agent2"


@pytest.mark.full
def test_min_goes_on_without_a_lost_machine(pair):
    before = lab.boot_ids(pair[0])
    token = pair[0].deployment.token
    procs.end(procs.tagged(f"enoslib-nxc:{token}:agent2"), 10)
    fewer = lab.provider("pair", PAIR, min=1, retries={"boot": 0})
    killer = Assassin("pair", "agent2", times=9)
    roles, _ = fewer.init(reporter=killer)
    assert killer.starts == 1
    assert [host.alias for host in roles["agent"]] == ["agent1"]
    assert {m.host: m.state for m in fewer.deployment.machines.values()} == {
        "agent1": "up",
        "agent2": "lost",
    }
    assert lab.ours(f"enoslib-nxc:{token}:agent2") == []
    assert fewer.is_created()

    roles, _ = fewer.init()
    assert sorted(host.alias for host in roles["agent"]) == ["agent1", "agent2"]
    after = lab.boot_ids(fewer)
    assert after["agent1"] == before["agent1"]
    assert after["agent2"] != before["agent2"]


@pytest.mark.full
def test_a_killed_switch_is_healed(pair):
    made, _ = pair
    before = lab.boot_ids(made)
    switches = [p for p in procs.tagged(made.deployment.token) if p.name() == "vde_switch"]
    assert len(switches) == 1
    assert procs.end(switches, 10) == []
    assert not made.is_created()
    made.init()
    after = lab.boot_ids(made)
    assert all(after[host] != before[host] for host in before)
    assert "1 received" in lab.on(made, "agent1", "ping -c 1 -W 10 agent2")
    assert "1 received" in lab.on(made, "agent2", "ping -c 1 -W 10 agent1")


def test_a_port_that_is_taken_while_its_machine_is_away(pair):
    made, _ = pair
    before = lab.boot_ids(made)
    machine = made.deployment.machines["agent2"]
    procs.end(procs.tagged(f"enoslib-nxc:{made.deployment.token}:agent2"), 10)
    with (
        socket.create_server(("127.0.0.1", machine.ssh_port)),
        pytest.raises(BootError) as caught,
    ):
        made.init()
    assert str(caught.value).splitlines() == [
        "1 of 2 machines did not come up: agent2",
        f"  port {machine.ssh_port} of 127.0.0.1, for ssh to agent2, is taken",
        "  -> end what listens there, or destroy() and init() to get another port",
        "-> init() tries again what is missing; destroy() ends what is there",
    ]
    assert status.ask(lab.access(made, "agent1"), HostKey.PINNED).boot_id == before["agent1"]
