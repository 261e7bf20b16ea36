"""The cycle of an experiment: deploy, provision, run; one server, two agents."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import enoslib as en
from enoslib.errors import EnosError

from benchmarks.benchmark import Benchmark
from benchmarks.judge import Goal, ratio
from benchmarks.lab import guests, nxc_vms, ours, run, stock
from benchmarks.lab.guests import Guests
from benchmarks.lab.nxc_project import Project
from benchmarks.measure import OURS, Contestant, MeasureError, Trial

JOB = "benchmark-cycle"

ENOSLIB = "EnOSlib, stock image"
NXC = "nxc and execo"
EXECO = "enoslib-nxc and execo"

TOTAL = "seconds"

CAUSE = (
    "both wait for the same guests, and nxc is within some hundredths of the floor of `vm`. "
    "What is done besides takes half a second of `init()`: Nix is asked whether the build is "
    "as it was, host keys are pinned, and each machine is asked what it runs and set up."
)


@contextmanager
def contestants(trial: Trial) -> Iterator[Sequence[Contestant]]:
    """Build both images, and deploy each once, so that caches are warm."""
    en.set_config(ansible_stdout="noop")
    (size,) = trial.sizes
    plain = [] if ENOSLIB in trial.without else [stock.recorded(trial.directory, size)]
    packages = stock.packages(trial.directory / "packages") if plain else trial.directory
    projects = [] if NXC in trial.without else [_nxc_project(trial.directory, size)]
    yield [
        Contestant(ENOSLIB, lambda _: _enoslib(plain[0], packages)),
        Contestant(OURS, _ours),
        Contestant(EXECO, _ours_by_execo),
        Contestant(NXC, lambda size: _nxc(projects[0], size)),
    ]


def _nxc_project(directory: Path, size: int) -> Project:
    """Make nxc's project, for the hardware that a deployment of ours has."""
    made = ours.provider(JOB, ours.roles(size))
    try:
        made.init()
        commands = guests.of(made, directory / "baked")
    finally:
        ours.destroy(made)
    return nxc_vms.project(directory / "nxc", commands)


def _enoslib(machines: Guests, packages: Path) -> Mapping[str, float]:
    try:
        with guests.switch(machines):
            roles, deploy = stock.deploy(machines)
            provision = stock.provision(roles, packages)
            return _phases(deploy, provision, run.by_enoslib(roles["agent"]))
    except EnosError as error:
        raise MeasureError(f"{type(error).__name__}: {error}") from error


def _ours(size: int) -> Mapping[str, float]:
    made = ours.provider(JOB, ours.roles(size))
    try:
        deploy = ours.seconds(made)
        roles, _networks = made.init()  # once more, for the roles: not counted
        return _phases(deploy, 0.0, run.by_enoslib(roles["agent"]))
    except EnosError as error:
        raise MeasureError(f"{type(error).__name__}: {error}") from error
    finally:
        ours.destroy(made)


def _ours_by_execo(size: int) -> Mapping[str, float]:
    made = ours.provider(JOB, ours.roles(size))
    try:
        deploy = ours.seconds(made)
        return _phases(deploy, 0.0, run.by_execo(*run.doors(made)))
    finally:
        ours.destroy(made)


def _nxc(project: Project, size: int) -> Mapping[str, float]:
    told = nxc_vms.told(project, size)
    began = time.monotonic()
    with nxc_vms.started(project, size, DEPLOY=told) as doors:
        deploy = time.monotonic() - began
        agents = [door for door in doors if door.role == "agent"]
        return _phases(deploy, 0.0, run.by_execo(agents, project.key))


def _phases(deploy: float, provision: float, ran: float) -> Mapping[str, float]:
    total = deploy + provision + ran
    return {"deploy s": deploy, "provision s": provision, "run s": ran, TOTAL: total}


BENCHMARK = Benchmark(
    name="cycle",
    title="The cycle of an experiment",
    text="""One server and its agents, on QEMU as for `vm`: they come up, get what the
experiment needs (iperf3, a service), and each agent measures to the server for two seconds.
Images are built beforehand: what a build takes is measured by `build`.

- *EnOSlib, stock image*: the same system without the experiment's packages, started by the same
  commands; `en.Static`, `en.wait_for` (which tries every 30 s), `en.actions` that copy and
  unpack Debian packages (without their maintainer scripts, from here instead of a mirror),
  write a unit and start it; `en.run_command`.
- *enoslib-nxc*: all that is in the composition; `init()`, `en.run_command`.
- *enoslib-nxc and execo*: the same `init()`; execo's `Remote` on `deployment.to_execo()`, where
  Ansible takes most of the seconds that a run has.
- *nxc and execo*: the same artifacts; `nxc start` 0.7.11, given DEPLOY, as for `vm`; execo's
  `Remote`.
""",
    varies="machines",
    sizes=(3,),
    smoke=(2,),
    open=contestants,
    goals=(
        Goal("the whole cycle, of EnOSlib's", ratio(ENOSLIB, 3), at_most=0.5),
        Goal("the whole cycle, of nxc's", ratio(NXC, 3), at_most=1.0, cause=CAUSE),
        Goal("the same, both with execo", ratio(NXC, 3, ours=EXECO), at_most=1.0, cause=CAUSE),
    ),
    needs=(("vde_switch", "vde2"), ("qemu-system-x86_64", "qemu-system-x86")),
)
