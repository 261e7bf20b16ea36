"""The parts of one rehearsed site put together: scheduler, Kadeploy, kavlan, machines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from enoslib_nxc.errors import NxcError
from enoslib_nxc.rehearsal import site as sites
from enoslib_nxc.rehearsal import walltime
from enoslib_nxc.rehearsal.batch import Batch
from enoslib_nxc.rehearsal.deployments import Deployments, Rights
from enoslib_nxc.rehearsal.environments import Catalog
from enoslib_nxc.rehearsal.jobs import Job, Pace, State
from enoslib_nxc.rehearsal.node_states import ABSENT, ALIVE, SUSPECTED
from enoslib_nxc.rehearsal.resources import resources_of
from enoslib_nxc.rehearsal.scheduler import Scheduler
from enoslib_nxc.rehearsal.site import Node
from enoslib_nxc.rehearsal.testbed import Testbed
from enoslib_nxc.rehearsal.vlans import Vlans

Spawn = Callable[[Callable[[], None]], None]
"""Runs a function beside."""


def thread(work: Callable[[], None]) -> None:
    """Run a function in a thread of its own, which does not keep the process alive."""
    threading.Thread(target=work, daemon=True).start()


@dataclass(frozen=True)
class Settings:
    """What all sites share.

    Args:
        testbed: the machines.
        clock: seconds since the epoch.
        catalog: environments.
        pace: how long OAR takes for each step.
        rules: of walltime changes.
        spawn: runs what takes its time beside.
        batches: name of a site -> its scheduler; others have one in memory.
        machines: the testbed has some: see `Scheduler`.
    """

    testbed: Testbed
    clock: Callable[[], float]
    catalog: Catalog = field(default_factory=lambda: Catalog({}))
    pace: Pace = field(default_factory=Pace)
    rules: walltime.Rules = field(default_factory=walltime.Rules)
    spawn: Spawn = thread
    batches: Mapping[str, Batch] = field(default_factory=dict)
    machines: bool = False


class SiteService:
    """One rehearsed site.

    Args:
        spec: what it is made of.
        settings: what all sites share.
        first: number of its first job.
    """

    def __init__(self, spec: sites.SiteSpec, settings: Settings, *, first: int) -> None:
        self.site = sites.build(spec)
        self.nodes = {node.fqdn: node for node in self.site.nodes}
        self.lock = threading.RLock()
        self._settings = settings
        self.scheduler: Batch = settings.batches.get(spec.site) or Scheduler(
            resources_of(self.site),
            settings.clock,
            pace=settings.pace,
            rules=settings.rules,
            first=first,
            machines=settings.machines,
        )
        self.deployments = Deployments(
            self.nodes,
            settings.catalog,
            settings.testbed,
            Rights(partial(self._has_node, deploy=True), self._has_vlan),
            settings.clock,
            settings.spawn,
        )
        self.vlans = Vlans(
            self.site,
            partial(self._has_node, deploy=False),
            self._has_vlan,
            lambda node, nic, vlan: settings.testbed.set_vlan(node, nic, vlan),
        )

    def tick(self) -> float | None:
        """Let the time pass, and end what is over.

        Returns:
            When something is due next, seconds since the epoch; None for nothing.
        """
        with self.lock:
            self.scheduler.advance()
            ended = self.scheduler.take_ended()
            for job in ended:
                self.vlans.release(self.scheduler.hosts(job))
            wake_at = self.scheduler.wake_at()
        for job in ended:
            self._settings.spawn(partial(self._end, job))
        return wake_at

    def _end(self, job: Job) -> None:
        testbed = self._settings.testbed
        nodes = [self.nodes[host] for host in self.scheduler.hosts(job)]
        lost = testbed.job_ended(job, nodes)
        for node in nodes:
            if job.order.deploy or node in lost:
                state = ABSENT if job.order.deploy else SUSPECTED
                self._settings.spawn(partial(self._reset, node, state))
            elif self._settings.machines:
                self._state(node, ALIVE)

    def _reset(self, node: Node, meanwhile: str) -> None:
        self._state(node, meanwhile)
        after = SUSPECTED
        try:
            with suppress(NxcError):  # where it does not come up, it stays suspected
                self._settings.testbed.reset(node)
                after = ALIVE
        finally:
            self._state(node, after)

    def _state(self, node: Node, state: str) -> None:
        with self.lock:
            self.scheduler.set_host_state(node.fqdn, state)

    def _running(self, user: str) -> list[Job]:
        with self.lock:
            jobs = self.scheduler.jobs()
        return [job for job in jobs if job.state is State.RUNNING and job.order.user == user]

    def _has_node(self, user: str, fqdn: str, *, deploy: bool) -> bool:
        jobs = [job for job in self._running(user) if job.order.deploy or not deploy]
        return any(fqdn in self.scheduler.hosts(job) for job in jobs)

    def _has_vlan(self, user: str, uid: str) -> bool:
        rows = self.scheduler.resources
        vlans = (rows[r].row["vlan"] for job in self._running(user) for r in job.resources)
        return uid in vlans
