"""The environment that nodes of a deploy job are given before kexec, without a node."""

import json
import socket
from dataclasses import replace

import pytest

from enoslib_nxc import parallel, ssh
from enoslib_nxc.boots import deployed, kexec
from enoslib_nxc.boots.kexec import KexecBoot
from enoslib_nxc.boots.present import Present, UnreachableError
from enoslib_nxc.context import NodeContext
from enoslib_nxc.errors import BootError, CommandError, PlatformError
from enoslib_nxc.g5k import deployments
from enoslib_nxc.g5k.deployments import Failure
from enoslib_nxc.model import Reserved
from tests.unit import factory


def run(tmp_path, *hosts, deploy=True, **g5k):
    made = factory.deployment(*hosts)
    machines = {}
    for number, (host, machine) in enumerate(made.machines.items(), 1):
        vlan = "7" if number > 2 else ""
        node = Reserved(node=f"n-{number}", site="lille", job=1, deploy=deploy, vlan=vlan)
        machines[host] = machine.model_copy(update={"reserved": node})
    wish = {"g5k": g5k, "retries": {"boot": 1}}
    context = NodeContext(text=json.dumps({"ssh_key.pub": "A\nB"}), hosts="")
    made = made.model_copy(update={"machines": machines})
    return replace(factory.run(tmp_path, made, **wish), context=context)


@pytest.fixture
def orders(monkeypatch):
    made = []

    def deploy(order, _deadline, _say):
        made.append(order)
        failed = [node for node in order.nodes if node == "n-2"]
        return {node: Failure("Kadeploy failed at BootNewEnv") for node in failed}

    monkeypatch.setattr(deployments, "deploy", deploy)
    return made


def test_one_deployment_for_each_kavlan(orders, tmp_path):
    made = run(tmp_path, "server", "agent1", "agent2", env_name="debian12-min", env_version=3)
    made.home.entry_hosts.write_text("n-1 ssh-ed25519 A\nn-2 ssh-ed25519 B\n")
    made.home.known_hosts.write_text("server ssh-ed25519 C\nagent1 ssh-ed25519 D\n")
    failed = deployed.install(made, ["server", "agent1", "agent2"])
    assert {host: error.brief for host, error in failed.items()} == {
        "agent1": "agent1 (n-2): Kadeploy failed at BootNewEnv"
    }
    asked = [(o.site, o.nodes, o.vlan, o.environment, o.version, o.key) for o in orders]
    assert sorted(asked) == [
        ("lille", ("n-1", "n-2"), "", "debian12-min", 3, "A\nB"),
        ("lille", ("n-3",), "7", "debian12-min", 3, "A\nB"),
    ]
    # the keys of what was replaced are forgotten
    assert made.home.entry_hosts.read_text() == "n-2 ssh-ed25519 B\n"
    assert made.home.known_hosts.read_text() == "agent1 ssh-ed25519 D\n"


def test_without_an_environment(orders, tmp_path):
    failed = deployed.install(run(tmp_path, "server"), ["server"])
    assert str(failed["server"]) == (
        "server (n-1) lets no root in\n"
        "-> set g5k.env_name: what a node of a deploy job runs before kexec"
    )
    assert orders == []


def looked(monkeypatch, orders, tmp_path, *, deploy):
    """Look at three machines: the first answers, the second once it was deployed."""

    def able(_deployment, _home, host):
        if host == "agent2":
            raise PlatformError("agent2: it has 1 MiB of memory, the image needs 2")
        if host == "agent1" and not orders:
            raise UnreachableError("agent1 cannot be reached by ssh: timed out")
        return Present(None, None, None)

    monkeypatch.setattr(kexec, "able", able)
    boot = KexecBoot()
    boot._lost["agent1"] = BootError("agent1 did not come back from kexec within 300 s")
    hosts = ("server", "agent1", "agent2")
    made = run(tmp_path, *hosts, deploy=deploy, env_name="debian12-min")
    found: parallel.Outcomes = boot._able(made, hosts)
    return sorted(found.done), {host: error.brief for host, error in found.failed.items()}


def test_a_node_lost_on_a_deploy_job_is_deployed_again(monkeypatch, tmp_path):
    orders = []

    def deploy(order, _deadline, _say):
        orders.append(order)
        return {}

    monkeypatch.setattr(deployments, "deploy", deploy)
    done, failed = looked(monkeypatch, orders, tmp_path, deploy=True)
    assert done == ["agent1", "server"]
    assert failed == {"agent2": "agent2: it has 1 MiB of memory, the image needs 2"}
    assert [order.nodes for order in orders] == [("n-2",)]


def test_a_node_lost_on_another_job_stays_lost(monkeypatch, orders, tmp_path):
    done, failed = looked(monkeypatch, orders, tmp_path, deploy=False)
    assert done == ["server"]
    assert failed["agent1"] == "agent1 did not come back from kexec within 300 s"
    assert orders == []


@pytest.mark.parametrize(
    ("state", "opened", "again"),
    [("up", False, False), ("up", True, True), ("started", False, True)],
)
def test_nodes_are_not_deployed_for_a_broken_way(
    monkeypatch, orders, tmp_path, state, opened, again
):
    asked = []

    def script(access, text, **_more):
        asked.append((access.address, access.user, text))
        if not opened:
            raise CommandError("ssh failed", details="Permission denied (publickey).")

    def able(_deployment, _home, host):
        if orders:
            return Present(None, None, None)
        raise UnreachableError(f"{host} cannot be reached by ssh: timed out")

    monkeypatch.setattr(ssh, "script", script)
    monkeypatch.setattr(kexec, "able", able)
    monkeypatch.setattr(socket, "getfqdn", lambda: "laptop.example.org")
    made = run(tmp_path, "server", "server2", env_name="debian12-min")
    machines = {
        host: machine.model_copy(
            update={
                "state": state,
                "reserved": Reserved(node=f"m-{host}", site="lille", job=1, deploy=True),
            }
        )
        for host, machine in made.deployment.machines.items()
    }
    update = {"machines": machines, "login": "ada"}
    made = replace(made, deployment=made.deployment.model_copy(update=update))
    found = KexecBoot()._able(made, machines)
    # one question for a site, none where nothing was up
    assert asked == ([("lille.grid5000.fr", "ada", "true")] if state == "up" else [])
    assert bool(orders) is again
    briefs = {host: error.brief for host, error in found.failed.items()}
    if again:
        assert briefs == {}
    else:
        assert briefs == {
            host: f"{host} cannot be reached by ssh: timed out" for host in machines
        }
