"""A test script's calls, with machines that only pretend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from enoslib_nxc import driver, shell, ssh
from enoslib_nxc.built import StoreMap
from enoslib_nxc.driver import Answer, Machine, Remote
from enoslib_nxc.errors import ArtifactError, CommandError, DeadlineError, ScriptError
from enoslib_nxc.events import Event, Status, silent
from enoslib_nxc.ssh import Access
from enoslib_nxc.wait import Deadline

from .factory import artifacts

UNIT = "systemctl --no-pager show web"


class FakeShell:
    """Answers commands by a table; a list is answered one by one, its last one for ever."""

    def __init__(self, answers: Mapping[str, object] | None = None) -> None:
        self.answers = dict(answers or {})
        self.asked: list[tuple[str, float]] = []
        self.sent: list[tuple[Path, str]] = []

    def run(self, command: str, seconds: float) -> Answer:
        self.asked.append((command, seconds))
        answer = self.answers.get(command, Answer(0, ""))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def send(self, source: Path, target: str, seconds: float) -> None:
        self.sent.append((source, target))


def machine(
    answers: Mapping[str, object] | None = None, *, name: str = "server", seconds: float = 3600
) -> Machine:
    return Machine(name, FakeShell(answers), Deadline(seconds), pause=0.01)


def shown(state: str, load: str = "loaded") -> Answer:
    return Answer(0, f"Id=web.service\nLoadState={load}\nActiveState={state}\n")


def error(call: Callable[[], object]) -> str:
    with pytest.raises(ScriptError) as raised:
        call()
    return str(raised.value)


def test_commands_that_succeed() -> None:
    made = machine({"a": Answer(0, "1\n"), "b": Answer(0, "2\n", "no word of this")})
    assert made.succeed("a", "b") == "1\n2\n"
    assert made.execute("a", timeout=7) == (0, "1\n")
    assert made.shell.asked == [("a", 900), ("b", 900), ("a", 7)]


def test_a_command_that_fails_ends_the_call() -> None:
    made = machine({"a": Answer(3, "out\n", "err\n")})
    assert error(lambda: made.succeed("a", "b")) == (
        "server: command `a` failed with exit code 3\n  $ a\n  out\n  err"
    )
    assert made.shell.asked == [("a", 900)]
    assert made.fail("a") == "out\n"


def test_a_command_that_must_fail() -> None:
    assert error(lambda: machine().fail("true")) == (
        "server: command `true` succeeded, and must fail\n  $ true"
    )


def test_only_the_last_lines_are_told_of_a_long_command() -> None:
    command = "for i in $(seq 99); do\n  echo $i\ndone; false"
    lines = "".join(f"{number}\n" for number in range(1, 100))
    told = error(lambda: machine({command: Answer(1, lines)}).succeed(command))
    assert told.splitlines()[0] == (
        "server: command `for i in $(seq 99); do ...` failed with exit code 1"
    )
    assert told.splitlines()[1:4] == [
        "  $ for i in $(seq 99); do",
        "    echo $i",
        "  done; false",
    ]
    assert told.splitlines()[4:] == [f"  {number}" for number in range(80, 100)]


def test_a_command_that_does_not_end() -> None:
    made = machine({"sleep 9": DeadlineError("it did not end", details="so far")})
    assert error(lambda: made.succeed("sleep 9", timeout=2)) == (
        "server: command `sleep 9` did not end within 2 s\n  $ sleep 9\n  so far"
    )


def test_a_machine_that_is_gone() -> None:
    made = machine({"true": CommandError("server did not answer", details="refused")})
    assert error(lambda: made.execute("true")) == (
        "server: the machine did not answer\n  $ true\n  refused"
    )


def test_the_script_s_own_deadline() -> None:
    made = machine(seconds=50)
    made.succeed("a")
    assert made.shell.asked[0][1] == pytest.approx(50, abs=0.2)
    made.deadline.cancel()
    assert error(lambda: made.succeed("a")) == (
        "the script did not end within 50 s\n-> give it more with --timeout"
    )


def test_no_deadline_at_all_is_none_that_timeout_knows() -> None:
    made = machine()
    made.succeed("a", timeout=0)
    made.succeed("a", timeout=None)
    assert [seconds for _, seconds in made.shell.asked] == [0.1, 900]


def test_waiting_for_a_command() -> None:
    answers = [Answer(1, ""), CommandError("away"), Answer(0, "there")]
    made = machine({"a": answers, "b": [Answer(0, ""), Answer(2, "gone")]})
    assert made.wait_until_succeeds("a") == "there"
    assert made.wait_until_fails("b") == "gone"
    assert len(made.shell.asked) == 5


def test_waiting_for_a_command_in_vain() -> None:
    made = machine({"a": Answer(4, "", "not yet\n")})
    assert error(lambda: made.wait_until_succeeds("a", timeout=0.1)) == (
        "server: waited 0.1 s in vain: command `a` must succeed\n"
        "  at last: exit code 4\n  not yet"
    )


def test_ports_and_files() -> None:
    connect = "exec 3<>/dev/tcp/localhost/80"
    made = machine({connect: [Answer(1, ""), Answer(0, "")], f"! ( {connect} )": Answer(0, "")})
    made.wait_for_open_port(80)
    made.wait_for_closed_port(80)
    made.wait_for_open_port(22, "agent")
    made.wait_for_file("/etc/a b")
    assert [command for command, _ in made.shell.asked] == [
        connect,
        connect,
        f"! ( {connect} )",
        "exec 3<>/dev/tcp/agent/22",
        "test -e '/etc/a b'",
    ]
    assert made.shell.asked[0][1] == 10


def test_a_port_that_stays_closed() -> None:
    made = machine({"exec 3<>/dev/tcp/localhost/80": Answer(1, "", "Connection refused")})
    assert error(lambda: made.wait_for_open_port(80, timeout=0.1)) == (
        "server: waited 0.1 s in vain: TCP port 80 of localhost is open\n"
        "  at last: Connection refused"
    )


def test_a_unit_that_becomes_active() -> None:
    jobs = Answer(0, "JOB UNIT\n1 web.service start waiting\n")
    made = machine(
        {
            UNIT: [shown("inactive"), shown("activating"), shown("active")],
            "systemctl list-jobs": jobs,
        }
    )
    made.wait_for_unit("web")
    assert [command for command, _ in made.shell.asked].count(UNIT) == 3


@pytest.mark.parametrize(
    ("state", "load", "told"),
    [
        ("failed", "loaded", "unit web failed\n  dead"),
        ("inactive", "loaded", "unit web is inactive, and systemd has nothing to do\n  dead"),
        ("inactive", "not-found", "there is no unit web"),
    ],
)
def test_a_unit_that_never_will_be(state: str, load: str, told: str) -> None:
    made = machine(
        {
            UNIT: shown(state, load),
            "systemctl list-jobs": Answer(0, "No jobs running.\n"),
            "systemctl --no-pager --lines=20 status web": Answer(3, "dead\n"),
        }
    )
    assert error(lambda: made.wait_for_unit("web")) == f"server: {told}"


def test_a_unit_that_takes_too_long() -> None:
    made = machine({UNIT: shown("activating")})
    assert error(lambda: made.wait_for_unit("web", timeout=0.1)) == (
        "server: waited 0.1 s in vain: unit web is active\n  at last: it is activating"
    )


def test_the_state_of_a_unit() -> None:
    made = machine({UNIT: shown("active")})
    made.require_unit_state("web")
    assert error(lambda: made.require_unit_state("web", "inactive")) == (
        "server: unit web is active, not inactive"
    )


def test_systemctl() -> None:
    made = machine({"systemctl is-active web": Answer(3, "inactive\n")})
    assert made.systemctl("is-active web") == (3, "inactive\n")
    made.start_job("web")
    made.stop_job("web", "ada")
    assert made.shell.asked[-1][0] == (
        "su -l ada --shell /bin/sh -c "
        "'XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user stop web'"
    )


def test_copies(tmp_path: Path) -> None:
    made = machine()
    made.copy_from_host(str(tmp_path), "/root")
    assert made.shell.sent == [(tmp_path, "/root")]
    missing = tmp_path / "none"
    assert error(lambda: made.copy_from_host(str(missing), "/root")) == (
        f"server: copy_from_host: {missing} does not exist"
    )


def access() -> Access:
    return Access("server", "127.0.0.1", 22, "root", None, Path("known_hosts"))


def remote_says(monkeypatch, stdout: str, stderr: str = "", seconds: float = 0.1) -> list[str]:
    texts = []

    def script(_access, text, *, timeout, check):
        assert not check
        texts.append(text)
        return shell.Result(("ssh",), 0, stdout, stderr, seconds)

    monkeypatch.setattr(ssh, "script", script)
    return texts


def test_a_command_on_a_machine(monkeypatch) -> None:
    texts = remote_says(monkeypatch, "out\n\nnxc-status=255\n".rstrip(), "err")
    assert Remote(access()).run("echo 'a b'", 3) == Answer(255, "out\n", "err")
    assert texts == [
        "timeout --kill-after=5 3.0 bash -c 'set -euo pipefail; echo '\"'\"'a b'\"'\"''"
        " </dev/null\nprintf '\\nnxc-status=%d' $?\n"
    ]


def test_a_machine_that_does_not_answer(monkeypatch) -> None:
    remote_says(monkeypatch, "half of it", "Connection refused")
    with pytest.raises(CommandError) as raised:
        Remote(access()).run("true", 3)
    assert str(raised.value) == "server did not answer\n  Connection refused"


@pytest.mark.parametrize(("seconds", "expired"), [(3.2, True), (0.1, False)])
def test_status_124_is_also_a_command_s_own(monkeypatch, seconds: float, *, expired) -> None:
    remote_says(monkeypatch, "\nnxc-status=124", seconds=seconds)
    if expired:
        with pytest.raises(DeadlineError):
            Remote(access()).run("true", 3)
    else:
        assert Remote(access()).run("true", 3).status == 124


def test_names() -> None:
    hosts = ["server", "agent1", "agent2", "db-main", "1st"]
    roles = {"server": ["server"], "agent": ["agent1", "agent2"], "db": ["db-main", "1st"]}
    names = driver.named(roles, {host: host for host in hosts})
    assert names == {
        "server": "server",
        "server1": "server",
        "agent": "agent1",
        "agent1": "agent1",
        "agent2": "agent2",
        "db_main": "db-main",
        "db": "db-main",
        "db1": "db-main",
        "db2": "1st",
        "_st": "1st",
    }


def test_host_names_come_before_roles_and_lost_hosts_have_none() -> None:
    roles = {"agent": ["x", "agent1", "y"], "import": ["import"]}
    names = driver.named(roles, {host: host for host in ("x", "agent1", "import")})
    assert names == {
        "x": "x",
        "agent1": "agent1",
        "agent": "x",
        "agent2": "agent1",
        "import_": "import",
        "import1": "import",
    }


def script(tmp_path: Path, text: str) -> driver.Script:
    file = tmp_path / "script"
    file.write_text(text)
    return driver.of(made_of(file))


def made_of(file: Path):
    update = {"test_script": str(file), "store": StoreMap()}
    return artifacts("server").model_copy(update=update)


def ran(tmp_path: Path, text: str, **machines: Machine) -> None:
    driver.run(script(tmp_path, text), machines or {"server": machine()}, silent)


def test_a_script(tmp_path: Path) -> None:
    server, agent = machine({"hostname": Answer(0, "s\n")}), machine(name="agent")
    text = (
        "start_all()\n"
        "with subtest('names'):\n"
        "    assert server.succeed('hostname') == 's\\n'\n"
        "for each in machines:\n"
        "    each.succeed('true')\n"
        "exit(0)\n"
    )
    ran(tmp_path, text, server=server, server1=server, agent=agent)
    assert [command for command, _ in server.shell.asked] == ["hostname", "true"]
    assert [command for command, _ in agent.shell.asked] == ["true"]


def test_one_machine_is_also_called_machine(tmp_path: Path) -> None:
    ran(tmp_path, "assert machine is server")


def test_what_happens_is_told(tmp_path: Path) -> None:
    events: list[Event] = []
    fake = Machine("server", FakeShell(), Deadline(9), events.append)
    given = script(tmp_path, "with subtest('one'):\n    server.succeed('true')\n")
    driver.run(given, {"server": fake}, events.append)
    told = [(e.subject, e.message) for e in events if e.status is Status.DONE]
    assert told == [
        ("server", "must succeed: true"),
        ("", "subtest: one"),
        ("", "run testScript"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "server.succeed('true')\n\nserver.succeed('false')\n",
            "testScript, line 3: server: command `false` failed with exit code 1\n"
            "  3: server.succeed('false')\n  $ false\n  so it is",
        ),
        (
            "def check():\n    agent.succeed('true')\ncheck()\n",
            "testScript, line 2: NameError: name 'agent' is not defined\n"
            "  2: agent.succeed('true')\n-> machines here: server",
        ),
        (
            "assert 1 == 2, 'no'",
            "testScript, line 1: AssertionError: no\n  1: assert 1 == 2, 'no'",
        ),
        ("assert False", "testScript, line 1: AssertionError\n  1: assert False"),
        (
            "server.reboot()",
            "testScript, line 1: AttributeError: 'Machine' object has no attribute 'reboot'\n"
            "  1: server.reboot()",
        ),
        ("exit(2)", "testScript, line 1: it ended itself with 2\n  1: exit(2)"),
    ],
)
def test_scripts_that_fail(tmp_path: Path, text: str, told: str) -> None:
    server = machine({"false": Answer(1, "so it is\n")})
    assert error(lambda: ran(tmp_path, text, server=server)) == told


def test_a_script_that_is_not_python(tmp_path: Path) -> None:
    assert error(lambda: script(tmp_path, "start_all()\nserver.succeed('true'\n")) == (
        "testScript, line 2: not Python: '(' was never closed\n  2: server.succeed('true'"
    )


def test_a_composition_without_a_script(tmp_path: Path) -> None:
    told = (
        "composition composition has no testScript\n"
        "-> add one to the composition, beside roles; or run another with --script"
    )
    assert error(lambda: script(tmp_path, "\n")) == told
    assert error(lambda: driver.of(artifacts("server"))) == told


def test_a_script_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as raised:
        driver.of(made_of(tmp_path / "none"))
    assert str(raised.value) == (
        f"test script {tmp_path}/none cannot be read: no such file or directory"
    )
    (tmp_path / "latin").write_bytes(b"# caf\xe9")
    with pytest.raises(ArtifactError) as raised:
        driver.from_file(tmp_path / "latin")
    assert str(raised.value) == f"test script {tmp_path}/latin: not UTF-8 text (byte 5)"


def test_interrupts_pass_through(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        ran(tmp_path, "raise KeyboardInterrupt")
