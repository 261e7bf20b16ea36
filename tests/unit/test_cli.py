"""The command line: what it prints, its exit status, and never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from enoslib_nxc import NixOSComposeConf, cli, debian, nix, standing, state
from enoslib_nxc.debian import LOCK_NAME
from enoslib_nxc.debian.lock import read_lock
from enoslib_nxc.g5k import walltime
from enoslib_nxc.model import Job, Reserved
from enoslib_nxc.nix import NixStore
from enoslib_nxc.version import __version__

from .archive import PINNED, Archive, install, write_flake
from .factory import deployment


@pytest.fixture(autouse=True)
def states(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return state.state_root()


@pytest.fixture
def archive(monkeypatch, tmp_path) -> Archive:
    monkeypatch.setattr(nix, "choose", lambda _build: NixStore())
    return install(monkeypatch, tmp_path / "cache")


@pytest.fixture
def flake(tmp_path) -> Path:
    return write_flake(tmp_path / "flake")


def run(*words: str | Path) -> Result:
    """Run the command line; whatever it raises but SystemExit is a traceback to a user."""
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


def record(states: Path, name: str, text: str = "") -> None:
    (states / name).mkdir(parents=True)
    made = deployment("server", "agent").model_copy(update={"job_name": name})
    (states / name / "deployment.json").write_text(text or made.model_dump_json())


def test_version_and_help():
    assert run("--version").stdout.split()[-1] == __version__
    told = run("-h")
    assert told.exit_code == 0
    assert all(word in told.stdout for word in ("list", "destroy", "lock", "fetch", "schema"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lst"], "lst"),
        (["walltime"], "JOB_NAME"),
        (["lock", "/nowhere"], "'/nowhere' does not exist"),
        (["fetch", ".", "--lockd"], "--lockd"),
    ],
)
def test_wrong_use_is_told_with_status_2(words, told):
    ended = run(*words)
    assert ended.exit_code == 2
    assert ended.stderr.startswith("Usage: ")
    assert told in ended.stderr.splitlines()[-1]


def test_list(states):
    assert (run("list").exit_code, run("list").output) == (0, "")
    record(states, "second")
    record(states, "first")
    ended = run("list")
    assert ended.exit_code == 0
    assert [line.split("\t") for line in ended.stdout.splitlines()] == [
        ["first", "vm-ramdisk", "none up"],
        ["second", "vm-ramdisk", "none up"],
    ]


def test_list_goes_on_after_a_record_that_cannot_be_read(states):
    record(states, "broken", "{")
    record(states, "good")
    ended = run("list")
    assert ended.exit_code == 1
    assert ended.stdout.startswith("good\t")
    assert ended.stderr.startswith("error: the record of deployment broken is damaged or of ")
    assert "-> destroy() it with the version that made it" in ended.stderr


def test_list_of_what_cannot_be_listed(monkeypatch):
    def denied(_path):
        raise PermissionError(13, "Permission denied", "/there")

    monkeypatch.setattr(Path, "is_dir", denied)
    ended = run("list")
    assert ended.exit_code == 1
    assert ended.stderr == "error: [Errno 13] Permission denied: '/there'\n"


def test_destroy_of_nothing():
    ended = run("destroy", "nothing")
    assert ended.exit_code == 1
    assert ended.stdout == ""
    assert ended.stderr == (
        "error: there is no deployment nothing\n-> enoslib-nxc list shows them\n"
    )


def test_destroy_of_what_was_never_recorded(states):
    (states / "unfinished").mkdir(parents=True)
    assert run("destroy", "unfinished").exit_code == 0
    assert not (states / "unfinished").exists()


def test_interrupted(states, monkeypatch):
    def interrupted(*_args):
        raise KeyboardInterrupt

    record(states, "busy")
    monkeypatch.setattr(standing, "destroy", interrupted)
    ended = run("destroy", "busy")
    assert (ended.exit_code, ended.stderr) == (130, "interrupted\n")


def test_schema():
    ended = run("schema")
    assert ended.exit_code == 0
    assert json.loads(ended.stdout) == NixOSComposeConf.json_schema()


def test_lock_adds_a_package(archive, flake):
    archive.versions |= {"cowsay": "3"}
    ended = run("lock", "--add", "cowsay", flake)
    assert (ended.exit_code, ended.stdout) == (0, "cowsay added -> 3\ndool added -> 1.3.8\n")
    assert read_lock(flake / LOCK_NAME).groups["extra"] == ("cowsay", "hello")
    assert run("lock", flake).stdout == "no change\n"


def test_lock_that_cannot_be_read(archive, flake):
    (flake / LOCK_NAME).write_text("[]")
    ended = run("lock", flake)
    assert ended.exit_code == 1
    assert ended.stderr.startswith(f"error: {flake}/{LOCK_NAME} is not a lock file: ")


def test_fetch(archive, flake):
    ended = run("fetch", "--locked", flake)
    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "add 4" in archive.calls
    assert f"all {len(PINNED.sources)} sources are in the store" in run("fetch", flake).stderr


def test_fetch_for_one_flavour(archive, flake):
    groups = {"extra": ("hello",), "kernel-9p": ("bash",)}
    (flake / LOCK_NAME).write_text(PINNED.model_copy(update={"groups": groups}).dump())
    assert run("fetch", "--flavour", "vm-ramdisk", flake).exit_code == 0
    assert "get bash=1" not in archive.calls
    assert run("fetch", "--flavour", "vm", flake).exit_code == 0
    assert "get bash=1" in archive.calls


def test_fetch_of_versions_that_have_gone(archive, flake):
    archive.versions |= {"bash": "2"}
    ended = run("fetch", "--locked", flake)
    assert ended.exit_code == 1
    assert "error: 1 pinned sources are no longer to be had: bash=1\n" in ended.stderr
    assert "Traceback" not in ended.output
    ended = run("fetch", flake)
    assert (ended.exit_code, ended.stdout) == (0, "bash 1 -> 2\n")


def test_fetch_without_lock(archive, tmp_path):
    ended = run("fetch", tmp_path)
    assert ended.exit_code == 1
    assert f"error: cannot read {tmp_path}/{debian.LOCK_NAME}: " in ended.stderr


def test_walltime_shown_and_changed(monkeypatch) -> None:
    job = Job(site="lille", uid=7)
    with state.claim("mine") as home:
        record = deployment("server", state="up").model_copy(update={"jobs": (job,)})
        home.save(record.model_copy(update={"job_name": "mine"}))
    asked = []

    def extend(job: Job, seconds: int) -> walltime.Change:
        asked.append((job, seconds))
        return walltime.Change(job, "1:0:0", "+0:10:0", "+0:20:0")

    monkeypatch.setattr(walltime, "extend", extend)
    monkeypatch.setattr(
        walltime, "remaining", lambda jobs: [walltime.Remaining(jobs[0], 1830, 1782000000)]
    )
    done = run("walltime", "mine", "--extend", "00:30:00")
    assert done.exit_code == 0
    assert asked == [(job, 1800)]
    assert done.stdout.splitlines() == [
        "lille\t7\tgranted +0:10:0, asked 00:30:00",
        "lille\t7\tends 2026-06-21 02:00:00\t30 min left",
    ]
    assert run("walltime", "mine", "--extend", "soon").stderr == (
        "error: soon is no change of walltime\n-> write [-]HH:MM:SS\n"
    )


def test_walltime_without_a_reservation() -> None:
    with state.claim("mine") as home:
        home.save(deployment("server", state="up").model_copy(update={"job_name": "mine"}))
    done = run("walltime", "mine")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: deployment mine has no reservation")


def test_nodes_of_grid5000_are_listed_with_their_hosts() -> None:
    node = Reserved(node="chiclet-1.lille.grid5000.fr", site="lille", job=7)
    with state.claim("mine") as home:
        record = deployment("server", state="up")
        machine = record.machines["server"].model_copy(update={"reserved": node})
        changed = {"job_name": "mine", "machines": {"server": machine}}
        home.save(record.model_copy(update=changed))
    assert run("list").stdout == "mine\tvm-ramdisk\tserver (chiclet-1.lille.grid5000.fr)\n"
