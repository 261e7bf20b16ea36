"""Which Grid'5000 a configuration is rehearsed on."""

from __future__ import annotations

import pytest

from enoslib_nxc.config import Settings
from enoslib_nxc.errors import ConfigError
from enoslib_nxc.rehearsal.wanted import wanted


def _settings(**given):
    return Settings.model_validate({"flavour": "g5k-ramdisk", **given})


def _clusters(need):
    return {
        (spec.site, one.cluster): (one.nodes, one.nics, one.memory >> 20, one.queues)
        for spec in need.specs
        for one in spec.clusters
    }


DEFAULT = ("admin", "default")


def test_roles_of_a_cluster_add_up():
    need = wanted(_settings(roles={"server": 1, "agent": 3}, g5k={"cluster": "paradoxe"}))
    assert _clusters(need) == {("rennes", "paradoxe"): (4, 1, 1024, DEFAULT)}
    assert need.nodes == tuple(f"paradoxe-{n}.rennes.grid5000.fr" for n in range(1, 5))


def test_servers_are_there_under_their_numbers():
    servers = ["gros-41.nancy.grid5000.fr", "gros-2.nancy.grid5000.fr"]
    roles = {
        "server": {"servers": servers, "nodes": 2},
        "agent": {"cluster": "gros", "nodes": 2},
    }
    need = wanted(_settings(roles=roles), memory=640)
    assert _clusters(need) == {("nancy", "gros"): (41, 1, 640, DEFAULT)}
    numbers = [node.split(".")[0] for node in need.nodes]
    assert numbers == ["gros-1", "gros-2", "gros-3", "gros-41"]


def test_unknown_clusters_are_on_the_site_that_is_named():
    network = {"id": "lan", "type": "kavlan", "site": "lyon", "roles": ["n"]}
    role = {"cluster": "newone", "nodes": 1, "secondary_networks": ["lan"]}
    need = wanted(_settings(roles={"a": role}, networks=[network], g5k={"queue": "production"}))
    assert _clusters(need) == {("lyon", "newone"): (1, 2, 1024, ("production",))}


def test_fewer_nodes_and_several_sites():
    roles = {"a": {"cluster": "dahu", "nodes": 40}, "b": {"cluster": "gros", "nodes": 10}}
    need = wanted(_settings(roles=roles), nodes=2)
    assert {key: value[0] for key, value in _clusters(need).items()} == {
        ("grenoble", "dahu"): 2,
        ("nancy", "gros"): 2,
    }


def test_nothing_to_rehearse():
    with pytest.raises(ConfigError) as refused:
        wanted(_settings(roles={"a": 1}))
    assert str(refused.value) == (
        "g5k.cluster: nothing to rehearse: no role names a cluster or servers\n"
        "-> set g5k.cluster, as for the real Grid'5000"
    )
