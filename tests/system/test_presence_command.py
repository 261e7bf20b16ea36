"""The script that runs a plain command, by real shells."""

from __future__ import annotations

import shutil
import subprocess
import time
from datetime import datetime

import pytest

from enoslib_nxc.presence import command

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


@pytest.fixture(params=SHELLS)
def run(request, tmp_path):
    def run(raw, *, shell=True):
        text = command.script(raw, "mark", shell=shell)
        argv = [request.param, *(["sh"] if request.param == "busybox" else []), "-c", text]
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(tmp_path)},
        )
        told = {"stdout": done.stdout, "stderr": done.stderr}
        assert list(tmp_path.iterdir()) == []
        return command.result(told, "mark", raw, datetime.now(), datetime.now())

    return run


@pytest.mark.parametrize(
    ("raw", "status", "out", "err"),
    [
        ("echo out; echo err >&2", 0, "out", "err"),
        ("printf 'no end of line'", 0, "no end of line", ""),
        ("exit 255", 255, "", ""),
        ("cat; echo read", 0, "read", ""),
        ('echo "it\'s" \'"$HOME"\' | tr a-z A-Z', 0, 'IT\'S "$HOME"', ""),
        ("kill -9 $$", 137, "", ""),
        ("true", 0, "", ""),
    ],
)
def test_what_is_told(run, raw, status, out, err):
    done = run(raw)
    assert (done["rc"], done["stdout"]) == (status, out)
    assert done["stderr"] == err or status == 137  # some shells say of what it died


def test_nobody_waits_for_what_runs_in_the_background(run):
    began = time.monotonic()
    assert run("sleep 8 & echo on")["stdout"] == "on"
    assert time.monotonic() - began < 5


def test_without_a_shell(run):
    assert run("echo 'a  b' ; *", shell=False)["stdout"] == "a  b ; *"
    assert run("false", shell=False)["rc"] == 1
    assert run("no-such-program", shell=False) is None
