"""Playbooks and scripts of the user's own."""

from dataclasses import replace
from pathlib import Path

import enoslib.api
import pytest
from enoslib.errors import EnosFailedHostsError

from enoslib_nxc import node, plays
from enoslib_nxc.config_sections import Playbooks
from enoslib_nxc.errors import BootError, ConfigError
from enoslib_nxc.names import ROLE_VARIABLE
from enoslib_nxc.plays import Player
from enoslib_nxc.ssh import Access

TUNE = Path("tune.yml")


def player(name):
    access = Access(name, "10.0.0.1", 2222, "root", Path("/key"), Path("/known"))
    return Player(access, ("agent", "compute"), "b" * 36, "/usr/bin/python3")


def test_they_are_run_by_enoslib(monkeypatch):
    ran = []
    monkeypatch.setattr(
        enoslib.api, "run_ansible", lambda files, roles: ran.append((files, roles))
    )
    plays.play([TUNE, Path("more.yml")], {"agent1": player("agent1")})
    assert [files for files, _ in ran] == [["tune.yml"], ["more.yml"]]
    roles = ran[0][1]
    (host,) = roles["agent"]
    assert roles["compute"] == roles["agent"]
    assert (host.alias, host.extra["ansible_port"]) == ("agent1", 2222)
    assert host.extra["ansible_python_interpreter"] == "/usr/bin/python3"
    assert ROLE_VARIABLE not in host.extra
    plays.play([], {"agent1": player("agent1")})
    plays.play([TUNE], {})
    assert len(ran) == 2


def test_tasks_are_told_of_systems_of_ours(monkeypatch):
    ran = []
    monkeypatch.setattr(enoslib.api, "run_ansible", lambda _files, roles: ran.append(roles))
    plays.play([TUNE], {"agent1": replace(player("agent1"), role="agent")})
    assert ran[0]["agent"][0].extra[ROLE_VARIABLE] == "agent"


class Failed:
    host, task, payload = "agent1", "tune", {"msg": "no such\n sysctl"}


def test_where_one_failed(monkeypatch):
    def run(_files, roles):
        raise EnosFailedHostsError([Failed])

    monkeypatch.setattr(enoslib.api, "run_ansible", run)
    with pytest.raises(BootError) as caught:
        plays.play([TUNE], {"agent1": player("agent1")})
    assert str(caught.value) == (
        "playbook tune.yml failed on agent1\n  agent1: tune: no such sysctl"
    )


def test_those_that_are_not_there_are_refused(tmp_path):
    there = tmp_path / "there.yml"
    there.touch()
    plays.check(Playbooks(before=(there,), after=(there,)))
    with pytest.raises(ConfigError) as caught:
        plays.check(Playbooks(after=(there, Path("/no.yml"))))
    assert str(caught.value) == (
        "playbooks.after: /no.yml does not exist\n"
        "-> paths are relative to the directory that the program runs in"
    )


def test_a_script_of_one_s_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    ours = node.text("reboot")
    assert ours.startswith("# Reboots the machine")
    assert node.replaced() == ()
    own = tmp_path / "enoslib-nxc" / "playbooks" / "reboot.sh"
    own.parent.mkdir(parents=True)
    own.write_text("reboot -f\n")
    (own.parent / "other.sh").touch()
    assert node.text("reboot") == "reboot -f\n"
    assert node.replaced() == (own,)


@pytest.mark.parametrize("script", sorted(Path("playbooks").glob("*.sh")), ids=lambda s: s.stem)
def test_a_script_says_what_it_does(script):
    assert script.read_text().startswith("# ")
    assert f"`{script.name}`" in Path("playbooks/README.md").read_text()
