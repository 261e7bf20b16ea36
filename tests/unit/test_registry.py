"""EnOSlib's registry of processes finds hosts by what Ansible calls them."""

from types import SimpleNamespace

import enoslib as en
import pytest
from enoslib.registry import process

from enoslib_nxc import registry


@pytest.fixture
def asked(monkeypatch):
    """Answer for machines as Ansible does; return what it was asked with."""
    seen = []

    def answer(command, *, roles, **_more):
        seen.extend(roles)
        told = "/sys/fs/cgroup/__enoslib__job\n#\n{pid}\n##\n"
        running = {"server": "17", "agent": ""}
        return [
            SimpleNamespace(
                host=host.alias,
                status="OK",
                rc=0,
                stdout=told.format(pid=running[host.alias]),
            )
            for host in roles
        ]

    monkeypatch.setattr(process, "run_command", answer)
    return seen


def hosts(**extra):
    return [
        en.Host(f"192.168.1.{n}", alias=name, extra=extra)
        for n, name in enumerate(("server", "agent"), 1)
    ]


@pytest.mark.parametrize("as_roles", [True, False], ids=["Roles", "a list"])
def test_processes_are_on_the_hosts_that_were_given(asked, as_roles):
    given = hosts(ansible_host="127.0.0.1")
    roles = en.Roles(server=given[:1], agent=given[1:]) if as_roles else given
    made = en.ProcessRegistry.build("job", roles)
    found = {each.host.alias: each for each in made.processes}
    assert {name: each.state.name for name, each in found.items()} == {
        "server": "ALIVE",
        "agent": "DEAD",
    }
    assert all(found[host.alias].host is host for host in given)
    assert made.lookup([given[0]]).processes == [found["server"]]
    assert {host.address for host in made.roles.all()} == {"192.168.1.1", "192.168.1.2"}


def test_they_are_reached_as_ever(asked):
    en.ProcessRegistry.build("job", hosts(ansible_host="127.0.0.1", ansible_port=22022))
    assert {host.extra["ansible_host"] for host in asked} == {"127.0.0.1"}
    asked.clear()
    given = hosts()
    en.ProcessRegistry.build("job", given)
    assert {host.alias: host.extra["ansible_host"] for host in asked} == {
        "server": "192.168.1.1",
        "agent": "192.168.1.2",
    }
    assert [host.extra for host in given] == [{}, {}]


def test_it_is_mended_once(asked):
    before = en.ProcessRegistry.build.__func__
    registry.mend()
    assert en.ProcessRegistry.build.__func__ is before
