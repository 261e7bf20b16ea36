"""Virtual machines on other hosts: what hosts say, who runs what, how machines are reached."""

import shlex

import pytest
from enoslib.objects import Host

from enoslib_nxc import flavours, inventory, reach, ssh
from enoslib_nxc.booking import Booking
from enoslib_nxc.config_errors import load_settings
from enoslib_nxc.errors import CommandError, ConfigError, PlatformError
from enoslib_nxc.events import silent
from enoslib_nxc.flavours import Source
from enoslib_nxc.model import Hosted
from enoslib_nxc.plan import make_plan
from enoslib_nxc.platforms import vm_host
from enoslib_nxc.platforms.vm_hosts import VmHostsPlatform
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home
from tests.unit import factory
from tests.unit.test_survey import ACCOUNT

MORE = """\
qemu-system-x86_64=/usr/bin/qemu-system-x86_64
ip=/sbin/ip
bridge=/sbin/bridge
tun=yes
cores=4
link=lo 65536
link=eth1 9000
port=0016
port=55F0
guest=agent1 204800
"""

HOSTS = ("10.0.0.1", "10.0.0.2")


def account(last="7", **changes):
    lines = (ACCOUNT + MORE).replace("192.168.1.7", f"192.168.1.{last}").splitlines()
    kept = [line for line in lines if line.partition("=")[0] not in changes]
    return vm_host.parse("\n".join(kept + [f"{k}={v}" for k, v in changes.items() if v]))


def test_an_account_is_read():
    found = account()
    assert (found.address, found.mtu, found.cores) == ("192.168.1.7", 8950, 4)
    assert found.ports == {22, 22000}
    assert found.machines == {"agent1": 200}
    assert found.memory == (600000 >> 10) + 200
    assert not found.kvm
    assert found.faults() == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"uid": "1000"}, "it lets us in as uid 1000, not as root"),
        ({"machine": "aarch64"}, "it is aarch64, the image is for x86_64"),
        ({"bridge": ""}, "bridge is not installed (package iproute2)"),
        ({"tun": ""}, "it has no /dev/net/tun, by which machines join the network"),
        ({"address": ""}, "it has no default route, and so no address for the others"),
    ],
)
def test_what_speaks_against_a_host(changes, fault):
    assert account(**changes).faults() == [fault]


def settings(**more):
    return load_settings({"roles": {"server": 1, "agent": 2}, "job_name": "test", **more})


@pytest.fixture
def answers(monkeypatch):
    """Answer for hosts 10.0.0.N, which are 192.168.1.N; what is put in place of that wins."""
    changed = {}

    def ask(host, _token, _home):
        last = host.ssh_host.rpartition(".")[2]
        found = changed.get(host.host) or account(last, guest=None, MemAvailable="4000000")
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(vm_host, "ask", ask)
    return changed


def acquire(tmp_path, given=HOSTS, previous=None, report=silent, **wish):
    wanted = settings(**{"vm": {"memory": 64}, **wish})
    plan = make_plan(wanted, ["server", "agent"], {}, previous.plan if previous else None)
    hosts = [Host(address) for address in given]
    return VmHostsPlatform(hosts).acquire(wanted, Home(tmp_path), plan, previous, report)


def recorded(grant):
    made = factory.deployment("server", "agent1", "agent2", state="up")
    machines = [m.model_copy(update={"flavour": "vm-ramdisk"}) for m in grant.machines.values()]
    return factory.having(made, machines=machines, vm_hosts=grant.vm_hosts)


def placed(grant):
    return {host: m.hosted.name for host, m in grant.machines.items()}


def test_machines_are_spread_and_reached_through_their_hosts(answers, tmp_path):
    grant = acquire(tmp_path)
    assert placed(grant) == {
        "server": "10.0.0.1",
        "agent1": "10.0.0.2",
        "agent2": "10.0.0.1",
    }
    assert [host.address for host in grant.vm_hosts] == ["192.168.1.1", "192.168.1.2"]
    server, agent2 = grant.machines["server"], grant.machines["agent2"]
    assert server.hosted == Hosted(name="10.0.0.1", mtu=8950, port=4789)
    assert (server.address, server.ssh_host) == ("192.168.1.1", "127.0.0.1")
    assert server.ssh_port != agent2.ssh_port
    proxy = dict(zip(server.ssh_options[::2], server.ssh_options[1::2], strict=True))["-o"]
    words = shlex.split(proxy.partition("=")[2])
    assert words[-3:] == ["-W", "[%h]:%p", "10.0.0.1"]


def test_the_smallest_packets_are_those_of_all(answers, tmp_path):
    answers["10.0.0.2"] = account("2", link="eth1 1500", guest=None, MemAvailable="4000000")
    grant = acquire(tmp_path)
    assert {m.hosted.mtu for m in grant.machines.values()} == {1450}


def test_a_place_and_a_port_are_kept(answers, tmp_path):
    before = recorded(acquire(tmp_path))
    after = acquire(tmp_path, HOSTS[::-1], before)
    ports = {host: m.ssh_port for host, m in before.machines.items()}
    assert placed(after) == placed(before)
    assert {host: m.ssh_port for host, m in after.machines.items()} == ports


def test_ports_of_one_s_own_are_free_ones(answers, tmp_path):
    grant = acquire(tmp_path, HOSTS[:1], vm={"memory": 64, "ssh_port": 22001})
    assert [m.ssh_port for m in grant.machines.values()] == [22001, 22002, 22003]
    with pytest.raises(PlatformError, match=r"vm\.ssh_port: port 22000 of a VM host is taken"):
        acquire(tmp_path, HOSTS[:1], vm={"memory": 64, "ssh_port": 22000})


def test_a_host_that_is_lost_is_named_with_its_machines(answers, tmp_path):
    before = recorded(acquire(tmp_path))
    answers["10.0.0.2"] = CommandError("ssh failed", details="$ ssh\nno route")
    with pytest.raises(PlatformError) as caught:
        acquire(tmp_path, HOSTS, before)
    assert str(caught.value) == (
        "1 of 2 VM hosts cannot be used: 10.0.0.2 (10.0.0.2); "
        "machines that were there: agent1 on 10.0.0.2\n"
        "  ssh failed\n  $ ssh\n  no route\n"
        "-> bring them back; or leave them out, or give min: then others take their machines"
    )


def test_within_min_others_take_its_machines_and_it_stays_on_record(
    answers, tmp_path, monkeypatch
):
    before = recorded(acquire(tmp_path))
    answers["10.0.0.2"] = CommandError("ssh failed")

    def clear(place, _token, _timeout):
        raise CommandError(f"{place.name} does not answer")

    monkeypatch.setattr(vm_host, "clear", clear)
    told = []
    grant = acquire(tmp_path, HOSTS, before, told.append, min=1)
    assert set(placed(grant).values()) == {"10.0.0.1"}
    assert [host.host for host in grant.vm_hosts] == ["10.0.0.1", "10.0.0.2"]
    assert told[0].message.endswith("others take what was there: agent1 on 10.0.0.2")
    # those that moved are new, the others as they were
    assert grant.machines["agent1"].state == "planned"
    assert grant.machines["server"].state == before.machines["server"].state


def test_a_host_that_is_left_out_is_cleared(answers, tmp_path, monkeypatch):
    before = recorded(acquire(tmp_path))
    cleared = []
    monkeypatch.setattr(vm_host, "clear", lambda place, *_more: cleared.append(place.name))
    grant = acquire(tmp_path, HOSTS[:1], before)
    assert cleared == ["10.0.0.2"]
    assert [host.host for host in grant.vm_hosts] == ["10.0.0.1"]


def test_a_machine_that_others_took_ends_where_it_was(answers, tmp_path, monkeypatch):
    """A host that was given up, and is back with what it ran."""
    before = recorded(acquire(tmp_path))
    answers["10.0.0.2"] = account("2", guest="server 100", MemAvailable="4000000")
    ended = []
    monkeypatch.setattr(
        vm_host, "end", lambda place, _t, hosts, _s: ended.append((place.name, hosts))
    )
    acquire(tmp_path, HOSTS, before)
    assert ("10.0.0.2", ["server"]) in ended


def test_two_names_of_one_host(answers, tmp_path):
    answers["10.0.0.2"] = account("1", guest=None)
    with pytest.raises(PlatformError) as caught:
        acquire(tmp_path)
    assert "10.0.0.2: another host has its address too, 192.168.1.1" in caught.value.details


def test_ports_tell_hosts_of_one_address_apart(tmp_path):
    given = [Host("127.0.0.1", port=2201), Host("127.0.0.1", port=2202)]
    offered = VmHostsPlatform(given)._offered(settings())
    assert list(offered) == ["127.0.0.1:2201", "127.0.0.1:2202"]


def test_hosts_of_the_configuration(tmp_path):
    on = {"vm": {True: ["ssh://h1", "ssh://me@h2:2222"]}}  # YAML 1.1 has `on` as true
    offered = VmHostsPlatform()._offered(settings(**on))
    assert [(m.host, m.ssh_host, m.ssh_port, m.entry.user) for m in offered.values()] == [
        ("h1", "h1", 22, "root"),
        ("h2:2222", "h2", 2222, "me"),
    ]


def test_no_host_at_all(tmp_path):
    with pytest.raises(ConfigError, match="vm_hosts: no host was given"):
        acquire(tmp_path, ())


# which flavour runs there


def rows(vm_hosts=None, hosts=None, **wish):
    return flavours.rows(settings(**wish), Source.of(hosts, Booking(), vm_hosts))


def test_only_machines_in_memory_run_there():
    mixed = {"roles": {"server": {"nodes": 1, "flavour": "docker"}, "agent": 1}}
    found = rows([Host("h")], **mixed)
    assert type(found["vm-ramdisk"].platform(Source())) is VmHostsPlatform
    assert type(found["docker"].platform(Source())).__name__ == "ContainerPlatform"


@pytest.mark.parametrize("flavour", ["vm", "docker"])
def test_a_flavour_that_they_cannot_serve(flavour):
    with pytest.raises(ConfigError) as caught:
        rows([Host("h")], flavour=flavour)
    assert caught.value.brief == (
        f"flavour {flavour} cannot run on hosts for virtual machines (vm_hosts=, vm.on)"
    )


def test_a_section_of_another_flavour_means_nothing():
    on = {"vm": {"on": ["ssh://h"]}}
    assert type(rows(**on)["vm-ramdisk"].platform(Source())) is VmHostsPlatform
    assert "docker" in rows(flavour="docker", **on)
    with pytest.raises(ConfigError, match="flavour vm cannot run on hosts"):
        rows(flavour="vm", **on)


def test_hosts_that_are_given_twice():
    with pytest.raises(ConfigError, match="both say where virtual machines run"):
        rows([Host("h")], vm={"on": ["ssh://h"]})
    with pytest.raises(ConfigError, match="hosts= and vm_hosts= were both given"):
        rows([Host("h")], [Host("k")])


# ssh


def test_the_way_through_a_host_has_its_key_and_options(tmp_path):
    own = Access("h", "h.example", 2222, "root", tmp_path / "a b", None, via=("-J", "gate"))
    option = ssh.through(own)[-1]
    assert option.startswith("ProxyCommand=ssh -T -J gate -o StrictHostKeyChecking=yes ")
    assert f"-i '{tmp_path}/a b' -p 2222 -l root -W [%h]:%p h.example" in option
    percent = ssh.through(Access("h", "h", 22, "root", None, None, via=("-o", "A=%h")))
    assert " A=%%h " in percent[-1]


def test_machines_of_a_host_share_its_turns(answers, tmp_path):
    made = recorded(acquire(tmp_path))
    home = Home(tmp_path)
    gates = {h: reach.access(made, home, h).gate for h in made.machines}
    assert gates["server"] == gates["agent2"] == "10.0.0.1" != gates["agent1"]
    access, _ = reach.vm_host(made.part.vm_hosts[0], home)
    assert access.gate == gates["server"]
    assert inventory.variables(reach.access(made, home, "server"))["ansible_ssh_retries"] == 3


def test_what_is_foreseen_is_a_turn_for_each(tmp_path):
    wanted = settings()
    plan = make_plan(wanted, ["server", "agent"], {})
    outlook = VmHostsPlatform([Host(h) for h in HOSTS]).foresee(wanted, plan, None)
    assert {host: seat.place for host, seat in outlook.seats.items()} == {
        "server": "10.0.0.1",
        "agent1": "10.0.0.2",
        "agent2": "10.0.0.1",
    }
    assert outlook.notes[0].startswith("memory and cores of the VM hosts decide")
