"""How machines are reached: over ssh, or through another program."""

from __future__ import annotations

import pytest

from enoslib_nxc import inventory, reach, ssh
from enoslib_nxc.model import Container
from enoslib_nxc.state import Home
from tests.unit import factory


@pytest.fixture
def contained():
    """A deployment whose one machine is a container."""
    made = factory.deployment("server")
    inside = Container(name="nxc-server", daemon="unix:///run/d.sock")
    machine = made.machines["server"].model_copy(update={"container": inside})
    return made.model_copy(update={"machines": {"server": machine}})


def test_a_container_is_entered_by_exec(contained, tmp_path):
    access = reach.access(contained, Home(tmp_path), "server")
    assert ssh.argv(access, "sh", "-s", "--", "a b") == [
        *("docker", "--host=unix:///run/d.sock", "exec", "-i", "-u", "root", "nxc-server"),
        *("sh", "-s", "--", "a b"),
    ]
    assert reach.own(contained, Home(tmp_path), "server") == access


def test_ansible_enters_it_by_the_same_way(contained, tmp_path):
    access = reach.access(contained, Home(tmp_path), "server")
    assert inventory.variables(access, "boot") == {
        "ansible_host": "nxc-server",
        "ansible_pipelining": True,
        "ansible_connection": "community.docker.docker",
        "ansible_docker_extra_args": "--host=unix:///run/d.sock",
    }


def test_others_are_reached_over_ssh(tmp_path):
    made = factory.deployment("server")
    own = reach.own(made, Home(tmp_path), "server")
    assert own.through == ()
    assert ssh.argv(own, "true")[0] == "ssh"
    assert own.key == Home(tmp_path).key
