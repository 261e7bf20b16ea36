"""Machines as hosts of execo, which is a stand-in here: the real one forks when imported."""

import pickle
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from enoslib_nxc import state
from enoslib_nxc.errors import PlatformError, StateError, ToolMissingError
from enoslib_nxc.machine import Container, Entry
from enoslib_nxc.running import RunningDeployment
from tests.unit import factory

LENIENT = ("-o", "StrictHostKeyChecking=no")


@dataclass
class Host:
    address: str
    user: str
    keyfile: str
    port: int


@pytest.fixture
def execo(monkeypatch):
    keys = ("ssh_options", "scp_options", "taktuk_connector_options")
    params = {"user": None, **dict.fromkeys(keys, LENIENT), "scp": "scp"}
    made = SimpleNamespace(Host=Host, config=SimpleNamespace(default_connection_params=params))
    monkeypatch.setitem(sys.modules, "execo", made)


@pytest.fixture
def running(tmp_path, monkeypatch):
    """Return how to have a deployment on record, as the provider gives it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def running(**of_machines):
        record = factory.deployment("server", "agent1", "agent2", state="up")
        changed = {
            host: machine.model_copy(update=of_machines.get(host, {}))
            for host, machine in record.machines.items()
        }
        home = state.Home(state.state_root() / record.job_name)
        home.path.mkdir(parents=True)
        lines = [f"{host} ssh-ed25519 {host.upper()}\n" for host in changed]
        home.known_hosts.write_text("".join(lines))
        return RunningDeployment.of(record.having(changed))

    return running


def test_the_shape_is_nxc_s(execo, running):
    nodes, roles = running().to_execo()
    assert nodes == {
        host: Host("127.0.0.1", "root", "/home/u/key", 20000 + n)
        for n, host in enumerate(("server", "agent1", "agent2"), 1)
    }
    assert roles == {"server": [nodes["server"]], "agent": [nodes["agent1"], nodes["agent2"]]}
    assert roles["agent"][0] is nodes["agent1"]


def test_a_machine_that_was_given_up_is_left_out(execo, running):
    nodes, roles = running(server={"state": "lost"}).to_execo()
    assert list(nodes) == ["agent1", "agent2"]
    assert list(roles) == ["agent"]


def test_host_keys_are_required_before_all_that_execo_has(execo, running):
    made = running(agent2={"ssh_host": "node-2", "ssh_port": 22})
    params = made.execo_params()
    places = state.find("test").known_places
    assert set(params) == {"ssh_options", "scp_options", "taktuk_connector_options"}
    for words in params.values():
        assert words[-2:] == LENIENT
        assert words[:2] == ("-o", "StrictHostKeyChecking=yes")
        assert f"UserKnownHostsFile={places}" in words
        assert "IdentitiesOnly=yes" in words
    assert places.read_text().splitlines() == [
        "[127.0.0.1]:20001 ssh-ed25519 SERVER",
        "[127.0.0.1]:20002 ssh-ed25519 AGENT1",
        "node-2 ssh-ed25519 AGENT2",
    ]
    assert places.stat().st_mode & 0o077 == 0


def test_machines_that_keep_their_system_have_their_keys_elsewhere(execo, running):
    entry = {"stock": True, "entry": Entry(user="root", first_contact=True)}
    made = running(**dict.fromkeys(("server", "agent1", "agent2"), entry))
    home = state.find("test")
    home.known_hosts.rename(home.entry_hosts)
    made.execo_params()
    assert home.known_places.read_text().startswith("[127.0.0.1]:20001 ssh-ed25519 SERVER\n")
    known = {"stock": True, "entry": Entry(user="root")}
    made = RunningDeployment.of(
        made.having({"agent2": made.machines["agent2"].model_copy(update=known)})
    )
    with pytest.raises(
        PlatformError, match="host key of agent2 is known to your own ssh alone"
    ):
        made.execo_params()


def test_what_execo_cannot_reach_is_told(execo, running):
    container = Container(name="x-agent1", daemon="unix:///run/docker.sock")
    made = running(agent1={"container": container})
    for ask in (made.to_execo, made.execo_params):
        with pytest.raises(PlatformError, match="agent1 is a container without it"):
            ask()


def test_machines_behind_different_jumps(execo, running):
    made = running(server={"ssh_options": ("-J", "access")})
    assert len(made.to_execo()[0]) == 3
    with pytest.raises(PlatformError, match="in several ways") as caught:
        made.execo_params()
    assert "server: -J access" in caught.value.details


def test_without_execo(running, monkeypatch):
    monkeypatch.setitem(sys.modules, "execo", None)
    with pytest.raises(ToolMissingError, match="execo is not installed") as caught:
        running().to_execo()
    assert "enoslib-nxc[execo]" in caught.value.resolution


def test_a_deployment_that_is_no_more(execo, running):
    made = running()
    state.find("test").remove()
    with pytest.raises(StateError, match="there is no deployment test"):
        made.to_execo()


def test_it_is_the_record(running):
    record = factory.deployment("server", state="up")
    made = RunningDeployment.of(record)
    assert made.model_dump() == record.model_dump()
    assert made == record == made
    assert made != record.model_copy(update={"token": "other"})
    assert pickle.loads(pickle.dumps(made)) == made
