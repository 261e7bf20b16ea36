"""The record of calls, phases and destroy(): what is kept, how long, and what it survives."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest

from enoslib_nxc import history, journal, runs, state
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import NxcError, StateError
from enoslib_nxc.events import Event, Phase, Status, silent, step
from enoslib_nxc.steps import Step

from .factory import deployment

SETTINGS = Settings.model_validate({"roles": {"server": 1}, "vm": {"memory": 512}})


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with state.claim("mine") as home:
        made = deployment("server", "agent", state="up")
        home.save(made.model_copy(update={"job_name": "mine"}))
    return home


def entries() -> list[dict[str, object]]:
    return [json.loads(line) for line in journal.lines(history.path("mine")) if line]


def test_a_call_and_its_steps_are_kept(home, tmp_path):
    with history.kept(home, SETTINGS) as noted:
        noted(Event(Phase.BUILD, Status.STARTED, message="build"))
        noted(Event(Phase.BUILD, Status.PROGRESS, "hello.drv", "building"))
        noted(Event(Phase.BUILD, Status.NOOP, message="as before", seconds=4.0, at=104.0))
        noted(Event(Phase.BOOT, Status.STARTED, "agent", "come up"))
        noted(Event(Phase.BOOT, Status.FAILED, "agent", "gone", seconds=2.0, at=107.0))
    began, build, boot, end = entries()
    assert began["began"]["configuration"] == {
        "roles": {"server": {"nodes": 1}},
        "vm": {"memory": 512},
    }
    assert not began["began"]["fresh"]
    assert build == {
        "phase": "build",
        "node": "",
        "start": 100.0,
        "end": 104.0,
        "outcome": "noop",
        "does": "build",
        "message": "as before",
        "user": False,
    }
    assert (boot["node"], boot["outcome"]) == ("agent", "failed")
    assert (boot["does"], boot["message"]) == ("come up", "gone")
    assert (end["phase"], end["outcome"]) == ("init", "done")
    file = history.path("mine")
    assert file == tmp_path / "state" / "enoslib-nxc" / "runs" / "mine.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    (call,) = history.read("mine")
    assert call.phases == {"build": 4.0, "boot": 2.0}
    assert "enoslib" in call.versions


def test_a_call_that_fails_says_why(home):
    with pytest.raises(NxcError), history.kept(home, SETTINGS, call="test"):
        raise NxcError("no nix here")
    with pytest.raises(KeyboardInterrupt), history.kept(home, SETTINGS):
        raise KeyboardInterrupt
    with pytest.raises(ValueError, match="odd"), history.kept(home, SETTINGS):
        raise ValueError("odd\nvery")
    told = [call.failed for call in history.read("mine")]
    assert told == ["no nix here", "KeyboardInterrupt", "ValueError: odd"]


def test_a_node_is_a_host(home):
    with (
        history.kept(home, SETTINGS) as noted,
        step(noted, Phase.PUSH, "send", subject="nancy"),
    ):
        pass
    sent = history.read("mine")[0].steps[0]
    assert (sent.node, sent.message) == ("", "nancy: send")


def test_hosts_that_come_later_are_hosts(monkeypatch):
    with state.claim("new") as home, history.kept(home, SETTINGS) as noted:
        home.save(deployment("server"))
        with step(noted, Phase.BOOT, "start", subject="server"):
            pass
    (call,) = history.read("new")
    assert call.fresh
    assert call.steps[0].node == "server"


def test_what_was_not_written_whole_is_passed_over(home):
    with history.kept(home, SETTINGS):
        pass
    with history.path("mine").open("a") as file:
        file.write('{"phase": "boot", "start": 1')  # killed while it wrote
    history.note("mine", Step(phase="run", start=1, end=2, outcome="done", user=True))
    with history.path("mine").open("a") as file:
        file.write('[]\n7\n{"began": {"at": NaN}}\n{"phase": "x", "start": Infinity}\n\xff\n')
    (call,) = history.read("mine")
    assert [each.phase for each in call.steps] == ["init", "run"]


def test_a_place_where_nothing_can_be_written(home, monkeypatch):
    monkeypatch.setattr(state, "runs_root", lambda: Path("/proc/nowhere"))
    with history.kept(home, SETTINGS) as noted:
        noted(Event(Phase.BOOT, Status.DONE))
    assert history.read("mine") == ()
    assert history.job_names() == []
    assert not history.forget("mine")


def test_destroy_is_noted_where_there_is_a_record(home):
    with step(history.ends("mine"), Phase.DESTROY, "destroy mine"):
        pass
    assert not history.path("mine").exists()
    with history.kept(home, SETTINGS):
        pass
    with step(history.ends("mine"), Phase.DESTROY, "destroy mine"):
        pass
    assert history.read("mine")[0].destroyed


def booted(home) -> None:
    with history.kept(home, SETTINGS) as noted, step(noted, Phase.BOOT, "boot server"):
        pass


def test_the_oldest_runs_go(home, monkeypatch):
    monkeypatch.setattr(history, "MOST_RUNS", 3)
    for _ in range(6):
        booted(home)
        with history.kept(home, SETTINGS):
            pass
    assert len(history.read("mine")) == 6  # three runs of two calls
    assert len(runs.of(history.read("mine"))) == 3
    assert stat.S_IMODE(history.path("mine").stat().st_mode) == 0o600
    assert [file.name for file in state.runs_root().iterdir()] == ["mine.jsonl"]


def test_calls_with_nothing_to_do_go_first(home, monkeypatch):
    monkeypatch.setattr(history, "MOST_RUNS", 2)
    monkeypatch.setattr(history, "MOST_CALLS", 4)
    booted(home)
    for _ in range(9):
        with history.kept(home, SETTINGS):
            pass
    with history.step("mine", "run", user=True):
        pass
    for _ in range(9):
        with history.kept(home, SETTINGS):
            pass
    assert len(history.read("mine")) == 7  # that of the boot, that of the phase, the last ones
    (run,) = runs.of(history.read("mine"))
    assert set(run.seconds) == {"Boot", "Run"}


def test_threads_write_whole_lines(home):
    def work(number: int) -> None:
        for _ in range(50):
            history.note("mine", Step(phase=str(number), start=0, end=1, outcome="done"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(entries()) == 200


def test_forgetting(home, monkeypatch):
    booted(home)
    assert history.job_names() == ["mine"]
    assert history.forget("mine")
    assert not history.forget("mine")
    assert not history.forget("../deployments")
    assert history.read("../mine") == ()

    def refuse(_file):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(journal, "remove", refuse)
    with pytest.raises(StateError, match="the runs of mine cannot be removed"):
        history.forget("mine")


def test_what_is_shown_besides_is_not_needed(home):
    with step(silent, Phase.DESTROY, "destroy"):
        pass
    assert history.read("none") == ()
