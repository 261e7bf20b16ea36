from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from enoslib_nxc.config import Settings
from enoslib_nxc.config_errors import load_settings
from enoslib_nxc.errors import ConfigError
from enoslib_nxc.model import Plan
from enoslib_nxc.names import host_name_fault, host_names
from enoslib_nxc.plan import addresses, make_plan

NET = IPv4Network("10.1.2.0/24")
BUILT = ("server", "agent", "db")


def settings(**given: object) -> Settings:
    return load_settings(given)


def plan(roles: dict[str, object], previous: Plan | None = None) -> Plan:
    return make_plan(settings(roles=roles), BUILT, {}, previous=previous)


def indexes(given: Plan) -> dict[str, int]:
    return {node.host: node.index for node in given.nodes}


def test_nxc_s_naming_rule() -> None:
    assert host_names("db", 1) == ("db",)
    assert host_names("db", 3) == ("db1", "db2", "db3")
    assert host_names("db", ["alpha", "beta"]) == ("alpha", "beta")


@pytest.mark.parametrize("name", ["a", "a1", "1a", "A-b", "x" * 63, "serverNFS"])
def test_host_names(name: str) -> None:
    assert host_name_fault(name) == ""


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "a_b", "a.b", "x" * 64, "12", "é", "a\n", "LocalHost"]
)
def test_no_host_names(name: str) -> None:
    assert host_name_fault(name) != ""


def test_hosts_roles_tags_and_sizes() -> None:
    made = make_plan(
        settings(
            roles={"server": 1, "agent": {"nodes": 2, "tags": ["t"], "memory": 300}},
            vm={"memory": 200, "cores": 3},
        ),
        BUILT,
        {},
    )
    rows = [(n.host, n.role, n.tags, n.index, n.memory, n.cores) for n in made.nodes]
    assert rows == [
        ("server", "server", (), 1, 200, 3),
        ("agent1", "agent", ("t",), 2, 300, 3),
        ("agent2", "agent", ("t",), 3, 300, 3),
    ]
    assert made.hosts_of("agent") == ("agent1", "agent2")


def test_the_distribution_fills_in_and_adds_nothing() -> None:
    given = settings(roles={"server": None, "agent": None, "db": 2})
    made = make_plan(given, [*BUILT, "lb"], {"agent": ("x", "y"), "db": 5, "lb": 3})
    assert list(indexes(made)) == ["server", "x", "y", "db1", "db2"]


def test_growing_keeps_the_others() -> None:
    first = plan({"agent": 2, "db": 1})
    grown = plan({"agent": 3, "db": 1}, first)
    assert indexes(first) == {"agent1": 1, "agent2": 2, "db": 3}
    assert indexes(grown) == {"agent1": 1, "agent2": 2, "agent3": 4, "db": 3}


def test_shrinking_leaves_gaps_that_new_hosts_fill() -> None:
    shrunk = plan({"agent": 1, "db": 1}, plan({"server": 1, "agent": 1, "db": 1}))
    assert indexes(shrunk) == {"agent": 2, "db": 3}
    assert indexes(plan({"agent": 1, "db": 3}, shrunk)) == {
        "agent": 2,
        "db1": 1,
        "db2": 3,
        "db3": 4,
    }


def test_same_configuration_same_plan() -> None:
    first = plan({"agent": 2, "db": ["x"]})
    assert plan({"agent": 2, "db": ["x"]}, first) == first


def test_unknown_roles() -> None:
    with pytest.raises(ConfigError) as caught:
        plan({"agnet": 1})
    assert str(caught.value) == (
        'role "agnet" is not in the composition\n'
        "-> did you mean agent? its roles: agent, db, server"
    )


def test_all_mistakes_together() -> None:
    given = settings(roles={"agent": None, "zzz": 1, "db": {"min": 2}}, min=9)
    with pytest.raises(ConfigError) as caught:
        make_plan(given, BUILT, {"agent": ("zzz", "a_b")})
    assert str(caught.value) == (
        "5 mistakes in the configuration\n"
        '  role "zzz" is not in the composition -> its roles: agent, db, server\n'
        '  roles.agent: "a_b" is not a host name (letters, digits and inner hyphens, '
        "not digits alone, at most 63) -> name its hosts: roles.agent.hosts\n"
        '  roles.zzz: host name "zzz" is already taken by role agent -> give one of them '
        "other names with hosts\n"
        "  roles.db.min: 2 is more than the role has (1)\n"
        "  min: 9 is more than all roles have together (4)"
    )


def test_addresses() -> None:
    found = addresses(plan({"server": 1, "agent": 2}), NET)
    assert {host: str(address) for host, address in found.items()} == {
        "server": "10.1.2.1",
        "agent1": "10.1.2.2",
        "agent2": "10.1.2.3",
    }


def test_the_network_holds_253() -> None:
    assert str(addresses(plan({"agent": 253}), NET)["agent253"]) == "10.1.2.253"
    with pytest.raises(ConfigError) as caught:
        addresses(plan({"agent": 254}), NET)
    assert str(caught.value) == (
        "roles: 254 machines, but network 10.1.2.0/24 has room for 253\n"
        "-> give the roles fewer machines"
    )
