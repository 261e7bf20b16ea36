"""Flavour docker: the life of three containers, which the tests share, in order."""

from __future__ import annotations

import json

import enoslib as en
import pytest

from enoslib_nxc import docker, state
from enoslib_nxc.debian import EMBEDDED_DIR
from enoslib_nxc.errors import PlatformError
from tests.system import lab
from tests.system.contained import anew, free_port, left, provider, publish, started

JOB = "contained"
ROLES = {"server": 1, "agent": {"nodes": 2, "tags": ["compute"]}}

pytestmark = pytest.mark.usefixtures("docker_daemon")


@pytest.fixture(scope="module")
def composition(tmp_path_factory):
    return lab.copy_of_embedded(tmp_path_factory.mktemp("docker") / "composition")


@pytest.fixture(scope="module")
def make(composition, docker_daemon):
    def make(*, roles=ROLES, **changes):
        return provider(JOB, composition, roles, **changes)

    return make


@pytest.fixture(scope="module")
def trio(make):
    made = make()
    print(f"init: {lab.timed(made.init):.1f} s")
    yield made
    token = made.deployment.token
    print(f"destroy: {lab.timed(made.destroy):.1f} s")
    assert left(token) == []
    assert state.find(JOB) is None


@pytest.fixture
def roles(trio):
    return trio.init()[0]


def test_roles_hosts_and_networks(trio, roles):
    networks = trio.init()[1]
    assert set(roles) == {"server", "agent", "compute"}
    assert [h.alias for h in roles["server"]] == ["server"]
    assert sorted(h.alias for h in roles["compute"]) == ["agent1", "agent2"]
    (network,) = [n.network for n in networks["nxc"]]
    assert sorted(h.address for h in roles.all()) == [str(network[i]) for i in (1, 2, 3)]
    addresses = lab.on(trio, "server", "hostname -I").split()
    assert addresses == [h.address for h in roles["server"]]
    assert trio.is_created()


@pytest.mark.parametrize("host", ["server", "agent1", "agent2"])
def test_each_container_is_its_role_s_system(trio, host):
    told = "hostname; cat /etc/nxc/role /etc/nxc/ip_addr; readlink -f /run/current-system"
    role = host.rstrip("12")
    toplevel = trio.deployment.artifacts.roles[role].toplevel
    address = trio.deployment.machines[host].address
    assert lab.on(trio, host, told).split() == [host, role, address, toplevel]
    assert lab.on(trio, host, "cat /proc/1/comm; systemctl --failed --no-legend") == "systemd"
    tree = json.loads(lab.on(trio, host, "cat /etc/nxc/deployment.json"))
    assert tree["deployment"][address] == {"role": role, "host": host}


def test_epochs_are_the_containers_own(trio):
    epochs = lab.boot_ids(trio)
    assert len(set(epochs.values())) == 3
    assert {host: m.boot_id for host, m in trio.deployment.machines.items()} == epochs


@pytest.mark.parametrize("host", ["server", "agent1", "agent2"])
def test_containers_reach_each_other_by_name(trio, host):
    for other in ("server", "agent1", "agent2"):
        assert "1 received" in lab.on(trio, host, f"ping -c 1 -W 10 {other}")
    assert "server" in lab.on(trio, host, "grep -w server /etc/hosts")


def test_a_measurement_between_containers(roles):
    done = en.run_command("iperf3 -c server -t 1 --json", roles=sorted(roles["agent"])[:1])
    (one,) = [json.loads(result.stdout) for result in done]
    assert one["end"]["sum_received"]["bits_per_second"] > 1e6


def test_enoslib_s_other_calls(trio, roles, tmp_path):
    with en.actions(roles=roles["agent"]) as actions:
        actions.copy(content="said", dest="/root/said")
        actions.shell("cat /root/said")
    assert [r.payload["stdout"] for r in actions.results if r.task == "shell"] == ["said"] * 2
    facts = en.gather_facts(roles=roles["server"])
    assert facts["ok"]["server"]["ansible_hostname"] == "server"
    networks = trio.init()[1]
    alone = en.Roles(server=list(roles["server"]))
    (server,) = en.sync_info(alone, networks)["server"]
    (address,) = server.filter_addresses(networks=networks["nxc"])
    assert str(address.ip.ip) == server.address
    play = tmp_path / "play.yml"
    play.write_text("- hosts: agent\n  gather_facts: false\n  tasks: [{command: id -u}]\n")
    en.run_ansible([str(play)], roles=roles)


def test_nothing_happens_when_nothing_changed(trio, make):
    before = started(trio)
    again = make()
    seconds = lab.timed(again.init)
    print(f"init again: {seconds:.1f} s")
    assert started(trio) == before


def test_a_new_process_finds_them(trio, composition):
    before = started(trio)
    told = lab.python(
        f"""
        from tests.system import contained
        roles, _ = contained.provider({JOB!r}, {str(composition)!r}, {ROLES!r}).init()
        print(sorted(host.alias for host in roles.all()))
        """
    )
    assert told.stdout.splitlines()[-1] == "['agent1', 'agent2', 'server']"
    assert started(trio) == before


def test_a_killed_container_is_started_alone(trio, make):
    before, epochs = started(trio), lab.boot_ids(trio)
    machine = trio.deployment.machines["agent1"]
    docker.here().run("kill", machine.container.name)
    assert not make().is_created()
    again = make()
    print(f"one container again: {lab.timed(again.init):.1f} s")
    after = started(again)
    assert anew(before, after) == {"agent1"}
    changed = {h for h, epoch in lab.boot_ids(again).items() if epoch != epochs[h]}
    assert changed == {"agent1"}
    assert again.deployment.machines["agent1"].address == machine.address


def test_growing_leaves_the_others_running(trio, make):
    before = started(trio)
    grown = make(roles={"server": 1, "agent": {"nodes": 3, "tags": ["compute"]}})
    grown.init()
    assert anew(before, started(grown)) == {"agent3"}
    assert "1 received" in lab.on(grown, "server", "ping -c 1 -W 10 agent3")
    assert "agent3" in lab.on(grown, "server", "cat /etc/hosts")
    make().init()
    assert started(trio) == before


def test_a_changed_role_restarts_alone(trio, make, composition):
    before = started(trio)
    file = composition / "composition.nix"
    text = file.read_text()
    module = "agent = { pkgs, ... }: {"
    file.write_text(text.replace(module, f'{module} environment.variables.MODE = "new";'))
    made = make()
    made.init()
    assert anew(before, started(made)) == {"agent1", "agent2"}
    assert lab.on(made, "agent1", ". /etc/profile.d/nxc.sh; echo $MODE") == "new"


def test_what_a_role_publishes_is_part_of_it(trio, make, composition):
    before = started(trio)
    port = free_port()
    publish(composition, "server", port)
    made = make()
    made.init()
    assert anew(before, started(made)) == {"server"}
    lab.until(lambda: lab.listens(port), 10)
    make().init()  # its own port is no obstacle
    assert anew(started(made), started(trio)) == set()


def test_changed_parameters_restart_all(trio, make):
    before = started(trio)
    made = make(parameters={"size": 3})
    made.init()
    assert anew(before, started(made)) == {"server", "agent1", "agent2"}
    tree = json.loads(lab.on(made, "server", "cat /etc/nxc/deployment.json"))
    assert tree["parameters"] == {"size": 3}


def test_a_network_that_is_taken(trio):
    (network,) = trio.deployment.networks
    other = provider(
        "contained-overlap", EMBEDDED_DIR, {"server": 1}, docker={"network": network}
    )
    with pytest.raises(PlatformError) as caught:
        other.init()
    assert caught.value.brief == f"docker has another network that overlaps {network}"
    assert state.find("contained-overlap") is None


def test_another_network_means_other_containers(trio, make):
    before = started(trio)
    made = make(docker={"network": "10.99.7.0/24"})
    roles = made.init()[0]
    assert anew(before, started(made)) == {"server", "agent1", "agent2"}
    assert len(started(made)) == len(docker.here().containers(made.deployment.token)) == 3
    assert sorted(h.address for h in roles.all()) == [f"10.99.7.{i}" for i in (1, 2, 3)]
    assert "1 received" in lab.on(made, "agent2", "ping -c 1 -W 10 server")
    assert make().init()[0]["server"] == roles["server"]  # it stays, unless asked otherwise


def test_a_deployment_stays_with_its_daemon(trio, make, monkeypatch, docker_daemon, tmp_path):
    link = tmp_path / "sock"
    link.symlink_to(docker_daemon.removeprefix("unix://"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{link}")
    with pytest.raises(PlatformError) as caught:
        make().init()
    assert caught.value.brief == (
        f"deployment {JOB} runs on docker's daemon at {docker_daemon}, not unix://{link}"
    )


@pytest.mark.full
def test_a_store_elsewhere(docker_daemon, tmp_path):
    """Its files are mounted where the system expects them."""
    store = {"store": str(tmp_path / "store")}
    made = provider("contained-store", EMBEDDED_DIR, {"server": 1}, build=store)
    made.init()
    toplevel = made.deployment.artifacts.roles["server"].toplevel
    assert lab.on(made, "server", "readlink -f /run/current-system") == toplevel
    inside = lab.on(made, "server", "stat -c %i /nix/store")
    assert int(inside) == (tmp_path / "store/nix/store").stat().st_ino
    made.destroy()
