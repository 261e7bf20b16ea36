"""`enoslib-nxc plan` and `enoslib-nxc test`, on one pair of virtual machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from enoslib_nxc import driver, reach, standing, state
from enoslib_nxc.errors import ScriptError
from enoslib_nxc.events import silent
from enoslib_nxc.rehearsal.server import Rehearsal
from enoslib_nxc.rehearsal.site import read_site
from enoslib_nxc.wait import Deadline
from tests.system import lab
from tests.system.test_cli import command

JOB = "plan-and-test"


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("conf") / "conf.yaml"
    file.write_text(
        f"job_name: {JOB}\nprogress: plain\nroles: {{server: 1, agent: 1}}\n"
        f"vm: {{memory: {lab.MEMORY}}}\n"
    )
    return file


@pytest.fixture(scope="module")
def tested(conf: Path) -> Iterator[str]:
    """Bring the pair up by the composition's own test; return what that said."""
    done = command("test", str(conf), "--keep")
    try:
        assert (done.returncode, done.stdout) == (0, "test script passed\n"), done.stderr
        yield done.stderr
    finally:
        standing.destroy(JOB, silent, 60)


def fates(conf: Path) -> list[str]:
    done = command("plan", str(conf), "--json")
    assert done.returncode == 0, done.stderr
    return [f"{each['host']} {each['then']}" for each in json.loads(done.stdout)["hosts"]]


def test_a_plan_does_nothing(conf):
    done = command("plan", str(conf))
    assert (done.returncode, done.stderr) == (0, "")
    assert "server  server      192.168.1.1  this computer" in done.stdout
    assert fates(conf) == ["server boot", "agent boot"]
    assert state.find(JOB) is None
    assert lab.ours(JOB) == []


def test_the_composition_s_own_script(tested):
    assert "agent: must succeed: iperf3 --client server" in tested
    assert "done in" in tested.splitlines()[-1]


def test_what_a_plan_says_comes_true(conf, tested):
    assert fates(conf) == ["server keep", "agent keep"]
    home = state.find(JOB)
    addresses = [machine.address for machine in home.load().machines.values()]
    told = json.loads(command("plan", str(conf), "--json").stdout)
    assert [each["address"] for each in told["hosts"]] == addresses
    assert told["builds"][0]["state"] == "built already"


def test_a_script_that_fails_leaves_what_was_there(conf, tested, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("start_all()\nagent.succeed('echo out; echo err >&2; false | cat')\n")
    done = command("test", str(conf), "--script", str(script))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr[done.stderr.index("error: ") :] == (
        f"error: {script}, line 2: agent: command `echo out; echo err >&2; false | cat` failed "
        "with exit code 1\n"
        "  2: agent.succeed('echo out; echo err >&2; false | cat')\n"
        "  $ echo out; echo err >&2; false | cat\n  out\n  err\n"
    )
    assert fates(conf) == ["server keep", "agent keep"]


def test_a_plan_on_grid5000_reserves_nothing(conf, tmp_path, monkeypatch):
    site = read_site({"site": "lille", "cluster": "chiclet", "nodes": 2})
    monkeypatch.setenv("HOME", str(tmp_path))
    with Rehearsal([site], tmp_path) as rehearsal:
        own = tmp_path / "conf.yaml"
        own.write_text(conf.read_text().replace(JOB, "far") + "g5k: {cluster: chiclet}\n")
        done = command("plan", str(own), "--flavour", "g5k-image")
        assert (done.returncode, done.stderr) == (0, "")
        assert "server: 1 of chiclet (lille)" in done.stdout
        assert [job for s in rehearsal.sites.values() for job in s.scheduler.jobs()] == []
        own.write_text(own.read_text().replace("chiclet", "chicklet"))
        done = command("plan", str(own), "--flavour", "g5k-image")
        assert done.returncode == 1
        assert done.stderr.startswith(
            'error: g5k.cluster: Grid\'5000 has no cluster "chicklet"\n-> did you mean chiclet?'
        )


@pytest.fixture
def run(tested, tmp_path):
    """Return how to run the text of a script on the pair."""
    home = state.find(JOB)
    record = home.load()
    machines = {
        host: driver.Machine(
            host, driver.Remote(reach.access(record, home, host)), Deadline(120)
        )
        for host in record.machines
    }

    def run(text: str) -> str:
        file = tmp_path / "own.py"
        file.write_text(text)
        try:
            driver.run(driver.from_file(file), machines, silent)
        except ScriptError as error:
            return str(error).replace(str(file), "own.py")
        return "passed"

    return run


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "server.succeed('echo begun; sleep 30', timeout=2)",
            "own.py, line 1: server: command `echo begun; sleep 30` did not end within 2 s\n"
            "  1: server.succeed('echo begun; sleep 30', timeout=2)\n"
            "  $ echo begun; sleep 30\n  begun",
        ),
        (
            "server.wait_for_unit('nothing.service')",
            "own.py, line 1: server: there is no unit nothing.service\n"
            "  1: server.wait_for_unit('nothing.service')",
        ),
        (
            "agent.wait_for_open_port(9, timeout=2)",
            "own.py, line 1: agent: waited 2 s in vain: TCP port 9 of localhost is open\n"
            "  1: agent.wait_for_open_port(9, timeout=2)\n"
            "  at last: bash: connect: Connection refused\n"
            "  bash: line 1: /dev/tcp/localhost/9: Connection refused",
        ),
    ],
)
def test_calls_that_fail(run, text, told):
    assert run(text) == told


@pytest.mark.full
def test_the_calls(run, tmp_path):
    (tmp_path / "files" / "inner").mkdir(parents=True)
    (tmp_path / "files" / "inner" / "name with blank").write_text("content\n")
    text = f"""
        assert agent.execute("echo out; echo err >&2; exit 3") == (3, "out\\n")
        assert agent.succeed("printf a", "printf b") == "ab"
        agent.fail("false", "exit 255")
        agent.wait_for_open_port(5201, "server")
        agent.wait_for_closed_port(5201)
        agent.copy_from_host("{tmp_path}/files", "/root/new/copy")
        assert agent.succeed("cat '/root/new/copy/inner/name with blank'") == "content\\n"
        agent.succeed("systemd-run --unit broken false")
        agent.wait_until_succeeds("systemctl is-failed broken", timeout=60)
        server.require_unit_state("iperf3")
        assert server.systemctl("is-active iperf3") == (0, "active\\n")
    """
    assert run("\n".join(line.strip() for line in text.splitlines())) == "passed"
    told = run("agent.wait_for_unit('broken')")
    assert told.startswith("own.py, line 1: agent: unit broken failed\n")
    assert "Active: failed (Result: exit-code)" in told


def test_scripts_are_checked_before_anything_starts(conf, tmp_path):
    flake = lab.copy_of_embedded(tmp_path / "flake")
    composition = flake / "composition.nix"
    text = composition.read_text()
    composition.write_text(text[: text.index("  testScript")] + "}\n")
    other = conf.read_text().replace(JOB, "no-script") + f"composition: path:{flake}\n"
    own = tmp_path / "conf.yaml"
    own.write_text(other)
    done = command("test", str(own))
    assert done.returncode == 1
    assert done.stderr.endswith(
        "error: composition composition has no testScript\n"
        "-> add one to the composition, beside roles; or run another with --script\n"
    )
    assert " acquire " not in done.stderr
    script = tmp_path / "script.py"
    script.write_text("start_all()\nserver.succeed('true'\n")
    done = command("test", str(own), "--script", str(script))
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"error: {script}, line 2: not Python: '(' was never closed\n"
        "  2: server.succeed('true'\n"
    )
    assert state.find("no-script") is None
