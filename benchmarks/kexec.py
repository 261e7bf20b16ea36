"""Deploy by kexec, of machines that run: from the push until each answers as what it should."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.benchmark import Benchmark
from benchmarks.judge import Goal, ratio
from benchmarks.lab import answers, network, nodes, nxc_kexec, ours, push
from benchmarks.lab.nodes import Nodes
from benchmarks.measure import FLOOR, OURS, Contestant, Trial
from enoslib_nxc import artifacts
from enoslib_nxc.built import Artifacts
from enoslib_nxc.events import silent

JOB = "benchmark-kexec"

NXC = "nxc"

QUICK = f"{FLOOR}, no checks"
"""The floor of those who have kexec take no digests, as we do."""

CAUSE = (
    "before anything of a host is changed it is asked whether it can boot the image; what it "
    "fetched is compared with its digest; and it is set up once it is back. All of that is "
    "work for the host's emulated processor: the digests alone take it two seconds."
)

TIMEOUT = 240.0
"""Seconds until the floor's machines are given up."""


@contextmanager
def contestants(trial: Trial) -> Iterator[Sequence[Contestant]]:
    """Build, start as many machines as the largest size has, and serve images to them."""
    most = max(trial.sizes)
    ramdisk, grid = (
        _built(flavour, trial.directory) for flavour in ("vm-ramdisk", "g5k-ramdisk")
    )
    place = trial.directory / "nodes"
    place.mkdir()
    with (
        network.own(most, place),
        nodes.running(most, ramdisk, place) as all_nodes,
        _serving(all_nodes, trial.directory / "served"),
    ):
        project = nxc_kexec.project(trial.directory / "nxc", grid, all_nodes)

        def by_nxc(some: Nodes) -> float:
            nxc_kexec.prepare(some)
            return _timed(lambda: nxc_kexec.deploy(project, some))

        def run(work: Callable[[Nodes], float]) -> Callable[[int], Mapping[str, float]]:
            return lambda size: {"seconds": work(all_nodes.first(size))}

        yield [
            Contestant(FLOOR, run(lambda some: _timed(lambda: floor(some, push.CHECKED)))),
            Contestant(QUICK, run(lambda some: _timed(lambda: floor(some, push.UNCHECKED)))),
            Contestant(OURS, run(_ours)),
            Contestant(NXC, run(by_nxc)),
        ]


def floor(some: Nodes, calls: str) -> None:
    """Do what has to be done, by one ssh to each before the jump, and one after it."""
    push.take(some, calls)
    answers.until_all(some.doors, some.key, TIMEOUT)


def _ours(some: Nodes) -> float:
    made = ours.provider(
        JOB,
        ours.roles(len(some.doors)),
        hosts=some.static(),
        ssh={"key": str(some.key)},
        # destroy() leaves the nodes where they are, as the others do
        kexec={"host_keys": "first-contact", "reboot_on_destroy": False},
    )
    return ours.deploy(made)


def _timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _built(flavour: str, directory: Path) -> Artifacts:
    conf = ours.provider(JOB, {"server": 1}, flavour=flavour)
    return artifacts.obtain(conf.settings, None, silent, keep=directory / f"result-{flavour}")


@contextmanager
def _serving(some: Nodes, directory: Path) -> Iterator[None]:
    words = network.served(directory, some.files)
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet) as server:
        try:
            network.until_served()
            yield
        finally:
            server.terminate()


BENCHMARK = Benchmark(
    name="kexec",
    title="Deploy by kexec",
    text="""Machines run the embedded composition, in memory, on a network with DHCP (guests in
a network namespace of root's, 640 MiB each), and are taken over by kexec with the same image:
from the call until each has answered from another boot, under its own role, over ssh. They
stay where they are for the next contestant. QEMU keeps no more than 64 MiB of translated code:
with its usual cache, writes to pages of systems that ran before take seconds, by chance.

- *enoslib-nxc*: the first `init()` of a deployment with `hosts=en.Static(...)`: Nix's look at
  an unchanged build, a survey of each host, `kexec.push: auto`; checks, trust and names as for
  `vm`.
- *floor*: by one ssh to each, side by side, kernel and initrd are fetched over HTTP, loaded,
  and left for; then sshd's greeting is waited for, and boot_id and role read by one ssh.
- *floor, no checks*: the same with `kexec -c --no-checks`, as this provider calls it: kexec
  takes no digest of what it loads, nor once more when it jumps. By default it takes both, and
  so do the floor and nxc. To be near to this one, too, is a goal of our own.
- *nxc*: kernel and initrd are fetched likewise, then `nxc start` 0.7.11 is called, flavour
  `g5k-ramdisk`; it expects them on a home that all nodes mount. Its machines are asked from
  outside, as the floor's: it takes any open port 22 for success. Two things are made for it:
  a `screen` that runs its command, and an `ssh` that knows the machines' keys.
""",
    varies="machines",
    sizes=(1, 2, 4),
    smoke=(1,),
    open=contestants,
    goals=tuple(
        Goal(f"kexec of {size}, over the {way}", ratio(way, size), at_most=1.10, cause=CAUSE)
        for way in (FLOOR, QUICK)
        for size in (1, 2, 4)
    ),
    needs=(
        ("dnsmasq", "dnsmasq-base"),
        ("nmap", "nmap"),
        ("ip", "iproute2"),
        ("qemu-system-x86_64", "qemu-system-x86"),
    ),
)
