"""One image to many hosts, each behind a link of its own, from a source behind another one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.benchmark import Benchmark
from benchmarks.judge import Goal, growth
from benchmarks.lab import hosts, users
from benchmarks.lab.hosts import Lab
from benchmarks.measure import Contestant, Trial

MEGABITS = 50
"""Of each link a second, each way."""

MEGABYTES = 100
SMOKE_MEGABYTES = 2

TIMEOUT = 700.0
"""Seconds for one way to all hosts."""

SEND, HTTP, CHAIN, TREE = "send", "http", "chain", "taktuk"


@contextmanager
def contestants(trial: Trial) -> Iterator[Sequence[Contestant]]:
    """Have the hosts, and an image that cannot be compressed."""
    few = trial.sizes[:2]
    with hosts.lab(trial.directory / "lab", max(trial.sizes), rate=f"{MEGABITS}mbit") as lab:
        image = lab.directory / "image"
        with image.open("wb") as file:
            for _ in range(SMOKE_MEGABYTES if trial.smoke else MEGABYTES):
                file.write(os.urandom(1_000_000))
        yield [
            # one link carries all copies: with more hosts there is not time enough
            Contestant(SEND, partial(_spread, lab, image, SEND), trial.sizes[:1]),
            Contestant(HTTP, partial(_spread, lab, image, HTTP), few),
            Contestant(CHAIN, partial(_spread, lab, image, CHAIN)),
            Contestant(TREE, partial(_spread, lab, image, TREE)),
        ]


def _spread(lab: Lab, image: Path, way: str, size: int) -> Mapping[str, float]:
    lab.reset()
    file = lab.directory / "fanout.json"
    told = {
        "way": way,
        "source": hosts.SOURCE_ADDRESS,
        "addresses": lab.addresses[:size],
        "key": str(lab.key),
        "known_hosts": str(lab.directory / "known_hosts"),
        "image": str(image),
    }
    file.write_text(json.dumps(told))
    done = file.with_suffix(".done")
    done.unlink(missing_ok=True)
    lab.run(
        [sys.executable, "-m", "benchmarks.lab.ns_fanout", file],
        timeout=TIMEOUT,
        cwd=users.ROOT,
    )
    return {"seconds": float(json.loads(done.read_text())["seconds"])}


LARGE = 32

BENCHMARK = Benchmark(
    name="fanout",
    title="Fan-out of an image",
    text=f"""
{MEGABYTES} MB that cannot be compressed, from one source to hosts that are network namespaces
on this computer. The source and each host have a link of their own, {MEGABITS} Mbit/s each way
(`tc tbf`), which takes {MEGABYTES * 8 / MEGABITS:g} s for one copy. From the first connection
until every host has found the digest right. All ways are this package's:

- send: over ssh to each, all at once, which `kexec.push: send` does. One link carries all
  copies, so that N hosts take N times as long: it is measured for one host alone.
- http: each fetches it from the source, all at once: `kexec.push: http`. The same holds;
  {LARGE} hosts would take {LARGE * MEGABYTES * 8 / MEGABITS:.0f} s.
- chain: each takes it from the host before it while that one receives it, the first from the
  source: `kexec.push: chain`, which `auto` is where that spares the source 256 MiB of a file.
- taktuk: in a tree of ssh connections from the source, as `g5k.push: taktuk` does on a site.
""",
    varies="hosts",
    sizes=(1, 8, LARGE),
    smoke=(1, 2),
    open=contestants,
    goals=(Goal(f"{LARGE} hosts, over one", growth(1, LARGE, ours=CHAIN), at_most=2),),
    repetitions=3,
    needs=(("taktuk", "taktuk"), ("tc", "iproute2"), ("sshd", "openssh-server")),
)
