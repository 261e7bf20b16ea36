"""What goes wrong with containers of systemd-nspawn, and what a killed process leaves."""

from __future__ import annotations

import os

import pytest

from enoslib_nxc import netns, standing, state
from enoslib_nxc.errors import BootError, PlatformError, ToolMissingError
from enoslib_nxc.events import silent
from enoslib_nxc.platforms import places
from tests.system import lab, machines_here

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="systemd-nspawn needs root"),
    pytest.mark.usefixtures("providers_forgotten"),
]

JOB = "faulty-containers"
AFTERWARDS = "init() tries again what is missing; destroy() ends what is there"


def provider(roles=None, **wish):
    return lab.provider(JOB, roles or {"server": 1}, flavour="nspawn", **wish)


@pytest.fixture(autouse=True)
def _ended():
    yield
    standing.destroy(JOB, silent, 60)


@pytest.fixture
def neighbour():
    """Give this computer another network; return its interface."""
    netns.configure(
        "",
        "link add nxctest0 type veth peer name nxctest1",
        "addr add 10.214.7.1/24 dev nxctest0",
        "link set nxctest0 up",
        "link set nxctest1 up",
    )
    yield "nxctest0"
    netns.unplug("nxctest0")


def test_without_systemd_nspawn(path_without):
    path_without("systemd-nspawn")
    with pytest.raises(ToolMissingError) as caught:
        provider().init()
    assert str(caught.value) == (
        "systemd-nspawn is not installed; it is needed to start containers\n"
        "-> apt-get install systemd-container"
    )
    assert state.find(JOB) is None


def test_a_network_in_use(neighbour):
    with pytest.raises(PlatformError) as caught:
        provider(nspawn={"network": "10.214.7.0/24"}).init()
    assert str(caught.value) == (
        "nspawn.network: 10.214.7.0/24 is in use on this computer: interface nxctest0 "
        "leads to 10.214.7.0/24\n"
        "-> set nspawn.network to a /24 that is not in use, or leave it out"
    )
    assert state.find(JOB) is None


def test_a_machine_that_ends_and_a_network_of_another_deployment(tmp_path):
    composition = lab.copy_of_embedded(tmp_path / "composition")
    file = composition / "composition.nix"
    broken = 'nxc.postBootCommands = "echo the disk is on fire; exit 3";'
    server = "server = { pkgs, ... }: {"
    file.write_text(file.read_text().replace(server, f"{server} {broken}"))
    made = provider(
        {"server": 1, "agent": 1},
        composition=str(composition),
        nspawn={"network": "10.214.8.0/24"},
        retries={"boot": 0},
    )
    with pytest.raises(BootError) as caught:
        made.init()
    error, record, home = caught.value, made.deployment, state.find(JOB)
    lines = error.details.splitlines()
    assert error.brief == "1 of 2 machines did not come up: server"
    assert lines[0] == "server did not come up: its container ended"
    assert lines[1] == f"last lines of {home.console('server')}:"
    assert "the disk is on fire" in lines
    name = f"{places.switch(record.token)}-1"
    assert f"Container {name} failed with error code 3." in lines
    assert error.resolution == AFTERWARDS
    assert not made.is_created()

    other = lab.provider(
        "other", {"server": 1}, flavour="nspawn", nspawn={"network": "10.214.8.0/24"}
    )
    with pytest.raises(PlatformError) as caught:
        other.init()
    assert caught.value.resolution.endswith("; or destroy() the deployment that has it")
    assert state.find("other") is None

    made.destroy()
    assert machines_here.left(record.token) == []


def test_a_volume_that_is_not_there(tmp_path):
    composition = lab.copy_of_embedded(tmp_path / "composition")
    file = composition / "composition.nix"
    volumes = f'extraVolumes = [ "{tmp_path}/absent:/mnt/absent:ro" ];'
    file.write_text(file.read_text().replace("roles = {", f"{volumes} roles = {{", 1))
    with pytest.raises(PlatformError) as caught:
        provider(composition=str(composition)).init()
    assert str(caught.value) == (
        f"extraVolumes: {tmp_path}/absent, for role server, is not there\n"
        "-> make it, or take it out of extraVolumes of the composition"
    )
    assert state.find(JOB) is None


BODY = """
    import os, signal
    from enoslib_nxc import shell
    from tests.system import lab

    def die_at(words):
        line = " ".join(map(str, words))
        if POINT in line:
            os.kill(os.getpid(), signal.SIGKILL)

    run = shell.run
    def run_and_die(argv, **kw):
        result = run(argv, **kw)
        die_at(argv)
        return result
    shell.run = run_and_die
    made = lab.provider(JOB, {"server": 1, "agent": 1}, flavour="nspawn")
    made.init(reporter=lambda event: die_at([lab.point(event)]))
    made.destroy()
"""


def _kill(point):
    body = BODY.replace("POINT", repr(point)).replace("JOB", repr(JOB))
    died = lab.python(body, check=False)
    assert died.returncode == -9, f"{point} was never reached: {died.stderr}"
    home = state.find(JOB)
    assert home
    record = home.load()
    assert record
    return record


@pytest.mark.parametrize(
    "point",
    [
        "boot started",
        pytest.param("netns add", marks=pytest.mark.full),
        pytest.param("setsid", marks=pytest.mark.full),
        "boot started server come up",
    ],
)
def test_destroy_after_a_kill(point):
    record = _kill(point)
    provider({"server": 1, "agent": 1}).destroy()
    assert machines_here.left(record.token) == []
    assert state.find(JOB) is None


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("netns add", marks=pytest.mark.full),
        "setsid",
        pytest.param("provision started", marks=pytest.mark.full),
    ],
)
def test_init_after_a_kill(point):
    record = _kill(point)
    made = provider({"server": 1, "agent": 1})
    try:
        roles, _ = made.init()
        assert len(roles.all()) == 2
        assert made.deployment.token == record.token
        assert "1 received" in lab.on(made, "server", "ping -c 1 -W 5 agent")
    finally:
        made.destroy()
    assert machines_here.left(record.token) == []


@pytest.mark.full
def test_destroy_after_a_destroy_that_was_killed():
    # asked in init(), too, but only for what ran before
    record = _kill("netns pids")
    provider({"server": 1, "agent": 1}).destroy()
    assert machines_here.left(record.token) == []
    assert state.find(JOB) is None
