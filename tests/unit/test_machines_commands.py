"""Commands about machines: status, exec, connect, logs, report; their words and their ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from enoslib_nxc import (
    cli,
    consoles,
    execution,
    reach,
    shell,
    state,
    terminal,
)
from enoslib_nxc import status as statuses
from enoslib_nxc.boots.qemu import QemuBoot
from enoslib_nxc.driver import Answer
from enoslib_nxc.errors import CommandError, DeadlineError, PlatformError
from enoslib_nxc.model import Container, Deployment, Reserved
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report

from .factory import deployment, identity


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path) -> Home:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    with state.claim("mine") as home:
        home.save(record())
        home.key.write_text("key")
    return home


def record() -> Deployment:
    made = deployment("server", "agent", state="up")
    machines = {
        host: machine.model_copy(update={"identity": identity(host)})
        for host, machine in made.machines.items()
    }
    return made.model_copy(update={"job_name": "mine", "machines": machines})


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.main, list(words), catch_exceptions=False)


def answers(monkeypatch, **failed: CommandError) -> None:
    """Have all machines run, and answer as they should; but for some."""

    def ask(access: Access, _key: object, _timeout: float) -> Report:
        if access.name in failed:
            raise failed[access.name]
        return Report("boot", identity(access.name), "", "", "")

    monkeypatch.setattr(QemuBoot, "alive", lambda _self, part, _home: set(part.machines))
    monkeypatch.setattr(statuses, "ask", ask)


def test_all_is_well(monkeypatch):
    answers(monkeypatch)
    done = run("status")
    assert done.exit_code == 0
    assert done.stdout.count("as planned") == 2
    told = json.loads(run("status", "--json").stdout)
    assert told["as_planned"] is True
    assert {host["place"] for host in told["hosts"]} == {"this computer"}


def test_one_does_not_answer(monkeypatch):
    details = "$ ssh ...\nssh: connect to host 127.0.0.1 port 40000: Connection refused"
    answers(monkeypatch, agent=CommandError("ssh failed", details=details))
    done = run("status")
    assert done.exit_code == 3
    agent = next(line for line in done.stdout.splitlines() if line.startswith("agent"))
    assert agent.endswith("down  ssh: connect to host 127.0.0.1 port 40000: Connection refused")


def test_one_runs_something_else(monkeypatch):
    answers(monkeypatch)
    ask = statuses.ask

    def other(access, key, timeout):
        report = ask(access, key, timeout)
        found = report.identity.model_copy(update={"toplevel": "/nix/store/other"})
        return Report("boot", found, "", "", "")

    monkeypatch.setattr(statuses, "ask", other)
    done = run("status")
    assert done.exit_code == 3
    assert "system is /nix/store/other, not /nix/store/" in done.stdout


def test_processes_that_are_gone_are_not_asked(monkeypatch):
    answers(monkeypatch)
    monkeypatch.setattr(QemuBoot, "alive", lambda _self, _part, _home: {"server"})
    told = json.loads(run("status", "--json").stdout)
    (agent,) = [host for host in told["hosts"] if host["host"] == "agent"]
    assert (agent["up"], agent["told"]) == (False, "it does not run any more")


@pytest.fixture
def remote(monkeypatch) -> dict[str, Answer | Exception]:
    given: dict[str, Answer | Exception] = {}

    class Remote:
        def __init__(self, access: Access) -> None:
            self.host = access.name

        def run(self, command: str, _seconds: float) -> Answer:
            assert command.startswith("set +euo pipefail\n")
            found = given.get(self.host, Answer(0, command.partition("\n")[2] + "\n"))
            if isinstance(found, Exception):
                raise found
            return found

    monkeypatch.setattr(execution, "Remote", Remote)
    return given


def test_exec_words_and_lines(remote):
    assert run("exec", "server", "--", "echo", "a b", "$x").stdout == (
        "server | echo 'a b' '$x'\n"
    )
    assert run("exec", "server", "--", "echo a | wc").stdout == "server | echo a | wc\n"
    assert run("exec", "server").exit_code == 2


def test_exec_ends(remote):
    remote["agent"] = Answer(7, "", "no\n")
    done = run("exec", "all", "--", "x")
    assert done.exit_code == 3
    assert done.stderr.splitlines() == ["agent  | no", "agent  | exit status 7"]
    remote["agent"] = DeadlineError("late")
    done = run("exec", "all", "--timeout", "3", "--", "x")
    assert (done.exit_code, done.stderr) == (1, "agent  | error: it did not end within 3 s\n")
    remote["agent"] = CommandError("agent did not answer", details="refused")
    told = json.loads(run("exec", "--json", "all", "--", "x").stdout)
    assert [(one["host"], one["status"], one["trouble"]) for one in told] == [
        ("server", 0, ""),
        ("agent", None, "agent did not answer: refused"),
    ]


def test_connect_to_one_takes_the_place_of_this_process(monkeypatch):
    became: list[list[str]] = []
    monkeypatch.setattr(shell, "become", became.append)
    assert run("connect", "agent").exit_code == 0
    (line,) = became
    assert line[:2] == ["ssh", "-t"]
    assert "StrictHostKeyChecking=yes" in line
    assert run("connect", "agent", "--print").stdout.startswith("ssh -t ")


def test_a_shell_in_a_container():
    made = record()
    inside = Container(name="nxc-1", daemon="unix:///sock")
    machine = made.machines["server"].model_copy(update={"container": inside})
    access = reach.own(made.having({"server": machine}), Home(Path("/x")), "server")
    assert terminal.argv(access)[:9] == [
        *("docker", "--host=unix:///sock", "exec", "-i", "-t", "-u", "root", "nxc-1", "sh"),
    ]


def test_panes():
    said: list[list[str]] = []

    def call(words):
        said.append(list(words))
        return "$7" if words[0] == "new-session" else ""

    shown = terminal.panes({"a": ["ssh", "a b"], "b": ["ssh", "b"]}, inside=False, call=call)
    assert shown == ["tmux", "attach-session", "-t", "$7"]
    assert said[0][-1].endswith(" sh ssh 'a b'")
    assert [words[0] for words in said].count("split-window") == 1
    shown = terminal.panes({"a": ["x"], "b": ["y"]}, inside=True, call=call)
    assert shown[1] == "switch-client"
    with pytest.raises(PlatformError, match="17 machines do not fit into one window"):
        terminal.panes({str(n): ["x"] for n in range(17)}, inside=False, call=call)


def test_panes_that_cannot_be_made_leave_nothing():
    said: list[str] = []

    def call(words):
        said.append(words[0])
        if words[0] in ("split-window", "kill-session"):
            raise CommandError(f"{words[0]}: no space for new pane")
        return "$1"

    with pytest.raises(CommandError, match="split-window: "):
        terminal.panes({"a": ["x"], "b": ["y"]}, inside=False, call=call)
    assert said[-1] == "kill-session"


def test_logs(home, monkeypatch):
    home.console("server").parent.mkdir()
    home.console("server").write_text("".join(f"\x1b[1mline {n}\x1b[0m\r\n" for n in range(9)))
    assert run("logs", "server", "-n", "2").stdout == "line 7\nline 8\n"
    done = run("logs")
    assert done.exit_code == 1
    assert done.stdout.startswith("==> server <==\n")
    assert "error: there is no console of agent here: it was never started" in done.stderr
    became: list[list[str]] = []
    monkeypatch.setattr(shell, "become", became.append)
    assert run("logs", "-f", "server").exit_code == 0
    assert became[0][0] == "tail"
    assert became[0][-1] == str(home.console("server"))


def test_consoles_of_nodes_are_elsewhere(home):
    node = Reserved(node="dahu-1.grenoble.grid5000.fr", site="grenoble", job=1)
    machine = record().machines["server"].model_copy(update={"reserved": node})
    with pytest.raises(PlatformError, match="not on this computer") as caught:
        consoles.last(record().having({"server": machine}), home, "server", 5)
    assert "kaconsole3 -m dahu-1.grenoble.grid5000.fr" in caught.value.resolution


def test_a_defect_is_told_without_a_traceback(monkeypatch):
    def broken(*_args):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(state.Home, "load", broken)
    done = run("status")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: a defect: ZeroDivisionError: division by zero\n-> ")
    monkeypatch.setenv(cli.TRACEBACK, "1")
    with pytest.raises(ZeroDivisionError):
        run("status")


def test_hosts_are_completed_without_reading_an_environment():
    Path("current").mkdir()
    Path("current/env").write_bytes(b"cposix\nsystem\n(S'touch ran'\ntR.")
    argument = next(
        each for each in cli.main.commands["connect"].params if each.name == "hosts"
    )
    ctx = cli.main.commands["connect"].make_context("connect", [], resilient_parsing=True)
    items = argument.type.shell_complete(ctx, argument, "a")
    assert [item.value for item in items] == ["agent", "all"]
    assert not Path("ran").exists()
