"""Orchestration of many hosts: what it costs to have each boot by kexec."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.benchmark import Benchmark
from benchmarks.judge import Goal, alone, ratio
from benchmarks.lab import hosts, nxc, ours, tiny
from benchmarks.lab.hosts import DOWN_SECONDS, Lab
from benchmarks.measure import FLOOR, OURS, Contestant, MeasureError, Trial
from enoslib_nxc import ssh
from enoslib_nxc.builder import NixOSComposeConf
from enoslib_nxc.provider import NixOSCompose

PEER = "nxc"
ROLE = "agent"
JOB = "scale"

TIMEOUT = 600.0
"""Seconds for one contestant and one size."""

AT_ONCE = (64, 100_000)
"""Connections that the floor opens at once: the faster way counts."""

CHEAPER = f"{FLOOR}, X25519"
"""The floor of those who choose the key exchange, as we do."""

QUICK = ("-o", ssh.KEY_EXCHANGE)

Measured = Callable[[Lab, int], Mapping[str, float]]


@contextmanager
def contestants(trial: Trial) -> Iterator[Sequence[Contestant]]:
    """Have the hosts, which run their own systems when each contestant begins."""
    nxc.program()
    with hosts.lab(trial.directory / "lab", max(trial.sizes)) as lab:
        made = tiny.make(lab.directory / "composition", (ROLE,))

        def fair(measured: Measured) -> Callable[[int], Mapping[str, float]]:
            def run(size: int) -> Mapping[str, float]:
                lab.reset()
                return measured(lab, size)

            return run

        yield [
            Contestant(FLOOR, fair(_floor)),
            Contestant(CHEAPER, fair(lambda lab, size: _floor(lab, size, *QUICK))),
            Contestant(OURS, fair(lambda lab, size: _ours(lab, made, size))),
            Contestant(PEER, fair(lambda lab, size: _nxc(lab, made, size))),
        ]


def _floor(lab: Lab, size: int, *options: str) -> Mapping[str, float]:
    """Run `ssh true` on all hosts, some at once or all at once; return the faster."""
    ways = {min(at_once, size) for at_once in AT_ONCE}
    return {"seconds": min(_ssh_to_all(lab, size, at_once, *options) for at_once in ways)}


def _ssh_to_all(lab: Lab, size: int, at_once: int, *options: str) -> float:
    command = ["ssh", *lab.ssh_options, *options, "-T", "-o", "BatchMode=yes", "-l", "root"]
    command += ["-o", "IdentitiesOnly=yes", "-i", str(lab.key)]
    each = shlex.join(["xargs", "-P", str(at_once), "-I{}", *command])
    names = " ".join(lab.addresses[:size])
    began = time.perf_counter()
    lab.run(["sh", "-c", f"printf '%s\\n' {names} | {each} {{}} true"], timeout=TIMEOUT)
    return time.perf_counter() - began


def configuration(made: tiny.Tiny, job: str, roles: Mapping[str, object]) -> dict[str, object]:
    """Return the provider's configuration on hosts of the lab.

    Args:
        made: the composition.
        job: name of the deployment.
        roles: of the configuration.
    """
    return {
        "composition": str(made.compose_info("vm-ramdisk")),
        "flavour": "vm-ramdisk",
        "job_name": job,
        "roles": dict(roles),
        "progress": "silent",
        # the lab gives hosts their own systems back, in no time
        "kexec": {"reboot_on_destroy": False},
    }


def _ours(lab: Lab, made: tiny.Tiny, size: int) -> Mapping[str, float]:
    told = configuration(made, JOB, {ROLE: size})
    before = lab.seen("boot_id", size)
    try:
        found = lab.init(told, size, TIMEOUT)
    finally:
        ours.destroy(NixOSCompose(NixOSComposeConf.from_dictionary(told)))
    _check(lab, size, before)
    return {"seconds": float(found["seconds"]), "MiB": float(found["mib"])}


def _nxc(lab: Lab, made: tiny.Tiny, size: int) -> Mapping[str, float]:
    """Have the hosts booted by `nxc start`: from the start of the program to its end."""
    place = lab.directory / "nxc"
    place.mkdir(exist_ok=True)
    machines = place / "machines"
    machines.write_text("".join(f"{address}\n" for address in lab.addresses[:size]))
    ssh = shlex.join(["ssh", *lab.ssh_options, "-i", str(lab.key), "-l", "root"])
    start = ["start", "--flavour", "g5k-ramdisk", "--machine-file", str(machines)]
    start += ["--compose-info", str(made.compose_info("g5k-ramdisk")), "--ssh", ssh]
    start += ["--identity-file", f"{lab.key}.pub", "-r", f"{ROLE}={size}"]
    before = lab.seen("boot_id", size)
    user = os.environ.get("USER", "root")
    argv: list[str | Path] = ["env", f"USER={user}", nxc.program(), "-d", str(place), *start]
    began = time.perf_counter()
    lab.run(argv, timeout=TIMEOUT, cwd=place)
    seconds = time.perf_counter() - began
    _check(lab, size, before)
    return {"seconds": seconds}


def _check(lab: Lab, size: int, before: list[str]) -> None:
    """See that every host has booted into its role, once.

    Raises:
        MeasureError: one has not.
    """
    roles = lab.seen("role", size)
    if roles.count(ROLE) != size:
        raise MeasureError(f"{size - roles.count(ROLE)} of {size} hosts have no role")
    if set(lab.seen("boot_id", size)) & set(before):
        raise MeasureError("a host has not booted")


LARGE = 200

BENCHMARK = Benchmark(
    name="scale",
    title="Orchestration of many hosts",
    text=f"""
Hosts are network namespaces on this computer, each with processes, files and an OpenSSH
server of its own. Its `kexec` ends it; {DOWN_SECONDS:g} s later it is back under another boot
id, with another host key and the role that the deployment JSON gives it. Kernel and initrd
weigh nothing, so that what is measured is orchestration. Clients and servers share the cores.

- enoslib-nxc: `NixOSCompose(conf, hosts=en.Static(...)).init()`, by default settings. Hosts
  are asked, get kernel and initrd, boot, and are asked again; their host keys are pinned,
  keys and names set up. MiB: the most memory that the process had, and its children.
- nxc: `nxc start` of NixOS Compose {nxc.VERSION} with flavour g5k-ramdisk and the same files,
  which hosts read from a directory that they share, as from a home by NFS. It waits until all
  ssh ports are open.
- floor: one parallel `ssh HOST true` to all, {AT_ONCE[0]} at once or all at once, whichever
  is faster, with ssh's own choice of key exchange, which nxc has too: no host boots.
- {CHEAPER}: the same without the key exchange that OpenSSH 8.9 to 9.8 prefers (sntrup761),
  as our own connections do: no ssh tool can be done sooner.
""",
    varies="hosts",
    sizes=(10, 50, LARGE),
    smoke=(2,),
    open=contestants,
    goals=(
        Goal(
            f"{LARGE} hosts, above the {DOWN_SECONDS:g} s that they are down, over the floor",
            ratio(FLOOR, LARGE, less=DOWN_SECONDS),
            at_most=3,
        ),
        Goal(
            "the same, over the floor with the cheapest key exchange",
            ratio(CHEAPER, LARGE, less=DOWN_SECONDS),
            at_most=3,
            cause="each host is logged in to four times, where the floor does so once: it is "
            "asked what it is, whether it can fetch from here, given what it boots, and asked "
            "again after its boot. Above 64 machines no connection stays open in between, as "
            "each takes memory. What is run on hosts shares the cores with all that.",
        ),
        Goal(f"memory for {LARGE} hosts", alone(LARGE, "MiB"), at_most=400, unit="MiB"),
    ),
    needs=(
        ("nmap", "nmap"),
        ("screen", "screen"),
        ("sshd", "openssh-server"),
        ("ip", "iproute2"),
    ),
)
