"""Who shares a connection, and on what command line."""

import os
import stat
from dataclasses import replace

import pytest

from enoslib_nxc import multiplexing, ssh
from enoslib_nxc.ssh import Access
from tests.unit import factory

ACCESS = Access("server", "10.0.0.1", 22, "root", None, None)


@pytest.fixture
def deployment(monkeypatch, tmp_path):
    monkeypatch.setattr(multiplexing, "_available", lambda: True)
    monkeypatch.setattr(multiplexing, "runtime_dir", lambda token: tmp_path / token)
    return factory.deployment("server", "agent1", "agent2")


def test_each_access_has_a_socket_of_its_own(deployment, tmp_path):
    first, second = (multiplexing.shared(ACCESS, deployment) for _ in range(2))
    assert first.control != second.control
    directory = tmp_path / deployment.token
    assert {first.control.parent, second.control.parent} == {directory}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_the_command_line_names_it(deployment):
    access = multiplexing.shared(ACCESS, deployment)
    words = ssh.argv(access, "true")
    assert f"ControlPath={access.control}" in words
    assert "ControlMaster=auto" in words
    assert "ControlPath=none" in ssh.argv(ACCESS, "true")


def test_who_shares_none(deployment, monkeypatch):
    entered = Access("server", "x", 0, "root", None, None, through=("docker", "exec"))
    assert multiplexing.shared(entered, deployment) is entered
    monkeypatch.setattr(multiplexing, "FEW", 2)
    assert multiplexing.shared(ACCESS, deployment) is ACCESS
    monkeypatch.setattr(multiplexing, "FEW", 3)
    monkeypatch.setattr(multiplexing, "runtime_dir", lambda token: multiplexing.Path("/proc/x"))
    assert multiplexing.shared(ACCESS, deployment) is ACCESS


def test_the_socket_of_a_trial_is_taken_over(deployment):
    trial, access = (multiplexing.shared(ACCESS, deployment) for _ in range(2))
    multiplexing.rename(trial, access)  # it was never opened
    assert not access.control.exists()
    trial.control.touch()
    multiplexing.rename(trial, access)
    assert access.control.exists()


def test_nothing_is_left(deployment, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(multiplexing.shell, "run", lambda words, **_: asked.append(words))
    access = multiplexing.shared(ACCESS, deployment)
    multiplexing.leave(access)
    assert asked == []  # no command has opened it
    access.control.touch()
    multiplexing.end(deployment.token)
    assert [f"ControlPath={access.control}" in words for words in asked] == [True]
    assert list(tmp_path.iterdir()) == []


def test_what_else_is_there_stays(deployment, tmp_path):
    (tmp_path / deployment.token / "switch").mkdir(parents=True)
    multiplexing.end(deployment.token)
    assert (tmp_path / deployment.token / "switch").is_dir()


def test_slow_key_exchange_is_left_out():
    assert f"{ssh.KEY_EXCHANGE}" in ssh.options(ACCESS)


def test_a_connection_that_lasts_belongs_to_a_boot_a_key_and_a_way(deployment, tmp_path):
    key = tmp_path / "key"
    key.write_text("one")
    way = replace(ACCESS, key=key)

    def name(access=way, boot_id="b1"):
        return multiplexing.lasting(access, deployment, boot_id).control

    assert name() == name()
    os.utime(key, ns=(1, 1))
    first = name()
    others = {name(boot_id="b2"), name(replace(way, user="alice")), name(replace(way, port=99))}
    os.utime(key, ns=(2, 2))
    assert len({first, *others, name()}) == 5


def test_none_lasts_where_there_are_many_or_no_boot_is_known(deployment, monkeypatch):
    assert multiplexing.lasting(ACCESS, deployment, "") is ACCESS
    monkeypatch.setattr(multiplexing, "FEW", 2)
    assert multiplexing.lasting(ACCESS, deployment, "b1") is ACCESS


def test_what_lasts_ends_where_another_key_opens_the_machine(deployment, monkeypatch):
    ended = []
    monkeypatch.setattr(multiplexing, "_end", ended.append)
    mine, too, other = (
        multiplexing.lasting(way, deployment, "b1").control
        for way in (ACCESS, replace(ACCESS, port=99), replace(ACCESS, name="other"))
    )
    working = multiplexing.shared(ACCESS, deployment).control
    for socket in (mine, too, other, working):
        socket.touch()
    multiplexing.forget(deployment, ACCESS.name)
    assert set(ended) == {mine, too}
    assert set(mine.parent.iterdir()) == {other, working}


def test_what_lasts_ends_with_the_deployment_alone(deployment, monkeypatch):
    ended = []
    monkeypatch.setattr(multiplexing, "_end", ended.append)
    working = multiplexing.shared(ACCESS, deployment).control
    stays = multiplexing.lasting(ACCESS, deployment, "b1").control
    for socket in (working, stays):
        socket.touch()
    multiplexing.settle(deployment.token)
    assert (ended, stays.exists()) == ([working], True)
    multiplexing.end(deployment.token)
    assert ended == [working, stays]
    assert not stays.parent.exists()
