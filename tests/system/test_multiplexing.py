"""One connection for several commands, with a real ssh server on loopback."""

from __future__ import annotations

import getpass
import socket
from dataclasses import replace

import pytest

from enoslib_nxc import greeting, handover, multiplexing, procs, ssh
from enoslib_nxc.errors import CommandError
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


def test_a_connection_on_which_it_greeted_is_taken_over(server, access, deployment):
    shared = multiplexing.shared(access, deployment)
    connection = greeting.greeted(access, 5)
    assert connection
    port = connection.getsockname()[1]
    with handover.taken(shared, connection, deployment) as way:
        assert say(way) == "here"
    assert say(shared) == "here"
    (accepted,) = [line for line in server.log().splitlines() if "Accepted publickey" in line]
    assert f"from 127.0.0.1 port {port} " in accepted
    assert [path.name for path in multiplexing.runtime_dir(deployment.token).iterdir()] == [
        shared.control.name
    ]


def test_a_connection_that_was_lost_meanwhile(server, access, deployment):
    shared = multiplexing.shared(access, deployment)
    connection = greeting.greeted(access, 5)
    assert connection
    connection.shutdown(socket.SHUT_RDWR)
    with pytest.raises(CommandError), handover.taken(shared, connection, deployment) as way:
        say(way)
    assert say(shared) == "here"


def test_a_connection_that_nobody_comes_for(server, access, deployment):
    shared = multiplexing.shared(access, deployment)
    connection = greeting.greeted(access, 5)
    with handover.taken(shared, connection, deployment) as way:
        assert way != shared
    assert connection.fileno() == -1
    assert list(multiplexing.runtime_dir(deployment.token).iterdir()) == []


def test_who_opens_a_connection_of_its_own(server, access, deployment, tmp_path):
    names = [f"host{number}" for number in range(multiplexing.FEW + 1)]
    many = factory.deployment(*names).model_copy(update={"token": deployment.token})
    alone, one_of_many = access, multiplexing.briefly(access, many)
    assert one_of_many.control
    nowhere = replace(one_of_many, control=tmp_path / "gone" / "socket")
    for own, of in ((alone, deployment), (one_of_many, many), (nowhere, deployment)):
        connection = greeting.greeted(own, 5)
        with handover.taken(own, connection, of) as way:
            assert way is own
        assert connection.fileno() == -1
    shared = multiplexing.shared(access, deployment)
    with handover.taken(shared, None, deployment) as way:
        assert way is shared


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
