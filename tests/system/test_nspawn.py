"""Containers of systemd-nspawn: the life of three, which the tests share, in order."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path

import enoslib as en
import pytest

from enoslib_nxc import netns, shell, state, status
from enoslib_nxc.errors import CommandError
from enoslib_nxc.platforms import places
from enoslib_nxc.ssh import HostKey
from tests.system import lab, machines_here

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="systemd-nspawn needs root")

JOB = "containers"
ROLES = {"server": 1, "agent": {"nodes": 2, "tags": ["compute"]}}
HOSTS = ("server", "agent1", "agent2")

SERVICE = """
      systemd.services.bye = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "/usr/bin/true";
          ExecStop = "/bin/sh -c 'hostname >> /mnt/shared/bye'";
        };
      };
"""
"""Something that only an orderly shutdown does."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Return a directory of this computer that all machines see."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def make(shared, tmp_path_factory):
    composition = lab.copy_of_embedded(tmp_path_factory.mktemp("nspawn") / "composition")
    file = composition / "composition.nix"
    server, volumes = "server = { pkgs, ... }: {", f'extraVolumes = [ "{shared}:/mnt/shared" ];'
    text = file.read_text().replace(server, server + SERVICE)
    file.write_text(text.replace("roles = {", f"{volumes} roles = {{", 1))

    def make(**changes):
        wish = {"roles": ROLES, "composition": str(composition), **changes}
        return lab.provider(JOB, wish.pop("roles"), flavour="nspawn", **wish)

    return make


@pytest.fixture(scope="module")
def trio(make):
    made = make()
    before = machines_here.listening()
    print(f"init: {lab.timed(made.init):.1f} s")
    assert machines_here.listening() <= before
    yield made
    made.destroy()


@pytest.fixture
def roles(trio):
    return trio.init()[0]


@pytest.fixture
def networks(trio):
    return trio.init()[1]


def _restarted(before, after):
    return {host for host in before if after.get(host) != before[host]}


def test_the_compose_info_has_nxc_s_form(trio, shared):
    info = json.loads(trio.deployment.artifacts.compose_info.read_text())
    assert set(info) == {"roles", "composition", "test_script", "flavour"}
    assert info["roles"] == ["agent", "server"]
    toplevel = trio.deployment.artifacts.roles["server"].toplevel
    assert info["composition"]["server"] == {
        "toplevel": toplevel,
        "init": f"{toplevel}/init",
        "volumes": [f"{shared}:/mnt/shared"],
        "ports": [],
    }


def test_roles_hosts_and_networks(trio, roles, networks):
    assert set(roles) == {"server", "agent", "compute"}
    assert sorted(h.alias for h in roles["agent"]) == ["agent1", "agent2"]
    assert roles["compute"] == roles["agent"]
    network = IPv4Network(str(networks["nxc"][0].network))
    assert network.prefixlen == 24
    addresses = sorted(str(network.network_address + i) for i in (1, 2, 3))
    assert sorted(h.address for h in roles.all()) == addresses
    # this computer reaches them where they reach each other
    assert sorted(h.extra["ansible_host"] for h in roles.all()) == addresses
    assert trio.is_created()


@pytest.mark.parametrize("host", HOSTS)
def test_a_machine_says_what_it_is(trio, host):
    report = status.ask(lab.access(trio, host), HostKey.PINNED)
    assert report.identity == trio.deployment.machines[host].identity
    assert report.boot_id != Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    said = lab.on(trio, host, "hostname; cat /etc/nxc/role; systemctl is-system-running")
    assert said.split() == [host, host.rstrip("12"), "running"]


@pytest.mark.parametrize("host", HOSTS)
def test_machines_reach_each_other_by_name(trio, host):
    others = " ".join(HOSTS)
    told = lab.on(trio, host, f"for one in {others}; do ping -c 1 -W 5 $one; done")
    assert told.count("1 received") == 3


def test_machines_log_in_to_each_other(trio):
    login = "ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes agent2 hostname"
    assert lab.on(trio, "agent1", login) == "agent2"


def test_a_machine_has_its_own_network_only(trio):
    assert lab.on(trio, "server", "ls /sys/class/net").split() == ["eth0", "lo"]
    assert lab.on(trio, "server", "ip route get 1.0.0.0 | head -1").startswith(
        "1.0.0.0 dev eth0"
    )
    assert lab.on(trio, "server", "sysctl -n -w net.ipv4.tcp_sack=0") == "0"
    assert Path("/proc/sys/net/ipv4/tcp_sack").read_text() == "1\n"
    assert "0 received" in lab.on(trio, "server", "ping -c 1 -W 1 1.0.0.0 2>&1 || true")


def test_the_store_is_read_only(trio):
    told = lab.on(trio, "server", "touch /nix/store/mine 2>&1 || true")
    assert "Read-only file system" in told


def test_enoslib_works_with_them(roles, networks, tmp_path):
    results = en.run_command("cat /etc/nxc/role", roles=roles)
    assert {r.host: r.stdout for r in results} == {
        "server": "server",
        "agent1": "agent",
        "agent2": "agent",
    }
    with en.actions(roles=roles["agent"][0], gather_facts=False) as run:
        run.shell("iperf3 -c server -t 1 -J > /root/out.json", task_name="iperf3")
        run.fetch(src="/root/out.json", dest=f"{tmp_path}/", task_name="fetch")
    assert {r.status for r in run.results} == {"OK"}
    assert '"sum_received"' in (tmp_path / "agent1" / "root" / "out.json").read_text()
    facts = en.gather_facts(roles=roles["server"])["ok"]["server"]
    assert facts["ansible_hostname"] == "server"
    assert sorted(facts["ansible_interfaces"]) == ["eth0", "lo"]
    server = en.sync_info(roles, networks)["server"][0]
    assert server.filter_interfaces(networks["nxc"]) == ["eth0"]
    assert [str(a.ip.ip) for a in server.filter_addresses(networks["nxc"])] == [server.address]


def test_init_again_only_asks(trio, monkeypatch):
    before = lab.boot_ids(trio)
    spawned = []
    start = shell._started
    monkeypatch.setattr(
        shell, "_started", lambda words, **kw: spawned.append(words[0]) or start(words, **kw)
    )
    print(f"init again: {lab.timed(trio.init):.2f} s")
    assert spawned == ["ssh", "ssh", "ssh"]
    assert lab.boot_ids(trio) == before


def test_another_process_sees_it(trio):
    text = f"""
        from tests.system import lab
        made = lab.provider({JOB!r}, {ROLES!r}, flavour="nspawn",
                            composition={trio.settings.composition!r})
        assert made.is_created()
        print(len(made.init()[0].all()))
    """
    assert lab.python(text).stdout.strip() == "3"


@pytest.mark.parametrize("first", [True, False], ids=["systemd", "systemd-nspawn"])
def test_a_killed_machine_is_healed_alone(trio, first):
    before = lab.boot_ids(trio)
    runs = places.running(trio.deployment)["agent1"]
    systemd = machines_here.first(trio.deployment, "agent1")
    for process in [systemd] if first else runs:
        process.send_signal(signal.SIGKILL)
    lab.until(lambda: not trio.is_created(), 10)
    trio.init()
    assert _restarted(before, lab.boot_ids(trio)) == {"agent1"}
    assert trio.is_created()
    assert not systemd.is_running()


def test_a_machine_that_reboots_stays_what_it_is(trio):
    before = lab.boot_ids(trio)
    lab.on(trio, "agent2", "echo kept > /root/kept; systemctl --force reboot")
    started = time.monotonic()

    def back():
        with suppress(CommandError):
            return lab.boot_id(trio, "agent2") != before["agent2"]

    lab.until(back, 30)
    print(f"back after a reboot: {time.monotonic() - started:.1f} s")
    said = lab.on(trio, "agent2", "cat /etc/nxc/role /root/kept")
    assert said.split() == ["agent", "kept"]
    trio.init()
    assert _restarted(before, lab.boot_ids(trio)) == {"agent2"}


def test_a_published_key_goes(trio):
    left = "cd /root/.ssh; ls -A; stat -c %a . authorized_keys id_ed25519"
    before = lab.on(trio, "agent1", left)
    trusted = lab.on(trio, "agent1", "cat /run/enoslib-nxc/trusted")
    spoil = "cd /root/.ssh; touch id_rsa id_rsa.pub; chmod 755 .; rm /run/enoslib-nxc/trusted"
    lab.on(trio, "agent1", spoil)
    trio.init()
    assert lab.on(trio, "agent1", left) == before
    assert "id_rsa" not in before
    assert before.split()[-3:] == ["700", "600", "600"]
    assert lab.on(trio, "agent1", "cat /run/enoslib-nxc/trusted") == trusted


def test_a_role_grown_by_one_and_shrunk_again(trio, make):
    before = lab.boot_ids(trio)
    grown = make(roles={"server": 1, "agent": {"nodes": 3, "tags": ["compute"]}})
    roles, _ = grown.init()
    assert sorted(h.alias for h in roles["agent"]) == ["agent1", "agent2", "agent3"]
    assert _restarted(before, lab.boot_ids(grown)) == set()
    assert "1 received" in lab.on(grown, "server", "ping -c 1 -W 5 agent3")
    name = f"{places.switch(grown.deployment.token)}-4"
    assert netns.names(name) == [name]
    trio.init()
    assert _restarted(before, lab.boot_ids(trio)) == set()
    assert netns.names(name) == places.groups(name) == []
    assert not (places.directory(state.find(JOB)) / "agent3").exists()
    assert "agent3" not in lab.on(trio, "server", "cat /etc/hosts")


def test_a_changed_parameter_restarts_all(trio, make, shared):
    before = lab.boot_ids(trio)
    (shared / "bye").unlink(missing_ok=True)
    changed = make(parameters={"clients": 7})
    changed.init()
    after = lab.boot_ids(changed)
    assert _restarted(before, after) == set(HOSTS)
    assert '"clients":7' in lab.on(changed, "agent1", "cat /etc/nxc/deployment.json")
    assert (shared / "bye").read_text() == "server\n"  # it was shut down, not killed
    changed.init()
    assert lab.boot_ids(changed) == after


def test_a_lost_network_is_made_anew(trio):
    before = lab.boot_ids(trio)
    netns.delete(places.switch(trio.deployment.token))
    lab.until(lambda: not trio.is_created(), 10)
    trio.init()
    assert _restarted(before, lab.boot_ids(trio)) == set(HOSTS)
    assert "1 received" in lab.on(trio, "server", "ping -c 1 -W 5 agent2")


def test_destroyed_from_another_process(trio, shared):
    record = trio.deployment
    (shared / "bye").unlink(missing_ok=True)
    text = f"""
        from tests.system import lab
        made = lab.provider({JOB!r}, {ROLES!r}, flavour="nspawn",
                            composition={trio.settings.composition!r})
        made.destroy()
        made.destroy()
    """
    print(f"destroy: {lab.timed(lambda: lab.python(text)):.1f} s")
    assert (shared / "bye").read_text() == "server\n"
    assert machines_here.left(record.token) == []
    assert state.find(JOB) is None
    assert not trio.is_created()
