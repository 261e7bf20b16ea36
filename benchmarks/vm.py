"""Deploy, flavour vm-ramdisk: until each machine answers under its own role."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from benchmarks.benchmark import Benchmark
from benchmarks.judge import Goal, ratio
from benchmarks.lab import answers, guests, nxc_vms, ours
from benchmarks.lab.guests import Guests
from benchmarks.measure import FLOOR, OURS, Contestant, Trial

JOB = "benchmark-vm"

CAUSE = (
    "seen in a trace: before QEMU starts, Nix's look at the build, keys and switch take 0.2 s; "
    "when a machine is met, setting up trust is one session more than the floor has: 0.15 s "
    "with one emulated guest, more with several that share the cores. The faster guests boot, "
    "the more these weigh."
)

NXC = "nxc"
TOLD = "nxc, given DEPLOY"

TIMEOUT = 180.0
"""Seconds until the floor's machines are given up."""


@contextmanager
def contestants(trial: Trial) -> Iterator[Sequence[Contestant]]:
    """Build, and deploy once for each size: for warm caches, and for the floor's commands."""
    commands: dict[int, Guests] = {}
    for size in trial.sizes:
        made = ours.provider(JOB, ours.roles(size))
        try:
            made.init()
            commands[size] = guests.of(made, trial.directory / f"floor-{size}")
        finally:
            ours.destroy(made)
    project = nxc_vms.project(trial.directory / "nxc", commands[trial.sizes[0]])

    def told(size: int) -> float:
        return nxc_vms.seconds(project, size, DEPLOY=nxc_vms.told(project, size))

    yield [
        Contestant(FLOOR, _seconds(lambda size: floor(commands[size]))),
        Contestant(OURS, _seconds(lambda n: ours.deploy(ours.provider(JOB, ours.roles(n))))),
        Contestant(TOLD, _seconds(told)),
        Contestant(NXC, _seconds(lambda n: nxc_vms.seconds(project, n)), trial.sizes[:1]),
    ]


def floor(commands: Guests) -> float:
    """Return what the guests take by themselves: QEMU side by side, one login to each."""
    with guests.switch(commands):
        began = time.monotonic()
        guests.start(commands)
        answers.until_all(commands.doors, commands.key, TIMEOUT)
        return time.monotonic() - began


def _seconds(work: Callable[[int], float]) -> Callable[[int], Mapping[str, float]]:
    return lambda size: {"seconds": work(size)}


BENCHMARK = Benchmark(
    name="vm",
    title="Deploy of virtual machines",
    text="""Flavour `vm-ramdisk`, the embedded composition, 384 MiB for each machine, everything
built beforehand; from the call until each machine has answered under its own role over ssh.

- *enoslib-nxc*: the first `init()` of a deployment: Nix's look at an unchanged build, keys,
  switch, QEMU, role, host name, system and parameters compared with what was planned, host
  keys pinned, names, a key by which machines reach each other.
- *floor*: the very same commands of QEMU, started side by side with the switch there already;
  then sshd's greeting is waited for and the role read by one ssh to each. Nothing is checked.
- *nxc*: `nxc start` 0.7.11 on the same artifacts, with the same hardware; it does not wait,
  so its machines are asked from outside as the floor's are. It passes `deploy=` as a path,
  which stage 1 of this flavour takes for base64 (its fault; one size is enough to see it).
  Three things are made for it: `INITRD`, which the embedded composition's script wants said,
  an `ssh` with a key, and a QEMU without KVM where KVM does not run guests.
- *nxc, given DEPLOY*: the same with that parameter in its environment, made beforehand.
""",
    varies="machines",
    sizes=(1, 2, 4),
    smoke=(1,),
    open=contestants,
    goals=tuple(
        Goal(
            f"deploy of {size} on QEMU, over the floor",
            ratio(FLOOR, size),
            at_most=1.10,
            cause=CAUSE,
        )
        for size in (1, 2, 4)
    ),
    needs=(("vde_switch", "vde2"), ("qemu-system-x86_64", "qemu-system-x86")),
)
