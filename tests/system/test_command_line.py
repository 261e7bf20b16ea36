"""The command line as a user goes through an experiment with it: one deployment, in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from enoslib_nxc import NixOSComposeConf, shell, state
from tests.system import lab

FLAVOUR = "nspawn" if os.getuid() == 0 else "vm-ramdisk"
HOSTS = ("server", "agent1", "agent2")
PROGRAM = "from enoslib_nxc.cli import main; main(prog_name='enoslib-nxc')"

TASKS = """
    import sys
    import enoslib as en

    @en.enostask()
    def emulate(env=None):
        roles, networks = env["roles"], env["networks"]
        with env["provider"].phase("emulate", nodes=roles["agent"]):
            results = en.run_command("hostname", roles=roles["agent"])
        env["names"] = sorted(result.stdout for result in results)
        env["network"] = str(networks["nxc"][0].network)

    @en.enostask()
    def validate(env=None):
        assert env["provider"].is_created()
        assert env["conf"].settings.job_name == env["config"]["job_name"]
        print(env["names"], env["network"], len(env["roles"]["clients"]))

    {"emulate": emulate, "validate": validate}[sys.argv[1]]()
"""
"""A user's own module, which says nothing of where the machines come from."""


def command(
    *words: str | Path, cwd: Path, status: int = 0, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a directory, and see to its exit status."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **(env or {})},
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == status, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project as `init` writes it, and its deployment."""
    top = tmp_path_factory.mktemp("user")
    written = command("init", "exp.1", cwd=top).stdout.split()
    directory = top / "exp.1"
    assert {Path(path).name for path in written} >= {"conf.yaml", "experiment.py", "flake.nix"}
    told = command("plan", "conf.yaml", "--flavour", FLAVOUR, cwd=directory).stdout
    assert told.startswith("deployment exp.1\n")
    done = command("up", "conf.yaml", "--flavour", FLAVOUR, cwd=directory)
    environment = (directory / "current").resolve()
    assert done.stdout == f"exp.1 is up; environment {environment}\n"
    try:
        yield directory
    finally:
        command("destroy", "-q", "exp.1", cwd=directory, status=0 if state.find("exp.1") else 1)


def test_nothing_is_overwritten(project):
    before = (project / "conf.yaml").read_text()
    done = command("init", cwd=project, status=1)
    assert done.stderr.startswith("error: conf.yaml, experiment.py, composition/")
    assert "there already, and not overwritten" in done.stderr
    assert (project / "conf.yaml").read_text() == before


def test_up_again_does_nothing(project):
    environment = (project / "current").resolve()
    done = command("up", "conf.yaml", "--flavour", FLAVOUR, cwd=project)
    assert "all 3 machines run what they should" in done.stderr
    assert (project / "current").resolve() == environment
    again = command("up", "-q", "conf.yaml", "--flavour", FLAVOUR, cwd=project)
    assert again.stderr == ""
    command("plan", "conf.yaml", "--flavour", FLAVOUR, "--check", cwd=project)


def test_tasks_of_the_user_in_other_processes(project):
    (project / "tasks.py").write_text(textwrap.dedent(TASKS))
    for task in ("emulate", "validate"):
        done = shell.run([sys.executable, "tasks.py", task], cwd=project, timeout=120)
    record = state.Home(state.state_root() / "exp.1").load()
    assert record
    assert done.stdout == f"['agent1', 'agent2'] {record.networks[0]} 2\n"


@pytest.mark.full
def test_the_script_of_the_template(project):
    for task in ("measure", "validate"):
        done = shell.run([sys.executable, "experiment.py", task], cwd=project, timeout=120)
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["agent1", "agent2"]
    assert all(line.endswith(" Mbit/s") for line in lines)


def test_status(project):
    done = command("status", cwd=project)
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == list(HOSTS)
    assert done.stdout.count("as planned") == 3
    told = json.loads(command("status", "--json", cwd=project).stdout)
    assert told["as_planned"]
    assert [(host["host"], host["up"]) for host in told["hosts"]] == [(h, True) for h in HOSTS]


def test_exec(project):
    done = command("exec", "all", "--", "hostname", cwd=project)
    expected = sorted(f"{host:<6} | {host}" for host in HOSTS)
    assert sorted(done.stdout.splitlines()) == expected
    done = command(
        "exec", "agent", "--", "hostname; [ $(hostname) = agent1 ]", cwd=project, status=3
    )
    assert sorted(done.stdout.splitlines()) == ["agent1 | agent1", "agent2 | agent2"]
    assert done.stderr == "agent2 | exit status 1\n"
    done = command("exec", "server", "--", "printf", "%s.", "a b", "$HOME", cwd=project)
    assert done.stdout == "server | a b.$HOME.\n"
    done = command("exec", "--json", "agent1,server", "--", "id -u; echo no >&2", cwd=project)
    told = json.loads(done.stdout)
    assert [(one["host"], one["status"], one["output"], one["errors"]) for one in told] == [
        ("agent1", 0, "0\n", "no\n"),
        ("server", 0, "0\n", "no\n"),
    ]
    done = command(
        "exec", "server", "--timeout", "1", "--", "sleep", "60", cwd=project, status=1
    )
    assert done.stderr == "server | error: it did not end within 1 s\n"
    command("exec", "server", "--", "! pgrep -x sleep", cwd=project)
    done = command("exec", "agnt", "--", "true", cwd=project, status=1)
    assert "no host or role agnt\n-> did you mean agent?" in done.stderr


def test_logs(project):
    done = command("logs", "server", cwd=project)
    assert "nxc-ready server role=server" in done.stdout
    done = command("logs", "-n", "1", cwd=project)
    assert [line for line in done.stdout.splitlines() if line.startswith("==> ")] == [
        f"==> {host} <==" for host in HOSTS
    ]
    home = state.Home(state.state_root() / "exp.1")
    words = [sys.executable, "-c", PROGRAM, "logs", "-f", "server"]
    with subprocess.Popen(words, cwd=project, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        while "nxc-ready" not in following.stdout.readline():
            pass
        with home.console("server").open("a") as console:
            console.write("said later\n")
        assert following.stdout.readline() == "said later\n"
        following.send_signal(signal.SIGINT)
        following.wait(10)


def test_report(project):
    record = state.Home(state.state_root() / "exp.1").load()
    assert record
    told = json.loads(command("report", "--json", cwd=project).stdout)
    (built,) = told["built"]
    assert built["toplevels"] == {
        role: image.toplevel for role, image in record.parts[0].artifacts.roles.items()
    }
    assert {"nix", "enoslib", "enoslib-nxc"} <= set(built["versions"])
    assert len(built["lock_hash"]) == 64
    first, again, *_ = told["calls"]
    assert first["seconds"]["Boot"] > 0
    assert first["seconds"]["Provision"] > 0
    assert again["seconds"]["Boot"] < first["seconds"]["Boot"]
    # it is enough to have the same again
    conf = NixOSComposeConf.from_dictionary(told["configuration"])
    assert conf.settings.flavour == FLAVOUR
    assert set(conf.settings.roles) == {"server", "agent"}
    run = told["runs"][0]
    assert (run["failed"], run["machines"]) == ("", 3)
    assert {step["node"] for step in run["steps"]} == {"", *HOSTS}
    measured = [step["node"] for step in run["steps"] if step["phase"] == "emulate"]
    assert measured == ["agent1", "agent2"]
    assert run["seconds"]["emulate"] > 0
    shown = command("report", cwd=project).stdout
    assert all(host in shown for host in HOSTS)
    assert built["toplevels"]["server"] in shown


def test_connect(project):
    line = command("connect", "agent1", "--print", cwd=project).stdout
    done = shell.run(["sh", "-c", f"{line.strip()} hostname"], timeout=60)
    assert done.stdout.strip() == "agent1"


@pytest.mark.full
def test_connect_to_several_in_a_terminal(project, tmp_path):
    """In a terminal of tmux, a session of its own, with a shell on each machine."""
    private = {"TMUX_TMPDIR": str(tmp_path), "TMUX": ""}

    def tmux(*words: str) -> str:
        # it fails where no session is left: its server has ended
        return shell.run(["tmux", *words], timeout=15, env=private, check=False).stdout

    # not as from within tmux, which would ask a client to switch: none is attached here
    alone = f'exec env -u TMUX {sys.executable} -c "{PROGRAM}" connect agent'
    inner = f"cd {project} && {alone}"
    tmux("new-session", "-d", "-s", "user", "-x", "180", "-y", "50", inner)
    try:
        lab.until(lambda: len(tmux("list-panes", "-a").splitlines()) == 3)
        listed = tmux("list-panes", "-a", "-F", "#{session_name} #{pane_id} #{pane_title}")
        panes = [line.split() for line in listed.splitlines()]
        opened = [(pane, title) for session, pane, title in panes if session != "user"]
        assert len(opened) == 2
        for pane, _ in opened:
            tmux("send-keys", "-t", pane, "echo i-am-$(hostname)", "Enter")
        for pane, host in zip([pane for pane, _ in opened], ("agent1", "agent2"), strict=True):
            lab.until(lambda: f"i-am-{host}" in tmux("capture-pane", "-p", "-t", pane), 30)  # noqa: B023
        for pane, _ in opened:
            tmux("send-keys", "-t", pane, "exit", "Enter")
        lab.until(lambda: not tmux("list-panes", "-a"), 30)
    finally:
        shell.run(["tmux", "kill-server"], timeout=15, env=private, check=False)


def test_completion(project):
    script = command("completion", "bash", cwd=project).stdout
    assert "_ENOSLIB_NXC_COMPLETE=bash_complete" in script
    for words, expected in (
        ("connect ag", ["agent", "agent1", "agent2"]),
        ("up --flavour vm-r", ["vm-ramdisk"]),
    ):
        asked = {
            "_ENOSLIB_NXC_COMPLETE": "bash_complete",
            "COMP_WORDS": f"enoslib-nxc {words}",
            "COMP_CWORD": str(len(words.split())),
        }
        told = command(cwd=project, env=asked).stdout.splitlines()
        assert [line.partition(",")[2] for line in told if line.startswith("plain")] == expected


@pytest.mark.full
def test_one_that_ended(project):
    """It is told; `up` brings it back, and it alone."""
    record = state.Home(state.state_root() / "exp.1").load()
    assert record
    ends = "echo 1 > /proc/sys/kernel/sysrq; echo o > /proc/sysrq-trigger"
    line = "kill -s RTMIN+4 1" if FLAVOUR == "nspawn" else ends
    command("exec", "agent2", "--", f"systemd-run --on-active=1 sh -c '{line}'", cwd=project)

    def down() -> bool:
        words = [sys.executable, "-c", PROGRAM, "status", "--timeout", "5"]
        return shell.run(words, cwd=project, timeout=60, check=False).returncode == 3

    lab.until(down, 60)
    told = json.loads(command("status", "--json", cwd=project, status=3).stdout)
    assert [host["host"] for host in told["hosts"] if not host["up"]] == ["agent2"]
    done = command("up", "conf.yaml", "--flavour", FLAVOUR, cwd=project)
    assert "boot agent2" in done.stderr
    command("status", cwd=project)


def test_ctrl_c_in_the_middle(project, tmp_path):
    """Nothing of it is in the way afterwards."""
    conf = tmp_path / "conf.yaml"
    text = (project / "conf.yaml").read_text().replace("exp.1", "interrupted")
    conf.write_text(text.replace("./composition", str(project / "composition")))
    words = [sys.executable, "-c", PROGRAM, "up", str(conf), "--flavour", FLAVOUR]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as up:
        assert up.stderr
        assert "check" in up.stderr.readline()
        up.send_signal(signal.SIGINT)
        told = up.stderr.read()
        assert up.wait(60) == 130
    assert told.splitlines()[-1] == "interrupted"
    assert "Traceback" not in told
    command("destroy", cwd=tmp_path)
    assert state.find("interrupted") is None


def test_build(project):
    done = command("build", "-q", "conf.yaml", "--flavour", FLAVOUR, cwd=project)
    record = state.Home(state.state_root() / "exp.1").load()
    assert record
    for image in record.parts[0].artifacts.roles.values():
        assert image.toplevel in done.stdout
    assert (project / f"result-{FLAVOUR}").is_symlink()
    assert done.stderr == ""


def test_doctor(project):
    told = json.loads(command("doctor", "--json", "conf.yaml", cwd=project).stdout)
    states = {each["subject"]: each["state"] for each in told["findings"]}
    assert states["flavour vm-ramdisk"] == states["nix"] == "ok"
    hidden = {"PATH": str(project)}
    told = command("doctor", "conf.yaml", cwd=project, env=hidden, status=3).stdout
    assert "missing  flavour vm-ramdisk: " in told
    assert "-> apt-get install " in told


def test_destroy(project):
    """Of the environment: its directory stays, for what tasks left there."""
    environment = (project / "current").resolve()
    (environment / "figures").write_text("1 2 3")
    command("destroy", cwd=project)
    assert state.find("exp.1") is None
    assert (environment / "figures").exists()
    told = json.loads(command("report", "--job", "exp.1", "--json", cwd=project).stdout)
    assert (told["created"], told["hosts"]) == (None, [])
    assert told["runs"][-1]["steps"][-1]["phase"] == "destroy"
    command("report", "--job", "exp.1", "--html", "report.html", cwd=project)
    assert "</html>" in (project / "report.html").read_text()
    command("report", "--job", "exp.1", "--forget", cwd=project)
    command("report", "--job", "exp.1", cwd=project, status=1)
    done = command("destroy", cwd=project, status=1)
    assert done.stderr.startswith(f"error: the environment {environment} has no deployment")
