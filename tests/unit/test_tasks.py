"""Tasks: which environment `up` and `destroy` work in, and which deployment a command means."""

from __future__ import annotations

import pickle
from pathlib import Path

import enoslib as en
import pytest
from click.testing import CliRunner, Result
from enoslib.task import Environment

from enoslib_nxc import NixOSCompose, NixOSComposeConf, cli, state, tasks
from enoslib_nxc.errors import BootError, StateError

from .factory import deployment


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def calls(monkeypatch) -> list[str]:
    """What a provider was told to do; nothing is done."""
    done: list[str] = []

    def init(self, **_given):
        done.append(f"init {self.settings.job_name}")
        return en.Roles({"server": []}), en.Networks()

    monkeypatch.setattr(NixOSCompose, "init", init)
    monkeypatch.setattr(
        NixOSCompose,
        "destroy",
        lambda self, **_given: done.append(f"destroy {self.settings.job_name}"),
    )
    return done


def conf(name: str = "one") -> Path:
    file = Path(f"{name}.yaml")
    file.write_text(f"job_name: {name}\nroles: {{server: 1}}\n")
    return file


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


def environments() -> list[str]:
    return sorted(path.name for path in Path().glob("enos_*"))


def test_up_makes_an_environment_that_a_task_goes_on_with(here, calls):
    done = run("up", conf())
    (name,) = environments()
    assert (done.exit_code, done.stdout) == (0, f"one is up; environment {here / name}\n")
    assert Path("current").resolve() == here / name

    @en.enostask()
    def emulate(env=None):
        assert set(env["roles"]) == {"server"}
        assert env["provider"].settings == env["conf"].settings
        assert NixOSComposeConf.from_dictionary(env["config"]).settings.job_name == "one"
        env["found"] = 1

    emulate()
    assert run("up", conf()).exit_code == 0
    assert environments() == [name]
    assert tasks.load(None)["found"] == 1
    assert calls == ["init one", "init one"]


def test_another_deployment_gets_another_environment(here):
    run("up", conf("one"), "--env", "first")
    assert run("up", conf("two"), "--env", "second").exit_code == 0
    assert tasks.current(Path("first")) == "one"
    assert tasks.current(None) == "two"
    refused = run("up", conf("two"), "--env", "first")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: first is the environment of deployment one\n")
    run("up", conf("one"))
    assert tasks.current(None) == "one"
    assert len(environments()) == 1


def test_what_another_tool_left_in_current_is_left_alone(here):
    Path("theirs").mkdir()
    Path("theirs/env").write_bytes(b"no pickle")
    Path("current").symlink_to("theirs")
    assert run("up", conf()).exit_code == 0
    assert Path("theirs/env").read_bytes() == b"no pickle"
    refused = run("status", "--env", "theirs")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: the environment theirs/env cannot be read: ")
    assert run("up", conf(), "--env", "theirs").exit_code == 1


def test_a_failed_up_can_be_destroyed(here, calls, monkeypatch):
    def fails(_self, **_given):
        raise BootError("1 of 1 machines did not come up: server")

    monkeypatch.setattr(NixOSCompose, "init", fails)
    failed = run("up", conf())
    assert failed.exit_code == 1
    assert failed.stderr == "error: 1 of 1 machines did not come up: server\n"
    assert run("destroy").exit_code == 0
    assert calls == ["destroy one"]


def test_destroy_takes_hosts_from_the_environment_and_leaves_the_rest(here, calls):
    run("up", conf())
    env = tasks.load(None)
    env["results"] = [1, 2]
    env.dump()
    assert run("destroy").exit_code == 0
    left = tasks.load(None)
    assert left["results"] == [1, 2]
    assert not {"roles", "networks", "provider"} & set(left)
    again = run("destroy")
    assert again.exit_code == 1
    assert " has no deployment of NixOSCompose\n" in again.stderr
    assert calls == ["init one", "destroy one"]
    assert run("destroy", "one", "--env", "current").exit_code == 2


def test_a_pickle_that_is_no_environment(here):
    Path("dir").mkdir()
    Path("dir/env").write_bytes(pickle.dumps([1]))
    with pytest.raises(StateError, match=r"cannot be read|is not an environment"):
        tasks.load(Path("dir"))


def record(name: str) -> None:
    with state.claim(name) as home:
        made = deployment("server", "agent", state="up")
        home.save(made.model_copy(update={"job_name": name}))


def test_which_deployment_is_meant(here):
    assert (
        run("report").stderr
        == "error: there is no deployment\n-> enoslib-nxc up CONF makes one\n"
    )
    record("only")
    assert run("report").stdout.startswith("deployment only, ")
    record("other")
    told = run("report")
    assert told.exit_code == 1
    assert told.stderr.startswith("error: there are 2 deployments: only, other\n")
    assert run("report", "--job", "other").stdout.startswith("deployment other, ")
    run("up", conf("only"))
    assert run("report").stdout.startswith("deployment only, ")
    Environment(Path("empty")).dump()
    assert run("report", "--env", "empty").exit_code == 1
    assert run("report", "--job", "none").stderr.startswith(
        "error: there is no deployment none\n"
    )
