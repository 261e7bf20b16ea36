"""Each benchmark, as small as it can be: it goes the whole way and leaves nothing behind."""

from __future__ import annotations

import csv
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.__main__ import NAMES, known
from benchmarks.measure import OURS, Sample, Table
from enoslib_nxc import netns
from tests.system import lab

ROOT = Path(__file__).parents[2]

NEED_ROOT = {"kexec", "scale", "fanout", "again"}
"""Those whose hosts or network are network namespaces."""

FEWER = {
    "vm": ["nxc", "nxc, given DEPLOY"],
    "kexec": ["nxc", "floor, no checks"],
    "cycle": ["EnOSlib, stock image", "enoslib-nxc and execo"],
}
"""Contestants that take long, or are much like others: all of them are a longer test."""

NEVER = {("vm", "nxc")}
"""Contestants that fail, which the page says."""

MARK = "NXC_BENCHMARK_RUN"
"""Variable by which processes of a run are known."""

GONE_SECONDS = 10
"""Within which processes that were told to end have ended."""

SECONDS = 400
"""For one benchmark."""


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks", *words]


def processes(run: str) -> list[str]:
    """Return the command lines of what is left of a run."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == run and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def things() -> set[Path]:
    """Return what a run could leave: files, network namespaces, network interfaces."""
    tmp = Path("/tmp")
    named = [
        *tmp.glob("nxc-benchmark-*"),
        *tmp.glob("enoslib-nxc-*"),
        *tmp.glob("mmdebstrap.*"),
    ]
    return {*named, *netns.DIRECTORY.glob("*"), *Path("/sys/class/net").glob("*")}


@pytest.fixture
def run():
    """Give the mark of a run; see that nothing of it is left."""
    mark, before = secrets.token_hex(8), things()
    yield mark
    end = time.monotonic() + GONE_SECONDS
    while (left := [*processes(mark), *(things() - before)]) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == []


def start(mark: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*words),
        env={**os.environ, MARK: mark},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(child: subprocess.Popen[str]) -> None:
    """End a run that a failed test left, with what it made."""
    if child.poll() is None:
        child.terminate()
        child.wait(60)


def asked(name: str) -> set[tuple[str, str]]:
    """Return the contestants and metrics that a benchmark's goals look at."""
    found = set()

    class Everything(Table):
        def values(
            self, contestant: str, size: int, metric: str = "seconds"
        ) -> dict[int, float]:
            found.add((contestant, metric))
            return {0: 1.0}

    for goal in known(name).goals:
        goal.figures(Everything(()))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_smoke(name, run, tmp_path):
    measure(name, run, tmp_path, FEWER.get(name, []))


@pytest.mark.full
@pytest.mark.parametrize("name", FEWER)
def test_smoke_of_all(name, run, tmp_path):
    measure(name, run, tmp_path, [])


def measure(name, run, tmp_path, without):
    """Run a benchmark, and see that whoever takes part has figures."""
    if name in NEED_ROOT and os.geteuid() != 0:
        pytest.skip("only root makes the network of this benchmark")
    left_out = [word for one in without for word in ("--without", one)]
    child = start(run, name, "--smoke", *left_out, "--output", str(tmp_path))
    try:
        said, _ = child.communicate(timeout=SECONDS)
    finally:
        end(child)
    assert child.returncode == 0, said
    with (tmp_path / f"{name}.csv").open(newline="") as file:
        samples = [Sample.model_validate(row) for row in csv.DictReader(file)]
    measured = {(s.contestant, s.metric) for s in samples if not s.failed and s.value > 0}
    contestants = {s.contestant for s in samples}
    failed = {contestant for contestant in contestants if (name, contestant) in NEVER}
    assert {contestant for contestant, _ in measured} == contestants - failed, said
    assert OURS in contestants or name == "fanout"  # all of its ways are ours
    wanted = {(who, metric) for who, metric in asked(name) if who not in without}
    assert wanted <= measured, said
    assert {file.name for file in tmp_path.iterdir()} == {
        f"{name}.{kind}" for kind in ("csv", "json", "png")
    }


def test_interrupted_while_machines_boot(run):
    child = start(run, "afterwards", "--smoke")
    try:
        lab.until(lambda: any("qemu-system" in words for words in processes(run)), 60)
        assert_ends(child, signal.SIGINT)
    finally:
        end(child)


@pytest.mark.full
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_it_measures(sent, run):
    child = start(run, "afterwards", "--smoke")
    try:
        assert child.stdout
        assert "command s" in child.stdout.readline()
        assert_ends(child, sent)
    finally:
        end(child)


def assert_ends(child: subprocess.Popen[str], sent: signal.Signals) -> None:
    child.send_signal(sent)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 1, said
    assert "Aborted" in said


def test_help():
    began = time.monotonic()
    done = subprocess.run(
        command("--help"), capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0
    assert "--smoke" in done.stdout
    assert time.monotonic() - began < 30
