"""EnOSlib's tutorials with this provider: examples/enoslib, run as their readers would.

All find the deployment that the first of them brought up; the last one ends it.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from enoslib_nxc import standing, state
from enoslib_nxc.events import silent
from tests.system import lab

EXAMPLES = Path(__file__).parents[2] / "examples" / "enoslib"
JOB, EDGE = "enoslib-examples", "enoslib-examples-edge"
CONTROL, COMPUTE = "192.168.1.1", "192.168.1.2"

SLACK = 25
"""Milliseconds that emulated machines on busy cores add to the shortest of ten round trips."""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Return a copy of the examples, where what they write ends up."""
    yield shutil.copytree(EXAMPLES, tmp_path_factory.mktemp("enoslib") / "examples")
    for job in (JOB, EDGE):
        standing.destroy(job, silent, 60)


@pytest.fixture
def run(here):
    """Return how to run an example; it gives the lines of its standard output."""

    def run(*words):
        done = subprocess.run(
            [sys.executable, *words],
            cwd=here,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout.splitlines()

    return run


def round_trips(directory):
    """Return milliseconds by (from, to), as fping measured them (fping(8), -C)."""
    found = {}
    for file in directory.glob("*.fpingout"):
        for line in file.read_text().splitlines():
            target, colon, values = line.partition(" : ")
            if colon:
                found[file.stem, target.strip()] = [float(value) for value in values.split()]
    return found


@pytest.mark.full
def test_three_steps_with_the_delays_that_were_asked_for(run, here):
    run("tasks.py", "up")
    assert (here / "current" / "env").is_file()
    run("tasks.py", "emulate")
    run("tasks.py", "validate")
    measured = round_trips(here / "_tmp_enos_")
    assert {pair: len(values) for pair, values in measured.items()} == {
        (host, target): 10 for host in ("control", "compute") for target in (CONTROL, COMPUTE)
    }
    for pair in (("control", COMPUTE), ("compute", CONTROL)):
        assert 40 <= min(measured[pair]) < 40 + SLACK  # 20 ms there, 20 ms back
        assert median(measured[pair]) < 2 * 40
    for pair in (("control", CONTROL), ("compute", COMPUTE)):
        assert min(measured[pair]) < 20  # to itself: nothing is emulated there
    print({pair: min(values) for pair, values in measured.items()})


@pytest.mark.full
def test_a_playbook(run):
    assert "control hello from control" in run("run_ansible.py")


@pytest.mark.full
def test_commands_and_one_that_nobody_waits_for(run):
    said = run("run_command.py")
    assert {line for line in said if line.startswith("all")} == {
        "all control control",
        "all compute compute",
    }
    assert [line for line in said if line.startswith("list")] == ["list control control"]
    assert [line for line in said if line.startswith("pattern")] == ["pattern compute compute"]
    assert "background compute compute" in said


@pytest.mark.full
def test_processes_known_by_name(run):
    said = run("registry.py")
    states = [line for line in said if line.startswith("sleeper ")]
    assert states == [
        "sleeper compute ALIVE",
        "sleeper control ALIVE",
        "sleeper compute DEAD",
        "sleeper control ALIVE",
    ]
    assert any(line.startswith("walker: 1 windows") for line in said)


def test_hosts_of_execo_and_one_that_shows_another_key(run):
    said = run("with_execo.py")
    size = len((EXAMPLES / "site.yml").read_text().splitlines())
    assert said == ["0 control", "0 compute", f"0 {size} /root/site.yml"]

    home = state.find(JOB)
    kept = home.known_hosts.read_text()
    other = {"control": "compute", "compute": "control"}
    lines = [line.split(" ", 1) for line in kept.splitlines()]
    home.known_hosts.write_text("".join(f"{other[name]} {key}\n" for name, key in lines))
    try:
        done = lab.python(
            f"""
            from execo import Remote
            from enoslib_nxc import state
            from enoslib_nxc.running import RunningDeployment

            running = RunningDeployment.of(state.find({JOB!r}).load())
            hosts = list(running.to_execo()[0].values())
            quiet = dict(nolog_exit_code=True, nolog_error=True)
            for params in (None, running.execo_params()):
                asked = Remote("true", hosts, connection_params=params, process_args=quiet)
                print(*[process.ok for process in asked.run().processes])
            print(*[process.stderr for process in asked.processes])
            """
        )
    finally:
        home.known_hosts.write_text(kept)
    assert done.stdout.splitlines()[:2] == ["True True", "False False"]
    assert done.stdout.count("Host key verification failed") == 2


@pytest.mark.full
def test_what_is_known_of_machines(run):
    said = run("sync_info.py")
    before, after = (line for line in said if line.startswith("control eth1"))
    assert f"{CONTROL}/24" in before
    assert "192.168.1.254/24" not in before
    assert f"{CONTROL}/24 192.168.1.254/24" in after
    assert "Processor" in before


@pytest.mark.full
def test_a_star_of_delays(run, here):
    run("netem.py")
    for pair in (("control", COMPUTE), ("compute", CONTROL)):
        assert 30 <= min(round_trips(here / "emulated")[pair]) < 30 + SLACK
        assert min(round_trips(here / "as_before")[pair]) < 15


@pytest.mark.full
def test_every_combination_of_parameters_once(run, here):
    run("sweep.py")
    rows = list(csv.reader((here / "sweep.csv").open()))
    found = {row[0]: float(row[2]) for row in rows}
    assert len(rows) == len(found) == 2
    assert 10 <= found["delay 10ms"] < 10 + SLACK
    assert 40 <= found["delay 40ms"] < 40 + SLACK
    run("sweep.py")
    assert list(csv.reader((here / "sweep.csv").open())) == rows


@pytest.mark.full
def test_a_planning(run):
    said = [line for line in run("planning.py") if line.startswith("sleeper ")]
    assert sorted(said[:2]) == ["sleeper compute ALIVE", "sleeper control ALIVE"]
    assert sorted(said[2:]) == ["sleeper compute DEAD", "sleeper control ALIVE"]


@pytest.mark.full
def test_two_providers(run):
    said = run("multi_provider.py")
    assert "cloud: control (192.168.1.1), compute (192.168.1.2) in 192.168.1.0/24" in said, said
    assert "edge: edge (192.168.2.1) in 192.168.2.0/24" in said
    for name in ("control", "compute", "edge"):
        assert f"{name} {name} {name}" in said
    assert state.find(JOB) is None
    assert state.find(EDGE) is None


@pytest.mark.full
def test_the_last_step_gives_the_machines_back(run, here):
    if not (here / "current").exists():  # run without the first
        run("tasks.py", "up")
    run("tasks.py", "destroy")
    assert state.find(JOB) is None
    assert lab.ours() == []
