"""`enoslib-nxc rehearse`: the command, and the program that it runs."""

from __future__ import annotations

import sys
import threading
import time

import pytest
from click.testing import CliRunner

from enoslib_nxc import children, cli, shell
from enoslib_nxc.errors import DeadlineError, ToolMissingError

PYTHON = [sys.executable, "-c"]


def test_a_program_has_our_terminal_and_its_own_environment(capfd):
    text = "import os; print(os.environ['HOME']); raise SystemExit(7)"
    assert shell.foreground([*PYTHON, text], env={"HOME": "/nowhere"}, timeout=30) == 7
    assert capfd.readouterr().out == "/nowhere\n"


def test_a_program_that_is_not_there():
    with pytest.raises(ToolMissingError, match=r"^no-such-program is not installed$"):
        shell.foreground(["no-such-program"], env={}, timeout=30)


def test_a_program_that_does_not_end():
    started = time.monotonic()
    with pytest.raises(DeadlineError, match=r"did not end within 0\.5 s$"):
        shell.foreground([*PYTHON, "import time; time.sleep(60)"], env={}, timeout=0.5)
    assert time.monotonic() - started < 10


def test_what_runs_beside_is_not_ended_with_a_step():
    done = []
    thread = threading.Thread(
        target=lambda: done.append(shell.beside(["sleep", "1"], timeout=30).returncode)
    )
    thread.start()
    time.sleep(0.3)
    children.end_all()
    thread.join()
    assert done == [0]


def test_what_cannot_be_rehearsed(tmp_path):
    conf = tmp_path / "conf.yaml"
    conf.write_text("roles: {server: 1}\n")
    result = CliRunner().invoke(cli.main, ["rehearse", str(conf)])
    assert result.exit_code == 1
    assert result.output == (
        f"error: {conf}: flavour vm-ramdisk does not run on Grid'5000\n"
        "-> rehearse g5k-ramdisk, g5k-nfs-store or g5k-image\n"
    )


@pytest.mark.full
def test_a_configuration_from_reservation_to_its_end(tmp_path, capfd):
    conf = tmp_path / "conf.yaml"
    conf.write_text("flavour: g5k-ramdisk\nroles: {server: 1}\ng5k: {cluster: chiclet}\n")
    result = CliRunner().invoke(cli.main, ["rehearse", str(conf), "--memory", "768"])
    assert result.exit_code == 0, result.output
    out = capfd.readouterr().out
    assert "server\tchiclet-1.lille.grid5000.fr\n" in out
    assert "nxc\t172.16.32.0/20" in out
