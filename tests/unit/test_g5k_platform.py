"""Nodes bound to hosts, and what is asked of OAR; without any API."""

from __future__ import annotations

import pytest
from enoslib.errors import NegativeWalltime
from enoslib.infra.enos_g5k.objects import G5kHost, G5kProdNetwork, G5kVlanNetwork

from enoslib_nxc.booking import Booking
from enoslib_nxc.config import Settings
from enoslib_nxc.config_errors import load_settings
from enoslib_nxc.errors import ConfigError, PlatformError
from enoslib_nxc.g5k import binding, machines, request, where
from enoslib_nxc.model import Job, Machine, Node, Plan, Reserved

PROD = G5kProdNetwork(["prod"], "prod", "lille")


def settings(**more: object) -> Settings:
    return load_settings({"flavour": "g5k-ramdisk", "roles": {"a": 2, "b": 1}, **more})


def fqdn(number: int) -> str:
    return f"chiclet-{number}.lille.grid5000.fr"


def nodes(**roles: list[int]) -> list[G5kHost]:
    return [G5kHost(fqdn(n), [role], PROD) for role, numbers in roles.items() for n in numbers]


def plan(*hosts: str) -> Plan:
    return Plan(
        nodes=tuple(
            Node(host=host, role=host[0], index=index) for index, host in enumerate(hosts, 1)
        )
    )


def machine(host: str, number: int, job: int = 7) -> Machine:
    return Machine(
        host=host,
        address=f"172.16.37.{number}",
        ssh_host=fqdn(number),
        reserved=Reserved(node=fqdn(number), site="lille", job=job),
    )


def bound(given: dict[str, G5kHost]) -> dict[str, str]:
    return {host: node.fqdn for host, node in given.items()}


def test_hosts_get_nodes_of_their_roles_in_order() -> None:
    found = binding.bound(settings(), plan("a1", "a2", "b"), nodes(b=[9], a=[3, 1]), {})
    assert bound(found) == {"a1": fqdn(3), "a2": fqdn(1), "b": fqdn(9)}


def test_a_host_keeps_its_node() -> None:
    held = {"a2": machine("a2", 3), "b": machine("b", 4)}
    found = binding.bound(settings(), plan("a1", "a2", "b"), nodes(a=[3, 1], b=[9]), held)
    assert bound(found) == {"a1": fqdn(1), "a2": fqdn(3), "b": fqdn(9)}
    assert list(held) == ["a2"]  # b's node is no more one of its role


def test_machines_of_a_job_that_is_over_are_forgotten() -> None:
    from tests.unit import factory

    previous = factory.deployment("a1").model_copy(
        update={"machines": {"a1": machine("a1", 3, job=6), "a2": machine("a2", 4, job=7)}}
    )
    assert list(binding.held(previous, [Job(site="lille", uid=7)])) == ["a2"]
    assert binding.held(None, []) == {}


def test_too_few_nodes() -> None:
    with pytest.raises(PlatformError) as caught:
        binding.bound(settings(), plan("a1", "a2", "b"), nodes(a=[1], b=[9]), {})
    assert caught.value.brief == "the job has no node for a2"


@pytest.mark.parametrize(
    ("wish", "enough"),
    [
        ({"min": 2}, True),
        ({"min": 3}, False),
        ({"roles": {"a": {"nodes": 2, "min": 1}, "b": 1}}, True),
        ({"roles": {"a": 2, "b": {"nodes": 1, "min": 0}}}, False),
    ],
)
def test_min_says_how_few_nodes_will_do(wish: dict[str, object], *, enough: bool) -> None:
    given = (settings(**wish), plan("a1", "a2", "b"), nodes(a=[1], b=[9]), {})
    if enough:
        assert bound(binding.bound(*given)) == {"a1": fqdn(1), "b": fqdn(9)}
    else:
        with pytest.raises(PlatformError):
            binding.bound(*given)


def test_a_kavlan_has_other_names_and_a_local_one_its_own_gateway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(where, "where", lambda: where.Where.OUTSIDE)
    routed = G5kHost(fqdn(1), ["a"], G5kVlanNetwork([], "lan", "lille", "5"))
    local = G5kHost(fqdn(1), ["a"], G5kVlanNetwork([], "lan", "lille", "2"))
    assert machines._address(routed) == "chiclet-1-kavlan-5.lille.grid5000.fr"
    assert machines._vlan(routed) == "5"
    assert machines._vlan(nodes(a=[1])[0]) == ""
    ways = [machines._way(settings(), "ada", node) for node in (routed, local)]
    assert ways[0] == ("-J", "ada@access.grid5000.fr")
    assert ways[1] == ("-J", "ada@access.grid5000.fr,ada@kavlan-2.lille.grid5000.fr")


def test_walltime_and_start_as_oar_writes_them() -> None:
    asked = settings(g5k={"walltime": "23:30:00", "reservation": "2027-01-02 03:04:05"})
    assert request.walltime(asked, Booking()) == "23:30:00"
    assert request.walltime(asked, Booking(offset=2 * 3600)) == "25:30:00"
    assert request.walltime(asked, Booking(offset=-23 * 3600)) == "00:30:00"
    with pytest.raises(NegativeWalltime):
        request.walltime(asked, Booking(offset=-24 * 3600))
    assert request.reservation(asked, Booking()) == "2027-01-02 03:04:05"
    # winter time of the sites is an hour ahead of UTC
    assert request.reservation(asked, Booking(start=1798761600)) == "2027-01-01 01:00:00"
    assert request.start_seconds(asked, Booking(start=1798761600)) == 1798761600
    assert request.start_seconds(settings(), Booking()) is None


@pytest.mark.parametrize(
    ("wish", "needed"),
    [
        ({}, False),
        ({"flavour": "g5k-nfs-store"}, False),
        ({"flavour": "g5k-image"}, True),
        ({"g5k": {"env_name": "debian12-min"}}, True),
        ({"g5k": {"job_type": "deploy"}}, True),
        ({"networks": [{"roles": ["x"], "type": "kavlan-global"}]}, True),
        ({"networks": [{"roles": ["x"], "type": "slash_22"}]}, False),
    ],
)
def test_when_the_job_must_be_of_type_deploy(wish: dict[str, object], *, needed: bool) -> None:
    assert request.needs_deploy(settings(**wish)) is needed


def test_all_that_is_wrong_is_told_at_once() -> None:
    asked = settings(
        roles={"a": {"nodes": 1, "primary_network": "ips"}, "b": 1},
        networks=[
            {"roles": ["x"], "type": "slash_22", "id": "ips"},
            {"roles": ["y"], "type": "kavlan", "id": "lan"},
        ],
    )
    with pytest.raises(ConfigError) as caught:
        request.check(asked)
    assert caught.value.details.splitlines() == [
        "roles.a: no cluster to reserve nodes of -> set g5k.cluster, "
        "or cluster or servers of roles.a",
        "roles.b: no cluster to reserve nodes of -> set g5k.cluster, "
        "or cluster or servers of roles.b",
        'roles.a.primary_network: "ips" is a subnet',
        "g5k.env_name: a kavlan, or a job of type deploy, needs an environment to boot from "
        "-> set it, to debian12-min for example",
    ]


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"walltime": "2h"}, 'g5k.walltime: "2h" is not allowed'),
        ({"walltime": "00:00:00"}, "g5k.walltime: no time at all"),
        ({"reservation": "tomorrow"}, 'g5k.reservation: "tomorrow" is no date'),
        ({"env_version": 2024010100}, "g5k.env_version: it needs env_name"),
        ({"oargrid_jobids": [["lille", "7"]]}, 'g5k.oargrid_jobids[0][1]: "7" is not'),
        ({"nfs_store": "there"}, 'g5k.nfs_store: "there" is not allowed'),
    ],
)
def test_values_that_are_refused(wish: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(g5k=wish)
    assert caught.value.brief.startswith(text)


@pytest.mark.parametrize(
    ("role", "text"),
    [
        ({"servers": [fqdn(1)], "cluster": "x"}, "roles.a: give cluster or servers, not both"),
        (
            {"servers": [fqdn(1), "gros-1.nancy.grid5000.fr"]},
            "roles.a.servers: they are of several clusters",
        ),
        ({"servers": [fqdn(1), fqdn(1)]}, "roles.a.servers: a node is named twice"),
        ({"servers": [fqdn(1)], "nodes": 2}, "roles.a.servers: 1 named, but the role has 2"),
        ({"servers": ["chiclet-1"]}, 'roles.a.servers[0]: "chiclet-1" is not allowed'),
        (
            {"secondary_networks": ["x", "x"]},
            "roles.a.secondary_networks: a network is named twice",
        ),
        ({"primary_network": "lan"}, 'roles.a.primary_network: no network has the id "lan"'),
    ],
)
def test_roles_that_are_refused(role: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(roles={"a": role})
    assert caught.value.brief == text
