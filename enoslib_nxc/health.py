"""How a deployment is: each machine is asked, side by side, and compared with its record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from enoslib_nxc import flavours, parallel, reach, status
from enoslib_nxc.data import Data
from enoslib_nxc.errors import NxcError
from enoslib_nxc.flavours import Source
from enoslib_nxc.g5k import walltime
from enoslib_nxc.model import Deployment, Machine, Node
from enoslib_nxc.preview.fate import NOT_UP
from enoslib_nxc.ssh import HostKey
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report

SECONDS = status.STATUS_TIMEOUT
"""For one machine to answer."""

HERE = "this computer"
"""Place of machines that this computer runs."""


class HostHealth(Data):
    """How one host is.

    Args:
        host: host name.
        role: role of the composition.
        tags: further keys in EnOSlib's Roles.
        flavour: its flavour.
        place: the node, container or address that it is, or the host that runs it; ""
            where it has none yet.
        address: by which the machines know each other, likewise.
        up: whether it answered.
        as_planned: whether it runs what it was told to run.
        told: why it is not up or not as planned, "" when all is well.
    """

    host: str
    role: str
    tags: tuple[str, ...] = ()
    flavour: str
    place: str
    address: str
    up: bool
    as_planned: bool
    told: str = ""


class TimeLeft(Data):
    """How long a reservation still runs.

    Args:
        site: of Grid'5000.
        job: its number there.
        seconds: until it ends, 0 when it is over.
        ends_at: seconds since the epoch.
    """

    site: str
    job: int
    seconds: float
    ends_at: float


class Health(Data):
    """How a deployment is.

    Args:
        job_name: its name.
        created: when it was made, seconds since the epoch.
        asked: when its machines were asked, likewise.
        flavours: that it runs with.
        as_planned: whether all hosts are.
        hosts: how each is, in the order of the plan.
        walltime: what is left of reservations.
        notes: what could not be asked.
    """

    job_name: str
    created: float
    asked: float
    flavours: tuple[str, ...]
    as_planned: bool
    hosts: tuple[HostHealth, ...]
    walltime: tuple[TimeLeft, ...] = ()
    notes: tuple[str, ...] = ()


def look(deployment: Deployment, home: Home, timeout: float = SECONDS) -> Health:
    """Ask all machines of a deployment what they run, and how long they still may.

    Args:
        deployment: the record.
        home: its directory.
        timeout: seconds for one machine.
    """
    notes: list[str] = []
    running = _running(deployment, home, notes)
    asked = [
        host
        for host, machine in deployment.machines.items()
        if machine.state in ("up", "started") and host in running
    ]

    def ask(host: str) -> Report:
        access = reach.own(deployment, home, host)
        patient = replace(access, patience=max(1, min(access.patience, int(timeout))))
        return status.ask(patient, HostKey.PINNED, timeout)

    answers = parallel.each(asked, ask)
    hosts = tuple(
        _host(deployment, node, answers.done, _why_not(running, answers.failed, node.host))
        for node in deployment.plan.nodes
    )
    return Health(
        job_name=deployment.job_name,
        created=deployment.created,
        asked=time.time(),
        flavours=deployment.flavours,
        as_planned=all(host.as_planned for host in hosts),
        hosts=hosts,
        walltime=_walltime(deployment, notes),
        notes=tuple(notes),
    )


def _running(deployment: Deployment, home: Home, notes: list[str]) -> set[str]:
    """Return the hosts that may answer: a process that is gone need not be asked."""
    found: set[str] = set()
    for name, row in flavours.recorded(deployment, Source()).items():
        part = deployment.only(name)
        try:
            found |= row.boot().alive(part, home)
        except NxcError as error:
            notes.append(error.brief)
            found |= set(part.machines)
    return found


def _why_not(running: set[str], failed: Mapping[str, NxcError], host: str) -> str:
    """Return why a host gave no account of itself; "" where it was not even started."""
    if host not in running:
        return "it does not run any more"
    error = failed.get(host)
    if error is None:
        return ""
    lines = [line for line in error.details.splitlines() if not line.startswith("$ ")]
    return lines[-1] if lines else error.brief


def _host(
    deployment: Deployment, node: Node, reports: Mapping[str, Report], why_not: str
) -> HostHealth:
    machine = deployment.machines.get(node.host)
    if machine is None:
        return _waiting(deployment, node)
    report = reports.get(node.host)
    if report is None:
        told = NOT_UP.get(machine.state) or why_not
    elif machine.identity is None:
        told = "it was never told what to run"
    else:
        told = "; ".join(status.differences(machine.identity, report.identity))
    return HostHealth(
        host=node.host,
        role=node.role,
        tags=node.tags,
        flavour=machine.flavour,
        place=place(machine),
        address=machine.address,
        up=report is not None,
        as_planned=report is not None and not told,
        told=told,
    )


def _waiting(deployment: Deployment, node: Node) -> HostHealth:
    """Return how a host is that has no machine: a job that waits for its nodes."""
    return HostHealth(
        host=node.host,
        role=node.role,
        tags=node.tags,
        flavour=next((p.flavour for p in deployment.parts if node.role in p.roles), ""),
        place="",
        address="",
        up=False,
        as_planned=False,
        told="it has no machine yet",
    )


def place(machine: Machine) -> str:
    """Return where a host runs, for people."""
    if machine.reserved:
        return machine.reserved.node
    if machine.container:
        return f"container {machine.container.name}"
    if machine.hosted:
        return machine.hosted.name
    return machine.ssh_host if machine.entry else HERE


def _walltime(deployment: Deployment, notes: list[str]) -> tuple[TimeLeft, ...]:
    if not deployment.jobs:
        return ()
    try:
        left = walltime.remaining(deployment.jobs)
    except NxcError as error:
        notes.append(error.brief)
        return ()
    return tuple(
        TimeLeft(site=e.job.site, job=e.job.uid, seconds=e.seconds, ends_at=e.ends_at)
        for e in left
    )
