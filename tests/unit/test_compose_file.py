"""A deployment's compose file, made of NXC's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enoslib_nxc import compose_file
from enoslib_nxc.built import StoreMap
from enoslib_nxc.compose_file import Replica, Service, Site
from enoslib_nxc.errors import ArtifactError

NXC = {
    "x-nxc": {"image": "/nix/store/i-image.tar.gz"},
    "volumes": {"nxc-shared": None},
    "services": {
        "agent": {
            "privileged": True,
            "cgroup": "host",
            "command": ["/nix/store/a-sys/init"],
            "environment": {"container": "docker", "PATH": "/bin"},
            "hostname": "agent",
            "image": "nxc-docker-base-image:latest",
            "tty": True,
            "volumes": [
                "/sys/fs/cgroup:/sys/fs/cgroup:rw",
                "/nix/store:/nix/store:ro",
                "/nix/store/e-env:/run/system:ro",
                "/tmp/shared:/tmp/shared:rw",
                "nxc-shared:/var/nxc/shared",
                "/data:/data",
            ],
            "ports": ["8080:80"],
        }
    },
}


def made():
    return compose_file.parse(json.dumps(NXC).encode(), source=Path("compose"))


def site(root="/"):
    return Site("0123", "enoslib-nxc-0123", "enoslib-nxc-image:abc", StoreMap(root=Path(root)))


def replica(host="agent1", **changes):
    usual = {
        "host": host,
        "role": "agent",
        "container": f"job-{host}-ff",
        "address": "10.213.1.2",
        "digest": "d" * 16,
        "told": Path("/home/u/$x/etc-nxc/agent1"),
    }
    return Replica(**{**usual, **changes})


def one(**changes):
    return compose_file.services(made(), [replica(**changes)], site())["agent1"]


def test_a_host_is_a_copy_of_its_role_s_service():
    service = one()
    assert service["hostname"] == "agent1"
    assert service["container_name"] == "job-agent1-ff"
    assert service["image"] == "enoslib-nxc-image:abc"
    assert service["command"] == ["/nix/store/a-sys/init"]
    assert (service["privileged"], service["tty"], service["cgroup"]) == (True, True, "host")
    assert service["networks"] == {
        "default": {"ipv4_address": "10.213.1.2", "aliases": ["agent1"]}
    }
    assert service["environment"] == {
        "container": "docker",
        "PATH": "/bin",
        "NXC_ID": "d" * 16,
    }
    assert service["labels"]["enoslib-nxc.deployment"] == "0123"
    assert service["labels"]["enoslib-nxc.host"] == "agent1"


def test_the_store_is_where_it_really_is():
    service = compose_file.services(made(), [replica()], site("/home/u/store"))["agent1"]
    assert service["volumes"] == [
        "/sys/fs/cgroup:/sys/fs/cgroup:rw",
        {
            "type": "bind",
            "source": "/home/u/store/nix/store",
            "target": "/nix/store",
            "read_only": True,
        },
        {
            "type": "bind",
            "source": "/home/u/store/nix/store/e-env",
            "target": "/run/system",
            "read_only": True,
        },
        "nxc-tmp-shared:/tmp/shared:rw",
        "nxc-shared:/var/nxc/shared",
        "/data:/data",
        {"type": "bind", "source": "/home/u/$$x/etc-nxc/agent1", "target": "/etc/nxc"},
    ]


def test_the_mark_is_that_of_all_but_the_identity():
    mark = compose_file.mark(one())
    assert compose_file.mark(one(digest="")) == mark
    assert compose_file.mark(one(address="10.213.1.3")) != mark
    changed = made()
    changed.services["agent"].environment["MODE"] = "new"
    service = compose_file.services(changed, [replica()], site())["agent1"]
    assert compose_file.mark(service) != mark


def written(*, legacy, cgroups):
    found = compose_file.services(made(), [replica()], site())
    return json.loads(compose_file.text(made(), found, site(), legacy=legacy, cgroups=cgroups))


def test_all_is_labelled_and_on_the_deployment_s_network():
    tree = written(legacy=False, cgroups=2)
    label = {"labels": {"enoslib-nxc.deployment": "0123"}}
    assert tree["volumes"] == {"nxc-shared": label, "nxc-tmp-shared": label}
    assert tree["networks"] == {"default": {"external": True, "name": "enoslib-nxc-0123"}}
    assert tree["services"]["agent1"]["cgroup"] == "host"


def test_compose_v1_has_no_word_for_the_host_s_control_groups():
    first = written(legacy=True, cgroups=1)["services"]["agent1"]
    assert "cgroup" not in first
    assert "/sys/fs/cgroup:/sys/fs/cgroup:rw" in first["volumes"]
    second = written(legacy=True, cgroups=2)["services"]["agent1"]
    assert "/sys/fs/cgroup:/sys/fs/cgroup:rw" not in second["volumes"]


@pytest.mark.parametrize(
    ("entry", "ports"),
    [
        ("8080:80", [8080]),
        ("127.0.0.1:8080:80/tcp", [8080]),
        ("8080:80/udp", []),
        ("80", []),
        (80, []),
        ("9000-9010:9000-9010", []),
        ({"target": 80, "published": 8080}, [8080]),
        ({"target": 80, "published": "8080", "protocol": "udp"}, []),
        ({"target": 80}, []),
    ],
)
def test_published_ports(entry, ports):
    assert compose_file.published(Service(command=["/init"], ports=[entry])) == ports


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"services: {}", "its text"),
        (b"{}", "services"),
        (b'{"services": {"agent": {"command": []}}}', "services.agent.command"),
    ],
)
def test_what_is_no_compose_file(content, where):
    with pytest.raises(ArtifactError) as caught:
        compose_file.parse(content, source=Path("compose"))
    assert caught.value.brief == f"compose is not a compose file of NXC: {where}"
