"""Machines of another EnOSlib provider: how they are reached, and which host gets which."""

import pytest
from enoslib.infra.provider import Provider
from enoslib.objects import Host, Roles

from enoslib_nxc import reach, ssh, survey
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import CommandError, ConfigError, PlatformError
from enoslib_nxc.events import silent
from enoslib_nxc.model import Node, Plan
from enoslib_nxc.platforms.hosts import HostsPlatform
from enoslib_nxc.ssh import HostKey
from enoslib_nxc.state import Home
from tests.unit import factory
from tests.unit.test_survey import ACCOUNT


def settings(**more):
    return Settings.model_validate({"roles": {"server": 1}, **more})


def plan(*hosts):
    nodes = [
        Node(host=host, role=host.rstrip("12"), index=i) for i, host in enumerate(hosts, 1)
    ]
    return Plan(nodes=tuple(nodes))


@pytest.fixture
def asked(monkeypatch):
    """Answer for hosts named 10.0.0.N, which are at 192.168.1.N; return whom it asked."""
    asked = []

    def ask(access, host_key):
        asked.append((access, host_key))
        last = access.address.rpartition(".")[2]
        return survey.parse(ACCOUNT.replace("192.168.1.7", f"192.168.1.{last}"))

    monkeypatch.setattr(survey, "ask", ask)
    return asked


def acquire(tmp_path, given, *hosts, previous=None, **wish):
    platform = HostsPlatform(given)
    return platform.acquire(settings(**wish), Home(tmp_path), plan(*hosts), previous, silent)


def test_hosts_are_bound_in_their_order(asked, tmp_path):
    given = [Host(f"10.0.0.{n}", user="root") for n in (3, 1, 2)]
    grant = acquire(tmp_path, given, "server", "agent1")
    assert {h: (m.ssh_host, m.address) for h, m in grant.machines.items()} == {
        "server": ("10.0.0.3", "192.168.1.3"),
        "agent1": ("10.0.0.1", "192.168.1.1"),
    }
    assert grant.networks == ("192.168.1.0/24",)
    assert (grant.lent, grant.ours_to_end) == (True, False)
    entry = grant.machines["server"].entry
    assert entry.words == "console=ttyS0,115200 net.ifnames=0"
    assert entry.ip == "ip=192.168.1.3::192.168.1.254:255.255.255.0::eth1:off"


def test_a_host_of_several_roles_is_one(asked, tmp_path):
    given = [Host(f"10.0.0.{n}") for n in range(1, 8)]
    roles = Roles()
    roles.add_one(given[4], ["a"])
    for host in given:
        roles.add_one(host, ["b"])
    machines = acquire(tmp_path, roles, "server", "agent1", "agent2").machines
    assert [m.ssh_host for m in machines.values()] == ["10.0.0.5", "10.0.0.1", "10.0.0.2"]


def test_too_few(asked, tmp_path):
    with pytest.raises(PlatformError) as caught:
        acquire(tmp_path, [Host("10.0.0.1")], "server", "agent1", "agent2")
    assert str(caught.value) == (
        "the other provider gave 1 machine, 3 are needed: none is left for agent1, agent2\n"
        "-> ask it for more, or give the roles fewer machines"
    )
    assert asked == []


def test_machines_behind_one_nat_each(asked, tmp_path):
    given = [
        Host("127.0.0.1", port=port, extra={"ansible_host": "10.0.2.15"}) for port in (1, 2)
    ]
    with pytest.raises(PlatformError) as caught:
        acquire(tmp_path, given, "server", "agent1")
    assert caught.value.brief == (
        "server and agent1 have the same address 192.168.1.15, each on a network of its own"
    )


def test_what_is_no_host(tmp_path):
    with pytest.raises(ConfigError, match="hosts: 'node-1' is not a host of EnOSlib"):
        acquire(tmp_path, ["node-1"], "server")


def test_enoslib_s_gateways_become_jumps(asked, tmp_path):
    extra = {"gateway": "access", "gateway_user": "me", "internal_gateway": "site"}
    host = Host("10.0.0.1", user="root", keyfile="/k", port=2222, extra=extra)
    machine = acquire(tmp_path, [host], "server").machines["server"]
    assert machine.ssh_options == ("-J", "me@access,site")
    access, host_key = asked[0]
    assert (access.port, access.user, str(access.key)) == (2222, "root", "/k")
    assert (access.known_hosts, host_key) == (None, HostKey.PINNED)
    assert ssh.options(access)[:4] == [
        "-J",
        "me@access,site",
        "-o",
        "StrictHostKeyChecking=yes",
    ]


def test_ansible_s_variables_win(asked, tmp_path):
    extra = {
        "ansible_host": "10.0.0.9",
        "ansible_port": 2200,
        "ansible_ssh_common_args": "-F none -o ProxyCommand='nc %h %p'",
        "gateway": "not-used",
    }
    machine = acquire(tmp_path, [Host("10.0.0.1", extra=extra)], "server").machines["server"]
    assert (machine.ssh_host, machine.ssh_port) == ("10.0.0.9", 2200)
    assert machine.ssh_options == ("-F", "none", "-o", "ProxyCommand=nc %h %p")


def test_first_contact_is_a_choice(asked, tmp_path):
    acquire(tmp_path, [Host("10.0.0.1")], "server", kexec={"host_keys": "first-contact"})
    access, host_key = asked[0]
    assert access.known_hosts == tmp_path / "known_hosts.entry"
    assert host_key is HostKey.FIRST_CONTACT


def test_hosts_that_do_not_answer_are_all_named(monkeypatch, tmp_path):
    def ask(access, host_key):
        raise CommandError("ssh failed with exit status 255", details="$ ssh\nno route")

    monkeypatch.setattr(survey, "ask", ask)
    with pytest.raises(PlatformError) as caught:
        acquire(tmp_path, [Host("10.0.0.1"), Host("10.0.0.2")], "server", "agent1")
    assert caught.value.brief == (
        "2 of 2 machines cannot be used: server (10.0.0.1), agent1 (10.0.0.2)"
    )


class Lender(Provider):
    """A provider that remembers what was asked of it."""

    def __init__(self, *, created):
        self.created = created
        self.calls = []

    def init(self, **_kwargs):
        self.calls.append("init")
        return Roles(node=[Host("10.0.0.1")]), None

    def is_created(self):
        return self.created

    def destroy(self, **_kwargs):
        self.calls.append("destroy")


@pytest.mark.parametrize("created", [False, True])
def test_a_provider_is_destroyed_if_it_was_made_for_us(asked, tmp_path, created):
    lender = Lender(created=created)
    grant = acquire(tmp_path, lender, "server")
    assert grant.ours_to_end is not created
    record = factory.having(factory.deployment("server"), ours_to_end=grant.ours_to_end)
    record = record.model_copy(update={"machines": {}})
    assert HostsPlatform(lender).release(record, Home(tmp_path), 1) == ()
    assert lender.calls == (["init"] if created else ["init", "destroy"])


def test_a_provider_that_gives_too_few_is_destroyed_at_once(asked, tmp_path):
    lender = Lender(created=False)
    with pytest.raises(PlatformError):
        acquire(tmp_path, lender, "server", "agent1")
    assert lender.calls == ["init", "destroy"]


def test_machines_are_kept_and_inherited(asked, tmp_path):
    given = [Host("10.0.0.1"), Host("10.0.0.2")]
    first = acquire(tmp_path, given, "server", "agent1")
    machines = {
        host: machine.model_copy(update={"state": "up"})
        for host, machine in first.machines.items()
    }
    record = factory.deployment("server").model_copy(
        update={"machines": machines, "networks": first.networks}
    )
    home = Home(tmp_path)
    home.known_hosts.write_text("server ssh-ed25519 A\nagent1 ssh-ed25519 B\n")
    asked.clear()
    again = acquire(tmp_path, given, "server", "other", previous=record)
    assert asked == []
    assert again.machines["server"] == machines["server"]
    assert again.machines["other"] == machines["agent1"].model_copy(update={"host": "other"})
    assert home.known_hosts.read_text() == "server ssh-ed25519 A\nother ssh-ed25519 B\n"


def test_our_own_system_is_reached_by_the_same_way(asked, tmp_path):
    grant = acquire(tmp_path, [Host("10.0.0.1", extra={"gateway": "g"})], "server")
    record = factory.deployment("server").model_copy(update={"machines": grant.machines})
    words = ssh.argv(reach.own(record, Home(tmp_path), "server"), "true")
    assert words[-1] == "true"
    assert words[words.index("-J") + 1] == "g"
    assert words.index("StrictHostKeyChecking=yes") < words.index("-J")
    assert str(tmp_path / "id_ed25519") in words


@pytest.mark.parametrize(
    ("host_keys", "resolution"),
    [
        ("known", "reach each by ssh once; or set kexec.host_keys to first-contact"),
        (
            "first-contact",
            "they show other host keys than at first contact: if they were installed anew, "
            "remove their lines from {}",
        ),
    ],
)
def test_what_to_do_about_a_host_key(monkeypatch, tmp_path, host_keys, resolution):
    def ask(access, _host_key):
        raise CommandError("ssh failed", details="Host key verification failed.")

    monkeypatch.setattr(survey, "ask", ask)
    with pytest.raises(PlatformError) as caught:
        acquire(tmp_path, [Host("10.0.0.1")], "server", kexec={"host_keys": host_keys})
    assert caught.value.resolution == resolution.format(Home(tmp_path).entry_hosts)


def test_ports_tell_machines_of_one_address_apart_in_what_is_foreseen():
    """As with Vagrant: each machine is a port of this computer."""
    given = [Host("127.0.0.1", port=2222), Host("127.0.0.1", port=2200)]
    held = factory.deployment("server", state="up")
    server = held.machines["server"].model_copy(update={"ssh_port": 2222})
    held = held.having({"server": server})
    wanted = plan("server", "agent1")
    outlook = HostsPlatform(given).foresee(settings(), wanted, held)
    assert {host: seat.place for host, seat in outlook.seats.items()} == {
        "server": "127.0.0.1",
        "agent1": "127.0.0.1",
    }
    assert outlook.notes == ()
