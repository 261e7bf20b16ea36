"""`enoslib-nxc plan` and `enoslib-nxc test`: what they print, and how they end."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from enoslib_nxc import cli, deploy, flavours, prepare, rehearse, standing, state, trial
from enoslib_nxc.built import StoreMap
from enoslib_nxc.driver import Answer
from enoslib_nxc.errors import BootError
from enoslib_nxc.g5k import request

from .factory import deployment


@pytest.fixture(autouse=True)
def states(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(request, "known_clusters", lambda: {"dahu": "grenoble"})


@pytest.fixture
def conf(tmp_path) -> Path:
    file = tmp_path / "conf.yaml"
    file.write_text(
        "job_name: test\nprogress: silent\nroles: {server: 1, agent: 1}\ng5k: {cluster: dahu}\n"
    )
    return file


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


def test_a_plan_for_people(conf) -> None:
    done = run("plan", conf)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("deployment test\n  vm-ramdisk: ")
    assert "server  server      192.168.1.1  this computer  512 MiB, 1 core  boot: new" in (
        done.stdout
    )


def test_a_plan_for_programs_on_another_flavour(conf) -> None:
    done = run("plan", conf, "--flavour", "g5k-nfs-store", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["groups"][0]["flavour"] == "g5k-nfs-store"
    assert told["reservations"][0]["wishes"][0]["cluster"] == "dahu"


def test_a_plan_that_init_would_refuse(conf) -> None:
    with state.claim("test") as home:
        home.save(deployment("server", "agent", state="up"))
    done = run("plan", conf, "--flavour", "g5k-image")
    assert done.exit_code == 1
    assert done.stdout.startswith("deployment test\n")
    assert done.stderr == (
        "error: deployment test runs with flavour vm-ramdisk, not g5k-image\n"
        "-> destroy() it first, or give this configuration another job_name\n"
    )


@pytest.mark.parametrize("command", ["plan", "test", "rehearse"])
def test_flavours_are_known(conf, command: str) -> None:
    done = run(command, conf, "--flavour", "g5k-imag")
    assert done.exit_code == 2
    known = ", ".join(map(repr, sorted(flavours.names())))
    assert f"'g5k-imag' is not one of {known}" in done.stderr
    completed = cli.main.commands[command].params
    choice = next(each for each in completed if each.name == "flavour")
    items = choice.type.shell_complete(None, choice, "g5k-i")
    assert [item.value for item in items] == ["g5k-image"]


def test_a_plan_of_a_faulty_file(conf) -> None:
    conf.write_text("roles: {server: 0}\n")
    done = run("plan", conf)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {conf}: roles.server.nodes: 0 is less than 1\n")


def test_rehearsing_on_another_flavour(conf, monkeypatch) -> None:
    seen = []

    def wanted(settings, **_sizes):
        seen.append(settings.flavour)
        raise BootError("far enough")

    monkeypatch.setattr(rehearse, "wanted", wanted)
    assert run("rehearse", conf, "--flavour", "g5k-image").exit_code == 1
    assert seen == ["g5k-image"]


class Lab:
    """Stands for all that a test touches; notes what is done."""

    def __init__(self, patch, tmp_path: Path) -> None:
        self.done: list[str] = []
        self.script = tmp_path / "script"
        self.script.write_text("agent.succeed('check')\n")
        self.answer = Answer(0, "")
        self.fails: BaseException | None = None
        patch.setattr(prepare, "prepare", self.prepare)
        patch.setattr(deploy, "deploy", self.deploy)
        patch.setattr(standing, "destroy", self.destroy)
        patch.setattr(trial, "Remote", lambda access: SimpleNamespace(run=self.run))

    def prepare(self, _settings, _home, _report, _source):
        self.done.append("prepare")
        made = deployment("server", "agent", state="up")
        update = {"test_script": str(self.script), "store": StoreMap()}
        side = SimpleNamespace(built=made.artifacts.model_copy(update=update))
        return SimpleNamespace(sides={"vm-ramdisk": side})

    def deploy(self, _ready, home, _report):
        self.done.append("deploy")
        if self.fails:
            raise self.fails
        made = deployment("server", "agent", state="up")
        home.save(made)
        return made

    def destroy(self, job_name, _report, _timeout) -> None:
        self.done.append(f"destroy {job_name}")
        if home := state.find(job_name):
            home.remove()

    def run(self, command: str, _seconds: float) -> Answer:
        self.done.append(command)
        return self.answer


@pytest.fixture
def lab(monkeypatch, tmp_path) -> Lab:
    return Lab(monkeypatch, tmp_path)


def test_a_test_that_passes(conf, lab) -> None:
    done = run("test", conf)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "test script passed\n", "")
    assert lab.done == ["prepare", "deploy", "check", "destroy test"]


def test_a_test_that_fails(conf, lab) -> None:
    lab.answer = Answer(2, "some words\n")
    done = run("test", conf)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        "error: testScript, line 1: agent: command `check` failed with exit code 2\n"
        "  1: agent.succeed('check')\n"
        "  $ check\n"
        "  some words\n"
    )
    assert lab.done[-1] == "destroy test"


def test_what_was_there_stays(conf, lab) -> None:
    with state.claim("test") as home:
        home.save(deployment("server", "agent", state="up"))
    assert run("test", conf).exit_code == 0
    assert lab.done == ["prepare", "deploy", "check"]


def test_what_is_kept_stays(conf, lab) -> None:
    assert run("test", conf, "--keep").exit_code == 0
    assert lab.done == ["prepare", "deploy", "check"]


def test_what_did_not_come_up_is_destroyed(conf, lab) -> None:
    lab.fails = BootError("1 of 2 machines did not come up: agent")
    done = run("test", conf)
    assert done.exit_code == 1
    assert done.stderr == "error: 1 of 2 machines did not come up: agent\n"
    assert lab.done == ["prepare", "deploy", "destroy test"]


def test_ctrl_c_destroys_too(conf, lab) -> None:
    lab.fails = KeyboardInterrupt()
    done = run("test", conf)
    assert (done.exit_code, done.stderr) == (130, "interrupted\n")
    assert lab.done[-1] == "destroy test"


def test_another_process_s_deployment_is_left_alone(conf, lab) -> None:
    with state.claim("test"):
        done = run("test", conf)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: deployment test is in use by process ")
    assert lab.done == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "error: composition composition has no testScript\n"),
        ("a b", "error: testScript, line 1: not Python: invalid syntax\n  1: a b\n"),
    ],
)
def test_scripts_are_checked_before_machines_are_asked_for(conf, lab, text, told) -> None:
    lab.script.write_text(text)
    done = run("test", conf)
    assert done.exit_code == 1
    assert done.stderr.startswith(told)
    assert lab.done == ["prepare", "destroy test"]


def test_a_script_of_one_s_own(conf, lab, tmp_path) -> None:
    own = tmp_path / "own.py"
    own.write_text("server.succeed('mine')\n")
    assert run("test", conf, "--script", own).exit_code == 0
    assert lab.done[2] == "mine"
    own.write_text("(")
    done = run("test", conf, "--script", own)
    assert done.stderr.startswith(f"error: {own}, line 1: not Python: ")
    assert lab.done[4:] == ["destroy test"]
