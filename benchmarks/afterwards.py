"""EnOSlib on the machines of this package, beside the same machines given by hand."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import enoslib as en
from enoslib.errors import EnosError

from benchmarks.benchmark import Benchmark
from benchmarks.judge import Goal, ratio
from benchmarks.lab import ours, plain
from benchmarks.measure import FLOOR, OURS, Contestant, MeasureError, Trial
from enoslib_nxc.ssh import Access

JOB = "benchmark-afterwards"

STATIC = "en.Static"

COLD, AGAIN, PLAY = "command s", "command again s", "play s"

TIMEOUT = 60.0
"""Seconds for a connection to end."""

TASKS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("command", {"cmd": "true"}),
    ("copy", {"content": "port = 1\n", "dest": "/tmp/nxc-benchmark.conf"}),  # noqa: S108
    ("lineinfile", {"path": "/tmp/nxc-benchmark.conf", "line": "size = 2"}),  # noqa: S108
    ("file", {"path": "/tmp/nxc-benchmark", "state": "directory"}),  # noqa: S108
    ("shell", {"cmd": "grep -c = /tmp/nxc-benchmark.conf"}),
)
"""The play: Ansible's modules and their arguments."""


@contextmanager
def contestants(trial: Trial) -> Iterator[Sequence[Contestant]]:
    """Deploy machines for each size, which all contestants use."""
    with ExitStack() as ends:
        sockets = ends.enter_context(_sockets(trial.directory / "cp"))
        given, by_hand, doors = {}, {}, {}
        for size in trial.sizes:
            made = ours.provider(f"{JOB}-{size}", {"agent": size})
            ends.callback(ours.destroy, made)
            roles, _ = made.init()
            given[size] = roles["agent"]
            doors[size] = plain.doors(f"{JOB}-{size}")
            by_hand[size] = _static(doors[size])
        with en.config_context(ansible_stdout="noop"):
            yield [
                Contestant(FLOOR, lambda size: {COLD: plain.seconds(doors[size])}),
                Contestant(STATIC, _asked(by_hand, sockets, trial)),
                Contestant(OURS, _asked(given, sockets, trial)),
            ]


def _asked(
    hosts: Mapping[int, Sequence[en.Host]], sockets: Path, trial: Trial
) -> Callable[[int], Mapping[str, float]]:
    """Return what has EnOSlib work on hosts; Ansible is imported and has run before."""
    if not trial.smoke:
        for chosen in hosts.values():
            _command(chosen)

    def run(size: int) -> Mapping[str, float]:
        _end(sockets)
        chosen = hosts[size]
        if trial.smoke:
            return {COLD: _command(chosen), PLAY: _play(chosen, TASKS[:1])}
        return {COLD: _command(chosen), AGAIN: _command(chosen), PLAY: _play(chosen, TASKS)}

    return run


def _command(hosts: Sequence[en.Host]) -> float:
    """Return what one command on all hosts takes."""
    return _seconds(hosts, 1, lambda: en.run_command("true", roles=hosts))


def _play(hosts: Sequence[en.Host], tasks: Sequence[tuple[str, Mapping[str, str]]]) -> float:
    """Return what a play on all hosts takes."""

    def play() -> en.Results:
        with en.actions(roles=hosts) as actions:
            for module, arguments in tasks:
                getattr(actions, module)(**arguments)
        return actions.results

    return _seconds(hosts, len(tasks), play)


def _seconds(hosts: Sequence[en.Host], tasks: int, work: Callable[[], en.Results]) -> float:
    """Return the seconds of some work, once it is known that all of it was done."""
    began = time.monotonic()
    try:
        results = work()
    except EnosError as error:
        raise MeasureError(str(error) or type(error).__name__) from error
    seconds = time.monotonic() - began
    done = sum(result.ok() for result in results)
    if done != tasks * len(hosts):
        raise MeasureError(f"{done} of {tasks * len(hosts)} tasks were done")
    return seconds


def _static(doors: Sequence[Access]) -> list[en.Host]:
    """Return EnOSlib's hosts for machines that somebody has written down."""
    machines = [
        {
            "alias": door.name,
            "address": door.address,
            "port": door.port,
            "user": door.user,
            "keyfile": str(door.key),
            "roles": ["all"],
        }
        for door in doors
    ]
    resources = {"machines": machines, "networks": []}
    conf = en.StaticConf.from_dictionary({"resources": resources})
    roles, _ = en.Static(conf).init()
    return list(roles["all"])


@contextmanager
def _sockets(directory: Path) -> Iterator[Path]:
    """Have Ansible keep its shared connections apart from the user's; end them."""
    name = "ANSIBLE_SSH_CONTROL_PATH_DIR"
    before = os.environ.get(name)
    os.environ[name] = str(directory)
    try:
        yield directory
    finally:
        _end(directory)
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _end(sockets: Path) -> None:
    """End the connections that Ansible left open: what comes next is the first."""
    for socket in sockets.glob("*"):
        words = ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "host"]
        subprocess.run(words, capture_output=True, timeout=TIMEOUT)


BENCHMARK = Benchmark(
    name="afterwards",
    title="EnOSlib afterwards",
    text="""Machines of flavour `vm-ramdisk` that are up, 384 MiB each, and EnOSlib on them, in
one process in which Ansible has run before: one command (`en.run_command("true")`) with no
connection open, the same again, and a play of five tasks (command, copy, lineinfile, file,
shell) in `en.actions`. From the call until EnOSlib has all results, which are checked.

- *enoslib-nxc*: hosts as `init()` returned them. They know their interpreter, modules go
  through the connection without a file on the way, host keys are checked.
- *en.Static*: the very same machines given by hand: address, port, user, key; EnOSlib's
  and Ansible's defaults otherwise. Host keys are not checked.
- *floor*: `ssh HOST true`, one to each machine side by side, host keys checked.

Both have 5 forks, EnOSlib's default; connections that Ansible left open are ended before
the first command of each round, for both.
""",
    varies="machines",
    sizes=(1, 4),
    smoke=(1,),
    open=contestants,
    goals=(
        *(
            Goal(f"first command on {size}, over en.Static", ratio(STATIC, size, COLD), 0.6)
            for size in (1, 4)
        ),
        *(
            Goal(
                f"play of five tasks on {size}, over en.Static", ratio(STATIC, size, PLAY), 0.6
            )
            for size in (1, 4)
        ),
    ),
    needs=(("vde_switch", "vde2"), ("qemu-system-x86_64", "qemu-system-x86")),
)
