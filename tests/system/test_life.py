"""The life of a deployment of three machines, which the tests share, in order."""

from __future__ import annotations

import copy
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import enoslib as en
import pytest

from enoslib_nxc import nix, procs, shell, ssh, state
from enoslib_nxc.config_sections import Build
from enoslib_nxc.errors import CommandError
from tests.system import lab

JOB = "life"
ROLES = {"server": 1, "agent": {"nodes": 2, "tags": ["compute"]}}


@pytest.fixture(scope="module")
def composition(tmp_path_factory):
    return lab.copy_of_embedded(tmp_path_factory.mktemp("life") / "composition")


@pytest.fixture(scope="module")
def make(composition):
    def make(**changes):
        wish = {"roles": ROLES, "composition": str(composition), **changes}
        return lab.provider(JOB, wish.pop("roles"), **wish)

    return make


@pytest.fixture(scope="module")
def trio(make):
    made = make()
    made.init()
    yield made
    made.destroy()


@pytest.fixture
def roles(trio):
    return trio.init()[0]


@pytest.fixture
def networks(trio):
    return trio.init()[1]


def test_roles_hosts_and_networks(trio, roles, networks):
    assert set(roles) == {"server", "agent", "compute"}
    assert [h.alias for h in roles["server"]] == ["server"]
    assert sorted(h.alias for h in roles["agent"]) == ["agent1", "agent2"]
    assert roles["compute"] == roles["agent"]
    assert sorted(h.address for h in roles.all()) == [f"192.168.1.{i}" for i in (1, 2, 3)]
    assert {h.extra["ansible_host"] for h in roles.all()} == {"127.0.0.1"}
    assert set(networks) == {"nxc"}
    assert [str(n.network) for n in networks["nxc"]] == ["192.168.1.0/24"]
    assert trio.is_created()


def test_nix_keeps_what_it_is_made_of(trio):
    link = state.find(JOB).gc_root("vm-ramdisk")
    built = trio.deployment.artifacts
    info = str(link.readlink())
    assert built.store.real(info) == built.compose_info
    roots = nix.choose(Build()).run("nix-store", "--query", "--roots", info, timeout=60)
    assert str(link) in roots.stdout


@pytest.mark.parametrize("host", ["server", "agent1", "agent2"])
def test_each_machine_found_its_role(trio, host):
    text = lab.on(trio, host, "hostname; cat /etc/nxc/role; readlink -f /run/current-system")
    role = host.rstrip("12")
    toplevel = trio.deployment.artifacts.roles[role].toplevel
    assert text.split() == [host, role, toplevel]


@pytest.mark.parametrize("host", ["server", "agent1", "agent2"])
def test_machines_reach_each_other_by_name(trio, host):
    for other in ("server", "agent1", "agent2"):
        assert "1 received" in lab.on(trio, host, f"ping -c 1 -W 10 {other}")


def test_machines_log_in_to_each_other(trio):
    login = "ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes agent2 hostname"
    assert lab.on(trio, "agent1", login) == "agent2"


def test_what_nxc_publishes_is_gone(trio):
    assert lab.on(trio, "server", "grep ^root: /etc/shadow").startswith("root:*:")
    keys = lab.on(trio, "server", "cat /root/.ssh/authorized_keys").splitlines()
    assert state.find(JOB).key.with_suffix(".pub").read_text().strip() in keys
    assert all("snake" not in key and "root@nixos" not in key for key in keys)


def test_nothing_secret_on_the_kernel_command_line(trio):
    line = lab.on(trio, "server", "cat /proc/cmdline")
    private = state.find(JOB).key.read_text().splitlines()[1]
    assert private not in line


def test_a_changed_host_key_is_refused(trio, tmp_path):
    good = lab.access(trio, "server")
    other = tmp_path / "other"
    ssh.make_key(other, "other")
    forged = tmp_path / "known_hosts"
    forged.write_text(f"server {other.with_suffix('.pub').read_text()}")
    with pytest.raises(CommandError, match="Host key verification failed"):
        shell.run(
            ssh.argv(ssh.Access(**{**vars(good), "known_hosts": forged}), "true"), timeout=30
        )


def test_run_command(roles):
    results = en.run_command("cat /etc/nxc/role", roles=roles)
    assert {r.host: r.stdout for r in results} == {
        "server": "server",
        "agent1": "agent",
        "agent2": "agent",
    }


def test_actions_and_measurement(roles, tmp_path):
    with en.actions(roles=roles["agent"][0], gather_facts=False) as run:
        run.shell("iperf3 -c server -t 1 -J > /root/out.json", task_name="iperf3")
        run.fetch(src="/root/out.json", dest=f"{tmp_path}/", task_name="fetch")
    assert {r.status for r in run.results} == {"OK"}
    assert '"sum_received"' in (tmp_path / "agent1" / "root" / "out.json").read_text()


@pytest.mark.full
def test_gather_facts(roles):
    facts = en.gather_facts(roles=roles["server"])
    assert facts["ok"]["server"]["ansible_hostname"] == "server"
    assert facts["ok"]["server"]["ansible_kernel"].startswith("6.")


@pytest.mark.full
def test_sync_info(roles, networks):
    (server,) = en.sync_info(roles["server"], networks)
    assert server.filter_interfaces(networks["nxc"]) == ["eth1"]
    assert [str(a.ip.ip) for a in server.filter_addresses(networks["nxc"])] == ["192.168.1.1"]


@pytest.mark.full
def test_run_ansible(roles, tmp_path):
    playbook = tmp_path / "site.yml"
    playbook.write_text(
        """
- hosts: agent
  gather_facts: true
  tasks:
    - copy: {content: "{{ ansible_hostname }} {{ word }}", dest: /root/play}
    - command: cat /root/play
"""
    )
    results = en.run_ansible([str(playbook)], roles=roles, extra_vars={"word": "plays"})
    said = {r.host: r.stdout for r in results if "stdout" in r.payload}
    assert said == {"agent1": "agent1 plays", "agent2": "agent2 plays"}


def test_pickle_and_deepcopy(trio, roles):
    for duplicate in (pickle.loads(pickle.dumps(trio)), copy.deepcopy(trio)):
        assert duplicate.is_created()
        assert duplicate.settings == trio.settings
        assert duplicate.init()[0] == roles
    assert pickle.loads(pickle.dumps(roles)) == roles
    assert copy.deepcopy(trio.provider_conf).to_dict() == trio.provider_conf.to_dict()


def test_init_again_only_asks(trio, monkeypatch):
    before = lab.boot_ids(trio)
    spawned = []
    start = shell._started
    monkeypatch.setattr(
        shell, "_started", lambda words, **kw: spawned.append(words[0]) or start(words, **kw)
    )
    took = lab.timed(trio.init)
    assert set(spawned) == {"ssh"}
    assert len(spawned) == 3
    assert lab.boot_ids(trio) == before
    reaches = [lab.access(trio, host) for host in before]

    def floor():
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda a: shell.run(ssh.argv(a, "true"), timeout=30), reaches))

    floors = [lab.timed(floor) for _ in range(3)]
    print(f"init again: {took:.2f} s; one parallel ssh true: {sorted(floors)[1]:.2f} s")
    assert took < 3 * max(floors)


def test_another_process_sees_it(trio):
    text = f"""
        from tests.system import lab
        made = lab.provider({JOB!r}, {ROLES!r}, composition={trio.settings.composition!r})
        assert made.is_created()
        print(sorted(h.address for h in made.init()[0].all()))
    """
    assert lab.python(text).stdout.strip() == "['192.168.1.1', '192.168.1.2', '192.168.1.3']"


@pytest.mark.full
def test_a_killed_machine_is_healed_alone(trio):
    before = lab.boot_ids(trio)
    token = trio.deployment.token
    procs.end(procs.tagged(f"enoslib-nxc:{token}:agent1"), 10)
    assert not trio.is_created()
    trio.init()
    after = lab.boot_ids(trio)
    assert {h for h in after if after[h] != before[h]} == {"agent1"}
    assert trio.is_created()


def test_a_role_grown_by_one(trio, make):
    before = lab.boot_ids(trio)
    grown = make(roles={"server": 1, "agent": {"nodes": 3, "tags": ["compute"]}})
    roles, _ = grown.init()
    assert sorted(h.alias for h in roles["agent"]) == ["agent1", "agent2", "agent3"]
    after = lab.boot_ids(grown)
    assert {h for h in before if after[h] != before[h]} == set()
    assert "1 received" in lab.on(grown, "server", "ping -c 1 -W 10 agent3")
    assert "1 received" in lab.on(grown, "agent3", "ping -c 1 -W 10 agent1")
    assert "agent3" in lab.on(grown, "agent1", "cat /etc/nxc/deployment.json")


def test_a_role_shrunk_again(trio):
    before = lab.boot_ids(trio)
    assert "agent3" in before
    trio.init()
    after = lab.boot_ids(trio)
    assert set(after) == {"server", "agent1", "agent2"}
    assert all(after[h] == before[h] for h in after)
    assert lab.ours(f"{trio.deployment.token}:agent3") == []
    assert "agent3" not in lab.on(trio, "server", "cat /etc/hosts")


@pytest.mark.full
def test_a_changed_role_boots_only_its_machines(trio, make, composition):
    before = lab.boot_ids(trio)
    file = Path(composition) / "composition.nix"
    text = file.read_text()
    server, agent = text.split("agent = {", 1)
    file.write_text(
        server + "agent = {" + agent.replace("[ pkgs.iperf3 ]", "[ pkgs.iperf3 pkgs.hello ]", 1)
    )
    trio.init()
    after = lab.boot_ids(trio)
    assert {h for h in after if after[h] != before[h]} == {"agent1", "agent2"}
    assert lab.on(trio, "agent1", "hello") == "Hello, world!"
    assert lab.on(trio, "server", "command -v hello || echo none") == "none"


@pytest.mark.full
def test_a_changed_parameter(make, trio):
    before = lab.boot_ids(trio)
    changed = make(parameters={"clients": 7})
    changed.init()
    after = lab.boot_ids(changed)
    assert all(after[h] != before[h] for h in after)
    assert '"clients":7' in lab.on(changed, "agent1", "cat /etc/nxc/deployment.json")
    changed.init()
    assert lab.boot_ids(changed) == after


@pytest.mark.full
def test_force_deploy_boots_all(trio):
    trio.init()
    before = lab.boot_ids(trio)
    trio.init(force_deploy=True)
    after = lab.boot_ids(trio)
    assert all(after[h] != before[h] for h in after)


def test_provenance_is_recorded(trio):
    provenance = trio.deployment.artifacts.provenance
    assert provenance.flake
    assert len(provenance.lock_hash) == 64
    assert set(provenance.nar_hashes) == {
        image.toplevel for image in trio.deployment.artifacts.roles.values()
    }
    assert all(value.startswith("sha256-") for value in provenance.nar_hashes.values())
    assert {len(provenance.digests[name]) for name in ("kernel", "initrd")} == {64}
    assert {"nix", "enoslib", "ansible-core", "enoslib-nxc"} <= set(provenance.versions)


def test_destroyed_from_another_process(trio):
    record = trio.deployment
    ports = [machine.ssh_port for machine in record.machines.values()]
    text = f"""
        from tests.system import lab
        made = lab.provider({JOB!r}, {ROLES!r}, composition={trio.settings.composition!r})
        made.destroy()
        made.destroy()
    """
    started = time.monotonic()
    lab.python(text)
    assert time.monotonic() - started < 30
    lab.assert_nothing_left(JOB, record.token, ports)
    assert not trio.is_created()
