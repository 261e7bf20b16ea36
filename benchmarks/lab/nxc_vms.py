"""Virtual machines that `nxc start` starts, until they answer."""

from __future__ import annotations

import base64
import json
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.lab import answers, ours
from benchmarks.lab.answers import Door
from benchmarks.lab.guests import Guests
from benchmarks.lab.nxc_project import Project
from benchmarks.measure import MeasureError

PORT = 22021
"""nxc forwards ports from the next one on."""

TIMEOUT = 180.0
"""Seconds until machines are given up."""


def project(directory: Path, guests: Guests) -> Project:
    """Make a project whose machines have the hardware of those of a deployment.

    Where these are emulated, so are those of nxc: a script of the artifacts takes KVM first,
    which hangs where it is there and does not work.
    """
    made = Project(directory, guests.artifacts)
    words = list(guests.commands[0])
    same = [
        each for option in ("-machine", "-accel", "-cpu", "-smp") for each in _of(words, option)
    ]
    made.program(
        "qemu", f'shift 4 # -accel kvm -accel tcg\nexec {shlex.join([words[0], *same])} "$@"'
    )
    return made


def _of(words: Sequence[str], option: str) -> list[str]:
    place = words.index(option)
    return [option, words[place + 1]]


def doors(machines: int) -> list[Door]:
    """Return how the machines are reached: nxc numbers them in the order of the roles."""
    found = sorted(ours.hosts(machines).items(), key=lambda pair: pair[1])
    return [Door(host, role, PORT + n) for n, (host, role) in enumerate(found, 1)]


def seconds(made: Project, machines: int, **environment: str) -> float:
    """Return how long it takes `nxc start` until all machines answer under their roles.

    Raises:
        MeasureError: they do not.
    """
    began = time.monotonic()
    with started(made, machines, **environment):
        return time.monotonic() - began


@contextmanager
def started(made: Project, machines: int, **environment: str) -> Iterator[list[Door]]:
    """Run `nxc start` until all machines answer under their roles; in the end, end them.

    Yields:
        How they are reached.

    Raises:
        MeasureError: they do not answer.
    """
    wanted = doors(machines)
    if taken := [door.port for door in wanted if answers.listens(door)]:
        raise MeasureError(f"the ports that nxc uses are taken here: {taken}")
    composition = f"{made.artifacts.composition}::{made.artifacts.flavour}"
    words = ["start", "-C", composition]
    for role in sorted(made.artifacts.roles):
        names = [door.host for door in wanted if door.role == role]
        words += ["-r", f"{role}={','.join(names) or '0'}"]
    with made.running(*words, environment={**_given(made), **environment}) as process:
        answers.until_all(wanted, made.key, TIMEOUT, lambda: made.failed(process))
        yield wanted


def _given(made: Project) -> Mapping[str, str]:
    """Return what the script of the artifacts takes from its environment."""
    return {
        "INITRD": str(made.artifacts.store.real(made.artifacts.initrd)),
        "MEM": str(ours.MEMORY),
        "QEMU": str(made.directory / "bin" / "qemu"),
    }


def told(made: Project, machines: int) -> str:
    """Return the kernel parameter with all that stage 1 needs, as a user of nxc may give it."""
    text = json.dumps(
        {
            "ssh_key.pub": made.key.with_suffix(".pub").read_text().strip(),
            "deployment": {
                f"192.168.1.{n}": {"role": door.role, "host": door.host}
                for n, door in enumerate(doors(machines), 1)
            },
            "all": {key: made.artifacts.all_info[key] for key in ("kernel", "initrd")},
            "compositions_info_path": made.artifacts.compositions_info_path,
            "composition": made.artifacts.composition,
            "user": "root",
        },
        separators=(",", ":"),
    )
    return "deploy=" + base64.b64encode(text.encode()).decode()
