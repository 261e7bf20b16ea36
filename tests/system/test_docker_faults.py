"""Flavour docker: what can go wrong, and what is said then."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from enoslib_nxc import docker, nix, standing, state
from enoslib_nxc.compose_file import DEPLOYMENT
from enoslib_nxc.config_sections import Build
from enoslib_nxc.debian import EMBEDDED_DIR
from enoslib_nxc.errors import ArtifactError, BootError, PlatformError
from enoslib_nxc.events import silent
from tests.system import embedded_build, lab
from tests.system.contained import free_port, left, provider, publish

pytestmark = pytest.mark.usefixtures("docker_daemon", "providers_forgotten")


@pytest.fixture(autouse=True)
def nothing_left():
    """What cannot be deployed leaves nothing in Docker, nor what is destroyed."""
    before = anything()
    yield
    assert anything() <= before


def anything() -> set[str]:
    """Return all that Docker has of any deployment."""
    kinds = (("ps", "--all"), ("network", "ls"), ("volume", "ls"))
    mark = ("--quiet", "--filter", f"label={DEPLOYMENT}")
    here = docker.here()
    return {one for kind in kinds for one in here.run(*kind, *mark).stdout.split()}


@pytest.mark.parametrize("moment", ["recorded", "starting"])
def test_what_a_killed_init_left_is_destroyed(moment):
    job = "contained-killed"
    program = f"""
        from tests.system import contained
        contained.provider({job!r}, "embedded", {{"server": 1, "agent": 1}}).init()
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    home = state.Home(state.state_root() / job)
    lab.until(home.record.exists)
    record = home.load()
    if moment == "starting":
        lab.until(lambda: docker.here().listed("ps", record.token, "--all") != [], 60)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    standing.destroy(job, silent, 60)
    time.sleep(1)  # whatever the daemon was about
    assert left(record.token) == []
    assert state.find(job) is None


def test_a_container_that_ends_at_once(tmp_path):
    own = lab.copy_of_embedded(tmp_path / "ends")
    file = own / "composition.nix"
    commands = 'boot.postBootCommands = "echo no way; exit 3";'
    file.write_text(
        file.read_text().replace(
            "agent = { pkgs, ... }: {", f"agent = {{ pkgs, ... }}: {{ {commands}"
        )
    )
    made = provider("contained-ends", own, {"agent": 1})
    with pytest.raises(BootError) as caught:
        made.init()
    assert caught.value.brief == "1 of 1 machines did not come up: agent"
    lines = caught.value.details.splitlines()
    assert lines[0] == "agent did not come up: its container ended with status 3"
    assert re.fullmatch(r"last lines of docker logs contained-ends-agent-\w+:", lines[1])
    assert lines[-1] == "no way"
    made.destroy()


def test_an_image_that_does_not_load(tmp_path):
    built = embedded_build.build(nix.choose(Build()), EMBEDDED_DIR, '"composition::docker"')
    bad, info = tmp_path / "bad.tar", tmp_path / "info.json"
    bad.write_text("no image")
    info.write_text(json.dumps({**built.info, "image": str(bad)}))
    made = provider("contained-bad", info, {"server": 1})
    with pytest.raises(ArtifactError) as caught:
        made.init()
    assert caught.value.brief == f"docker cannot load the image {bad}"
    assert state.find("contained-bad") is None


def test_a_port_that_is_taken(tmp_path):
    own = lab.copy_of_embedded(tmp_path / "taken")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        publish(own, "server", port)
        made = provider("contained-port", own, {"server": 1})
        with pytest.raises(PlatformError) as caught:
            made.init()
    assert caught.value.brief == (
        f"dockerPorts: port {port} of this machine, for server, cannot be had: "
        "Address already in use"
    )
    assert state.find("contained-port") is None


def test_a_port_for_two(tmp_path):
    own = lab.copy_of_embedded(tmp_path / "two")
    publish(own, "server", free_port())
    made = provider("contained-two", own, {"server": 2})
    with pytest.raises(PlatformError) as caught:
        made.init()
    assert re.fullmatch(
        r"dockerPorts: port \d+ of this machine is for both server1 and server2",
        caught.value.brief,
    )


def test_a_daemon_that_does_not_run(tmp_path):
    made = provider("contained-none", EMBEDDED_DIR, {"server": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
        with pytest.raises(PlatformError) as caught:
            made.init()
    assert caught.value.brief == f"docker's daemon does not run at unix://{tmp_path}/none.sock"
    assert caught.value.resolution == (
        "sudo systemctl start docker; or set DOCKER_HOST to one that runs"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be someone else")
def test_a_user_without_rights(monkeypatch, tmp_path, docker_daemon):
    client = tmp_path / "docker"
    nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent"
    client.write_text(f'#!/bin/sh\nexec {nobody} {shutil.which("docker")} "$@"\n')
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(PlatformError) as caught:
        provider("contained-none", EMBEDDED_DIR, {"server": 1}).init()
    assert caught.value.brief == f"you may not use docker's daemon at {docker_daemon}"
    assert "permission denied" in caught.value.details


def test_what_a_stopped_daemon_has_is_not_forgotten(tmp_path, docker_daemon):
    """A record is kept as long as its daemon cannot be asked, whatever DOCKER_HOST says."""
    link = tmp_path / "sock"
    link.symlink_to(docker_daemon.removeprefix("unix://"))
    made = provider("contained-lost", EMBEDDED_DIR, {"server": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{link}")
        made.init()
        link.unlink()
        with pytest.raises(PlatformError) as caught:
            made.destroy()
        assert caught.value.brief == f"docker's daemon does not run at unix://{link}"
    assert state.find("contained-lost") is not None
    link.symlink_to(docker_daemon.removeprefix("unix://"))
    made.destroy()
