"""The command line as a shell sees it: a process, its output and its exit status."""

from __future__ import annotations

import subprocess
import sys

from enoslib_nxc.debian import LOCK_NAME
from tests.system import lab


def command(*words: str) -> subprocess.CompletedProcess[str]:
    program = "from enoslib_nxc.cli import main; main(prog_name='enoslib-nxc')"
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def test_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    done = command("list")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = command("destroy", "nothing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: there is no deployment nothing\n-> enoslib-nxc list shows them\n"
    )


def test_wrong_use():
    done = command("fetch")
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: enoslib-nxc fetch ")


def test_a_reader_that_goes_away():
    program = "from enoslib_nxc.cli import main; main(['schema'])"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


def test_fetch_and_a_lock_that_is_none(tmp_path):
    flake = lab.copy_of_embedded(tmp_path / "flake")
    command("fetch", str(flake))
    done = command("fetch", "--locked", str(flake))
    assert (done.returncode, done.stdout) == (0, "")
    assert " sources are in the store" in done.stderr
    (flake / LOCK_NAME).write_text("{}")
    done = command("fetch", "--locked", str(flake))
    assert done.returncode == 1
    assert f"error: {flake}/{LOCK_NAME} is not a lock file: " in done.stderr


def test_without_nix(tmp_path, path_without, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # nor in the profile of a user
    flake = lab.copy_of_embedded(tmp_path / "flake")
    path_without("nix")
    done = command("fetch", str(flake))
    assert done.returncode == 1
    assert done.stderr.startswith("error: nix is not installed; it is needed to build ")
