import os
import stat

import pytest

from enoslib_nxc import state
from enoslib_nxc.errors import StateError
from enoslib_nxc.state import Home
from tests.unit import factory


@pytest.fixture(autouse=True)
def _root(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_record_comes_back_as_it_was():
    made = factory.deployment("server", "agent1")
    with state.claim("test") as home:
        home.save(made)
    assert state.find("test").load() == made


def test_nothing_is_left_of_a_claim_without_a_record():
    with state.claim("test") as home:
        assert home.path.is_dir()
    assert state.find("test") is None


def test_only_the_owner_can_read():
    with state.claim("test") as home:
        home.save(factory.deployment("server"))
        assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
        assert stat.S_IMODE(home.record.stat().st_mode) == 0o600


def test_two_claims_of_one_name():
    with state.claim("test"), pytest.raises(StateError) as caught, state.claim("test"):
        pass
    assert str(caught.value) == (
        f"deployment test is in use by process {os.getpid()}\n"
        "-> wait for it to end, or give this configuration another job_name"
    )


def test_a_failed_save_leaves_the_old_record(monkeypatch):
    made = factory.deployment("server")
    with state.claim("test") as home:
        home.save(made)
        monkeypatch.setattr(
            os, "fsync", lambda _fd: (_ for _ in ()).throw(OSError("disk full"))
        )
        with pytest.raises(StateError) as caught:
            home.save(factory.deployment("agent1"))
        assert str(caught.value) == (
            f"the record of the deployment cannot be kept in {home.record}: disk full\n"
            "-> make room or give access there, or set XDG_STATE_HOME to another directory"
        )
        assert home.load() == made
        assert sorted(p.name for p in home.path.iterdir()) == ["deployment.json", "owner"]


def test_damaged_record_names_its_file():
    with state.claim("test") as home:
        home.record.write_text('{"version": 1')
        with pytest.raises(StateError) as caught:
            home.load()
    assert caught.value.brief == (
        "the record of deployment test is damaged or of another version of enoslib-nxc: "
        f"{home.record}"
    )


def test_record_of_another_format():
    with state.claim("test") as home:
        home.save(factory.deployment("server").model_copy(update={"version": 99}))
        with pytest.raises(StateError) as caught:
            home.load()
    assert caught.value.brief == (
        "the record of deployment test has format 99, this version of enoslib-nxc reads 4"
    )


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/tmp", "x" * 65])
def test_a_name_never_leads_elsewhere(name):
    assert state.find(name) is None
    with pytest.raises(StateError, match="is no name of a deployment"), state.claim(name):
        pass


def test_the_deployment_json_is_whole_for_whoever_reads_it(tmp_path):
    """Hosts of virtual machines are prepared side by side, and machines may be fetching it."""
    home = Home(tmp_path)
    home.put_context("old" * 1000)
    with home.node_context.open() as reader:
        home.put_context("new")
        assert reader.read() == "old" * 1000
    assert home.node_context.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == [home.node_context.name]
    with pytest.raises(StateError, match="cannot be kept in"):
        Home(tmp_path / "gone").put_context("new")


def test_what_was_forked_meanwhile_does_not_hold_it(monkeypatch):
    forks = []
    lock = state._lock

    def forked(home):
        handle = lock(home)
        forks.append(os.dup(handle))
        return handle

    monkeypatch.setattr(state, "_lock", forked)
    for _ in range(2):
        with state.claim("forked") as home:
            home.save(factory.deployment("server"))
    for handle in forks:
        os.close(handle)
