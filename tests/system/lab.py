"""What the system tests share: providers that are cleaned up, and a look at what is left."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil

import enoslib_nxc
from enoslib_nxc import debian, reach, shell, ssh, state, status
from enoslib_nxc.events import Event
from enoslib_nxc.model import Deployment
from enoslib_nxc.provider import NixOSCompose
from enoslib_nxc.ssh import Access, HostKey

REHEARSAL = "enoslib-nxc-grid-"
"""In the command line of every process of a rehearsed Grid'5000."""

MEMORY = 384
"""MiB that the embedded composition needs; two cores bear several such machines."""


def provider(
    job_name: str, roles: object, *, hosts: object = None, **more: object
) -> NixOSCompose:
    """Return a silent provider on the embedded composition."""
    conf = enoslib_nxc.NixOSComposeConf.from_dictionary(
        {
            "job_name": job_name,
            "progress": "silent",
            "roles": roles,
            "vm": {"memory": MEMORY},
            **more,
        }
    )
    return NixOSCompose(conf, hosts=hosts)  # type: ignore[arg-type]


def access(made: NixOSCompose, host: str) -> Access:
    home = state.find(made.settings.job_name)
    assert home
    record = home.load()
    assert record
    return reach.access(record, home, host)


def boot_ids(made: NixOSCompose) -> dict[str, str]:
    """Ask every machine for its boot_id."""
    assert made.deployment
    return {
        host: status.ask(access(made, host), HostKey.PINNED).boot_id
        for host in made.deployment.machines
    }


def boot_id(made: NixOSCompose, host: str) -> str:
    """Ask one machine for its boot_id."""
    return status.ask(access(made, host), HostKey.PINNED).boot_id


def on(made: NixOSCompose, host: str, command: str) -> str:
    """Run a command on a machine by plain ssh; return its output."""
    words = ssh.argv(access(made, host), "sh", "-c", command)
    return shell.run(words, timeout=60).stdout.strip()


def ours(token: str = "enoslib-nxc") -> list[str]:
    """Return the command lines of running processes of this session's deployments."""
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
            if not line or not Path(line[0]).name.startswith(("qemu-system", "vde_switch")):
                continue
            session = process.environ().get("XDG_STATE_HOME")
        except psutil.Error:
            continue
        if any(REHEARSAL in word for word in line):
            continue  # it runs until the last test has ended
        if session == os.environ["XDG_STATE_HOME"] and any(token in word for word in line):
            found.append(" ".join(line))
    return found


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def assert_nothing_left(job_name: str, token: str, ports: list[int]) -> None:
    """Check that a destroyed deployment left no process, port, lock or file."""
    assert ours(token) == []
    assert state.find(job_name) is None
    assert list(Path("/tmp").glob(f"*{token}*")) == []
    assert [port for port in ports if listens(port)] == []


def assert_all_gone(made: NixOSCompose, record: Deployment) -> None:
    """Check the same by the record that a deployment had."""
    ports = [machine.ssh_port for machine in record.machines.values()]
    assert_nothing_left(made.settings.job_name, record.token, ports)


def python(
    text: str, *, timeout: float = 300, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run Python text in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done


def copy_of_embedded(directory: Path) -> Path:
    """Return a composition of one's own: the embedded one, to be changed by a test."""
    directory.mkdir()
    for name in ("flake.nix", "composition.nix", "setup.toml", debian.LOCK_NAME):
        shutil.copy(debian.EMBEDDED_DIR / name, directory)
    return directory


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something has come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def timed(action: object) -> float:
    """Return the seconds that a call takes."""
    started = time.monotonic()
    action()  # type: ignore[operator]
    return time.monotonic() - started


def point(event: Event) -> str:
    """Return an event as words: "PHASE STATUS", with host and doing for a machine's step."""
    words = [event.phase.value, event.status.value]
    if event.subject:
        words += [event.subject, event.message]
    return " ".join(words)
