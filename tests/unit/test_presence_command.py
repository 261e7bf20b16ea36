"""Ansible's `command` on systems of ours: which tasks are plain, and what comes of them."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from enoslib_nxc.names import ROLE_VARIABLE
from enoslib_nxc.presence import command

OURS = {ROLE_VARIABLE: "agent"}
BEGAN = datetime(2026, 1, 1)
ENDED = BEGAN + timedelta(seconds=2)


def made(told, mark="m", cmd="hostname"):
    return command.result(told, mark, cmd, BEGAN, ENDED)


def test_a_result_is_the_module_s():
    assert made({"stdout": "agent1\n\nm=0\n", "stderr": "note\r\n"}) == {
        "changed": True,
        "cmd": "hostname",
        "rc": 0,
        "stdout": "agent1",
        "stdout_lines": ["agent1"],
        "stderr": "note",
        "stderr_lines": ["note"],
        "start": "2026-01-01 00:00:00",
        "end": "2026-01-01 00:00:02",
        "delta": "0:00:02",
        "msg": "",
    }


def test_a_command_that_failed():
    done = made({"stdout": "\nm=255\n", "stderr": ""})
    assert (done["rc"], done["failed"], done["msg"]) == (255, True, "non-zero return code")


def test_what_was_not_run_is_left_to_the_module():
    assert made({"stdout": "m=none\n", "stderr": ""}) is None


def test_what_may_have_been_run_is_not_run_again():
    done = made({"stdout": "half", "stderr": "", "rc": 1})
    assert done["failed"]
    assert done["msg"] == "the machine did not say how the command ended"


@pytest.mark.parametrize("raw", ["", "  ", "echo $HOME", "ls ~", "echo 'open"])
def test_what_a_command_without_shell_leaves_to_the_module(raw):
    assert command.script(raw, "m", shell=False) is None


@pytest.fixture
def task(monkeypatch):
    """Return a function that runs a task, and tells who ran it."""
    monkeypatch.setattr(
        command.ActionModule, "_by_module", lambda *_args: {"msg": "Ansible's own"}
    )

    def run(known=OURS, *, become=None, **more):
        args = more.pop("args", {"_raw_params": "hostname", "_uses_shell": True})
        usual = {"async_val": 0, "check_mode": False, "environment": None, "delegate_to": None}
        action = object.__new__(command.ActionModule)
        action._task = SimpleNamespace(**{**usual, **more}, args=args)
        action._connection = SimpleNamespace(become=become)
        action._low_level_execute_command = lambda text, **_: {
            "stdout": "agent1\n\n"
            + text.rpartition("\\n")[0].rpartition("\\n")[2][:20]
            + "=0\n",
            "stderr": "",
        }
        return action.run(None, known)["msg"] or "plain"

    return run


def test_a_plain_command_needs_no_module(task):
    assert task() == "plain"
    assert task(args={"cmd": "hostname -f"}) == "plain"


@pytest.mark.parametrize(
    "more",
    [
        {"async_val": 10},
        {"check_mode": True},
        {"environment": [{"LANG": "C"}]},
        {"become": "sudo"},
        {"delegate_to": "localhost"},
        {"args": {"_raw_params": "hostname", "chdir": "/"}},
        {"args": {"_raw_params": "hostname", "stdin": "x"}},
        {"args": {"argv": ["hostname"]}},
        {"args": {}},
        {"known": {}},
    ],
)
def test_all_else_is_the_module_s(task, more):
    assert task(**more) == "Ansible's own"
