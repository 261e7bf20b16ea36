"""One connection for several commands, with a real ssh server on loopback."""

from __future__ import annotations

import getpass

import pytest

from enoslib_nxc import multiplexing, procs, ssh
from enoslib_nxc.ssh import Access, HostKey
from tests.system.loopback_ssh import LoopbackSsh
from tests.unit import factory


@pytest.fixture
def server(tmp_path):
    with LoopbackSsh(tmp_path / "server") as server:
        yield server


@pytest.fixture
def access(server, tmp_path):
    user = tmp_path / "server" / "user"
    known = tmp_path / "known_hosts"
    return Access("host", "127.0.0.1", server.port, getpass.getuser(), user, known)


@pytest.fixture
def deployment():
    made = factory.deployment("host").model_copy(update={"token": "5e77ed0000000001"})
    yield made
    multiplexing.end(made.token)


def say(access: Access) -> str:
    return ssh.script(
        access, "echo here", timeout=20, host_key=HostKey.FIRST_CONTACT
    ).stdout.strip()


def logins(server: LoopbackSsh) -> int:
    return server.log().count("Accepted publickey")


def test_keys_are_exchanged_once(server, access, deployment):
    shared = multiplexing.shared(access, deployment)
    assert [say(shared) for _ in range(3)] == ["here"] * 3
    assert logins(server) == 1
    assert say(access) == "here"
    assert logins(server) == 2  # one that shares nothing
    multiplexing.leave(shared)
    assert say(shared) == "here"
    assert logins(server) == 3  # it was opened again


def test_a_connection_whose_socket_was_renamed(server, access, deployment):
    trial, shared = (multiplexing.shared(access, deployment) for _ in range(2))
    say(trial)
    multiplexing.rename(trial, shared)
    assert say(shared) == "here"
    assert logins(server) == 1


def test_nothing_outlives_its_end(server, access, deployment):
    say(multiplexing.shared(access, deployment))
    assert procs.tagged(deployment.token)
    multiplexing.end(deployment.token)
    assert not procs.tagged(deployment.token)
    assert not multiplexing.runtime_dir(deployment.token).exists()


def test_a_server_that_allows_one_session_only(server, access, deployment, tmp_path):
    config = tmp_path / "server" / "config"
    config.write_text(f"{config.read_text()}MaxSessions 1\n")
    server.__exit__(None, None, None)
    server.serve()
    shared = multiplexing.shared(access, deployment)
    assert [say(shared) for _ in range(2)] == ["here", "here"]
