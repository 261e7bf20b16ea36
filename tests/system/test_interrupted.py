"""What ends `init()` also ends, within seconds, what it started and does not need."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from enoslib_nxc import state
from tests.system import lab

INTERRUPTED = """
    import time
    import signal

    from tests.system import lab

    # a background job of a shell that is no terminal's is born deaf to Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def at(event):
        print(event.phase.value, event.message, event.status.value, flush=True)

    made = lab.provider({job!r}, {{"server": 1}}, **{wish!r})
    init = made.init
    made.init = lambda: init(reporter=at)
    {call}
"""


def interrupt(
    job_name: str,
    at: str,
    when: Callable[[], bool],
    *,
    call: str = "made.init()",
    sig: signal.Signals = signal.SIGINT,
    **wish: object,
) -> tuple[float, str]:
    """End a process that runs `init()`, once something is true after an event.

    Args:
        job_name: its deployment.
        at: the event, "PHASE MESSAGE STATUS".
        when: what is waited for after the event.
        call: what the process does.
        sig: the signal that ends it; Ctrl-C's by default.
        wish: the configuration.

    Returns:
        The seconds until the process ended, and its standard error.
    """
    text = textwrap.dedent(INTERRUPTED.format(job=job_name, wish=wish, call=call))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", text], **pipes) as child:
        for line in child.stdout:
            if line.strip() == at:
                break
        lab.until(when)
        assert child.poll() is None, child.stderr.read()
        below = psutil.Process(child.pid).children(recursive=True)
        child.send_signal(sig)
        started = time.monotonic()
        _out, err = child.communicate(timeout=60)
        took = time.monotonic() - started
    assert child.returncode in (-sig, 128 + sig)
    _gone, alive = psutil.wait_procs(below, timeout=3)
    assert [process.cmdline() for process in alive] == []
    return took, err


def speaks(job_name: str) -> Callable[[], bool]:
    """Return what tells whether the machine has begun to boot."""

    def told() -> bool:
        home = state.find(job_name)
        return home is not None and "Linux" in home.console("server").read_text(
            errors="replace"
        )

    return told


def running(word: str) -> list[str]:
    """Return the names of the processes with a word in their command line or environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(word in text for text in (*process.cmdline(), *process.environ().values())):
                found.append(process.name())
    return found


def test_ctrl_c_while_machines_boot():
    took, err = interrupt("stopped", "boot come up started", speaks("stopped"))
    print(f"ended {took:.1f} s after Ctrl-C")
    assert took < 3
    assert err.splitlines()[-1] == "KeyboardInterrupt"
    made = lab.provider("stopped", {"server": 1})
    record = made.deployment
    assert len(lab.ours(f"enoslib-nxc:{record.token}:server")) == 1
    assert "ssh" not in running(str(state.state_root()))
    made.destroy()
    lab.assert_all_gone(made, record)


def test_ctrl_c_within_with_leaves_nothing():
    before = set(lab.ours())
    took, err = interrupt(
        "left", "boot come up started", speaks("left"), call="with made: pass"
    )
    print(f"ended {took:.1f} s after Ctrl-C")
    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert state.find("left") is None
    assert set(lab.ours()) == before


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_while_nix_builds(tmp_path, sig):
    """Nix and what it started end too."""
    flake = lab.copy_of_embedded(tmp_path / "flake")
    salt = f"salt{time.time_ns()}"
    slow = f"""[ (derivation {{
      name = "{salt}"; system = "x86_64-linux"; builder = "/bin/sh";
      args = [ "-c" "/bin/sleep 60" ];
    }}) ]"""
    file = flake / "composition.nix"
    file.write_text(file.read_text().replace("[ pkgs.iperf3 ]", slow, 1))

    def building() -> bool:
        return "sleep" in running(salt)

    event = "build build the composition started"
    took, err = interrupt("unbuilt", event, building, sig=sig, composition=str(flake))
    assert took < 5
    assert running(salt) == []
    if sig is signal.SIGINT:
        assert err.splitlines()[-1] == "KeyboardInterrupt"
    else:  # it had no time to tidy up: a directory without a record
        lab.provider("unbuilt", {"server": 1}).destroy()
    assert state.find("unbuilt") is None
