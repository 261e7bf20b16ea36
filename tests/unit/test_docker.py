"""What is said of Docker, by the answers of its client; and networks for containers."""

from __future__ import annotations

import json

import pytest

from enoslib_nxc import docker, shell
from enoslib_nxc.docker import Docker, Found
from enoslib_nxc.errors import PlatformError, ToolMissingError
from enoslib_nxc.shell import Result

HERE = Docker("unix:///run/docker.sock")


@pytest.fixture
def answers(monkeypatch):
    """Let programs answer: the words that a command line holds -> status, output, error."""

    def answers(table, installed=("docker", "docker-compose")):
        def run(argv, **_how):
            line = " ".join(map(str, argv))
            found = next(value for words, value in table.items() if words in line)
            return Result(tuple(argv), found[0], found[1], found[2], 0.0)

        monkeypatch.setattr(shell, "run", run)
        monkeypatch.setattr(shell, "which", lambda name: name if name in installed else None)

    return answers


def test_a_daemon_that_answers(answers):
    answers({"version": (0, "20.10.24\n", ""), "info": (0, "2\n", "")})
    HERE.require()
    assert HERE.cgroups() == 2


def test_no_rights(answers):
    told = (
        "permission denied while trying to connect to the Docker daemon socket at "
        "unix:///run/docker.sock"
    )
    answers({"version": (1, "", told)})
    with pytest.raises(PlatformError) as caught:
        HERE.require()
    assert caught.value.brief == "you may not use docker's daemon at unix:///run/docker.sock"
    assert caught.value.details == told
    assert caught.value.resolution == (
        "sudo usermod -aG docker $USER, and log in anew (members of that group are as good "
        "as root)"
    )


def test_no_daemon(answers):
    answers({"version": (1, "", "Cannot connect to the Docker daemon. Is it running?")})
    with pytest.raises(PlatformError) as caught:
        HERE.require()
    assert caught.value.brief == "docker's daemon does not run at unix:///run/docker.sock"


def test_no_docker(answers):
    answers({}, installed=())
    with pytest.raises(ToolMissingError) as caught:
        docker.here()
    assert caught.value.brief == "docker is not installed; it is needed to run containers"
    assert caught.value.resolution == "apt-get install docker.io"


def test_a_daemon_elsewhere(answers):
    answers({"context": (0, "tcp://10.0.0.1:2375\n", "")})
    with pytest.raises(PlatformError) as caught:
        docker.here()
    assert caught.value.brief == ("docker's daemon is not on this machine: tcp://10.0.0.1:2375")
    assert caught.value.resolution == "unset DOCKER_HOST, or: docker context use default"


def test_compose_v2_comes_first(answers):
    answers({"compose version": (0, "2.26.1\n", "")})
    assert HERE.compose() == HERE.argv("compose")


def test_else_v1(answers):
    answers({"compose version": (1, "", "docker: 'compose' is not a docker command.")})
    assert HERE.compose() == ["docker-compose", "--host", "unix:///run/docker.sock"]


def test_neither(answers):
    answers({"compose version": (1, "", "")}, installed=("docker",))
    with pytest.raises(ToolMissingError) as caught:
        HERE.compose()
    assert caught.value.brief == (
        "neither docker compose (v2) nor docker-compose (v1) is installed; one is needed to "
        "start containers"
    )
    assert caught.value.resolution == "apt-get install docker-compose"


@pytest.mark.parametrize(("version", "old"), [("1.29.2\n", True), ("2.26.1\n", False)])
def test_docker_compose_by_its_version(answers, version, old):
    answers({"version --short": (0, version, "")})
    docker.legacy.cache_clear()
    assert docker.legacy("docker-compose") is old
    docker.legacy.cache_clear()


def test_containers_are_what_docker_says(answers):
    inspected = {
        "Id": "c0ffee",
        "Name": "/job-server-ff",
        "State": {
            "Status": "exited",
            "ExitCode": 3,
            "StartedAt": "2026-01-01T00:00:00Z",
            "Error": "",
        },
        "Config": {"Labels": {docker.HOST: "server", docker.SERVICE: "ab"}, "Env": []},
    }
    answers({" ps ": (0, "c0ffee\n", ""), "inspect": (1, json.dumps([inspected]), "gone")})
    assert HERE.containers("0123") == [
        Found("c0ffee", "job-server-ff", "server", "ab", False, 3, "2026-01-01T00:00:00Z")
    ]
    answers({" ps ": (0, "", "")})
    assert HERE.containers("0123") == []
