"""Virtual machines started by the very commands of a deployment, and by nothing else."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.lab.answers import Door
from benchmarks.measure import MeasureError
from enoslib_nxc import procs, state
from enoslib_nxc.boots.computer import QEMU
from enoslib_nxc.built import Artifacts
from enoslib_nxc.platforms.local import switch_socket
from enoslib_nxc.provider import NixOSCompose

TIMEOUT = 60.0
"""Seconds for QEMU to detach, or to end."""


@dataclass(frozen=True)
class Guests:
    """What starts the machines of a deployment.

    Args:
        token: in all command lines.
        run: directory of the switch's socket.
        key: private key that the machines trust.
        switch: command line of the switch.
        commands: those of QEMU, one for each machine.
        doors: how the machines are reached.
        artifacts: what they are built from.
    """

    token: str
    run: Path
    key: Path
    switch: Sequence[str]
    commands: Sequence[Sequence[str]]
    doors: Sequence[Door]
    artifacts: Artifacts


def of(made: NixOSCompose, directory: Path) -> Guests:
    """Take what started a deployment that runs, with files of its own to start it anew.

    Args:
        made: the deployment, which is destroyed before the guests are started.
        directory: for copies of its files; it is made.
    """
    home, record = state.find(made.settings.job_name), made.deployment
    if home is None or record is None:
        raise MeasureError("the deployment has no record")
    shutil.copytree(home.path, directory / "home")
    places = {
        str(home.path): str(directory / "home"),
        str(switch_socket(record.token).parent): str(directory),
    }
    found = [_moved(process.cmdline(), places) for process in procs.tagged(record.token)]
    machines = record.machines.values()
    return Guests(
        token=record.token,
        run=directory,
        key=directory / "home" / home.key.relative_to(home.path),
        switch=next(words for words in found if _is(words, "vde_switch")),
        commands=[words for words in found if _is(words, QEMU)],
        doors=[Door(m.host, m.host.rstrip("0123456789"), m.ssh_port) for m in machines],
        artifacts=record.artifacts,
    )


def _is(words: Sequence[str], program: str) -> bool:
    return Path(words[0]).name == program


def _moved(words: Sequence[str], places: dict[str, str]) -> list[str]:
    for before, after in places.items():
        words = [word.replace(before, after) for word in words]
    return list(words)


@contextmanager
def switch(guests: Guests) -> Iterator[None]:
    """Have the switch of the guests; in the end, end all of them."""
    try:
        # daemons hold what they inherit: nothing may be a pipe that somebody reads
        subprocess.run(
            guests.switch,
            check=True,
            timeout=TIMEOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        yield
    finally:
        left = procs.end(_processes(guests), TIMEOUT)
        shutil.rmtree(guests.run / "switch", ignore_errors=True)
        if left:
            raise MeasureError(f"QEMU does not end: {left}")


def start(guests: Guests) -> None:
    """Start all guests side by side, each until its QEMU has detached."""
    started = [
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for words in guests.commands
    ]
    try:
        for process in started:
            if status := process.wait(TIMEOUT):
                raise MeasureError(f"QEMU ended with status {status}")
    except BaseException:
        for process in started:
            process.kill()
            process.wait()
        raise


def _processes(guests: Guests) -> list[psutil.Process]:
    tagged = procs.tagged(guests.token)
    return tagged + [p for p in procs.tagged(f"{guests.run}/switch") if p not in tagged]
