"""Grid'5000 as a platform: nodes that EnOSlib reserves, bound to the hosts of the plan."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from enoslib.infra.enos_g5k.error import DeployError
from enoslib.infra.enos_g5k.objects import G5kHost, G5kNetwork
from enoslib.infra.enos_g5k.provider import (
    _concretize_networks,
    _concretize_nodes,
    _join,
)

from enoslib_nxc import own_system, shell
from enoslib_nxc.booking import Booking
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import NxcError, PlatformError, StateError
from enoslib_nxc.events import Phase, Reporter, step
from enoslib_nxc.g5k import (
    api,
    awaited,
    binding,
    jobs,
    published,
    request,
    slots,
    walltime,
)
from enoslib_nxc.g5k import machines as machines_of
from enoslib_nxc.g5k import networks as records
from enoslib_nxc.g5k import outlook as outlooks
from enoslib_nxc.g5k.api import ApiError
from enoslib_nxc.g5k.jobs import Booked
from enoslib_nxc.g5k.release import release_nodes
from enoslib_nxc.model import Deployment, Job, Plan
from enoslib_nxc.outlook import Outlook
from enoslib_nxc.platforms import Grant, Held
from enoslib_nxc.state import Home
from enoslib_nxc.wait import Deadline

DELETE_SECONDS = 120.0
"""For OAR to end a job, when all other time is used up."""


class G5kPlatform:
    """Takes nodes of Grid'5000 through EnOSlib.

    Args:
        booking: when, as `Providers` may have changed it.
    """

    keeps = True

    def __init__(self, booking: Booking | None = None) -> None:
        self._booking = booking or Booking()
        self._booked: Booked | None = None

    def check(self, settings: Settings) -> None:
        """Refuse what can be seen to be wrong before the build.

        The clusters are looked up in the API: a name mistyped shows now.
        """
        shell.require("ssh", purpose="to reach the machines", package="openssh-client")
        request.check(settings)
        roles = dict.fromkeys(settings.roles, 1)
        request.make(settings, roles, self._booking)

    def reserve(
        self, settings: Settings, plan: Plan, previous: Deployment | None, *, force: bool
    ) -> Held:
        """Find the jobs of that name, or submit them; those of other sites stay held.

        Nodes of a job that runs already, of which nothing is on record here, may run
        anything: they are not booted over unless that is wished.
        """
        sizes = request.sizes_of(node.role for node in plan.nodes)
        conf = request.make(settings, sizes, self._booking)
        self._booked = booked = jobs.reserve(conf)
        unknown = not (booked.fresh or previous or force or settings.g5k.oargrid_jobids)
        if unknown and any(job.state == "running" for job in booked.jobs):
            told = ", ".join(f"{job.uid} of {job.site}" for job in booked.names)
            raise StateError(
                f"job {told} runs, and nothing is on record here of what its nodes run",
                resolution="go on where it was deployed from; or init(force_deploy=True) to "
                "boot its nodes anew, or destroy() it",
            )
        before = previous.jobs if previous else ()
        others = jobs.states(job for job in before if job not in booked.names)
        live = [job for job, state in others.items() if state in jobs.LIVE]
        return Held(jobs=(*booked.names, *live), login=api.login())

    def acquire(
        self,
        settings: Settings,
        home: Home,
        plan: Plan,
        previous: Deployment | None,
        report: Reporter,
    ) -> Grant:
        """Wait for the jobs, and bind each host of the plan to a node."""
        booked = self._booked
        assert booked  # noqa: S101 (`reserve` comes before)
        with step(report, Phase.ACQUIRE, "wait for the reservation") as waiting:
            for remark in api.remarks():
                waiting.progress(remark)
            awaited.wait(booked, self._deadline(settings), waiting.progress)
            for left in walltime.remaining(booked.names):
                until = f"{awaited.clock(left.ends_at)} ({left.seconds / 60:.0f} min left)"
                waiting.progress(f"job {left.job.uid} of {left.job.site} runs until {until}")
        hosts, networks = self._resources(booked)
        held = binding.held(previous, booked.names)
        before = {m.reserved.node: m for m in held.values() if m.reserved}
        bound = binding.bound(settings, plan, hosts, held)
        fresh = {host: node for host, node in bound.items() if host not in held}
        passed_on = {h: before[n.fqdn] for h, n in fresh.items() if n.fqdn in before}
        new = {host: node for host, node in fresh.items() if host not in passed_on}
        machines = {
            **held,
            **machines_of.inherited(passed_on, home),
            **machines_of.of_nodes(settings, new, booked),
        }
        ordered = {n.host: machines[n.host] for n in plan.nodes if n.host in bound}
        shared = {host.primary_network for host in hosts}
        return Grant(
            ordered,
            tuple(sorted({str(network.cidr) for network in shared})),
            site_networks=tuple(records.record(n, shared=n in shared) for n in networks),
        )

    def _deadline(self, settings: Settings) -> Deadline:
        """Return until when jobs are waited for: from the date of the reservation."""
        start = request.start_seconds(settings, self._booking) or 0.0
        return Deadline(settings.deadlines.acquire + max(0.0, start - request.now()))

    def _resources(self, booked: Booked) -> tuple[list[G5kHost], list[G5kNetwork]]:
        """Return the nodes, their roles, and the networks, by EnOSlib's own rules."""

        def ask() -> tuple[list[G5kHost], list[G5kNetwork]]:
            provider = booked.provider
            nodes, oar_networks = provider.driver.resources()
            groups = _concretize_nodes(provider.provider_conf.machines, nodes)
            networks = _concretize_networks(provider.provider_conf.networks, oar_networks)
            hosts = _join(groups, networks)
            for host in hosts:
                host.mirror_state()
            return hosts, networks

        try:
            return api.call("look at what was reserved", ask)
        except ValueError as error:  # G5kHost.mirror_state
            raise PlatformError(
                f"secondary_networks: {error}", resolution="give fewer, or take another cluster"
            ) from error
        except DeployError as error:  # which is none of EnOSlib's errors for people
            told = ", ".join(str(part) for part in error.args)
            raise PlatformError(
                f"the job lacks what the configuration asks for: {told}",
                resolution="a running job does not grow: destroy() it first, or use another "
                "job_name",
            ) from error

    def foresee(self, settings: Settings, plan: Plan, previous: Deployment | None) -> Outlook:
        """Tell what would be reserved; sites are looked up in the API where it answers."""
        request.check(settings)
        sites, notes = outlooks.sites_of(settings)
        told = outlooks.outlook(settings, plan, previous, self._booking, sites)
        return told.model_copy(update={"notes": notes})

    def connect(self, deployment: Deployment) -> bool:
        """Their network is not ours to make."""
        return False

    def connected(self, deployment: Deployment) -> bool:
        """Tell whether the jobs run."""
        found = jobs.states(deployment.jobs).values()
        return bool(found) and all(state == "running" for state in found)

    def release(self, deployment: Deployment, home: Home, timeout: float) -> tuple[str, ...]:
        """Send nodes back to their disks, and delete the jobs.

        Those that kept their own system forget the deployment. After a job of type deploy the
        site sends nodes back itself. What was published for
        nodes goes last: until then one may boot once more. A site whose API does not answer
        does not keep the jobs of others.
        """
        deadline = Deadline(timeout)
        held, told = self._all_jobs(deployment)
        running = _running(deployment.jobs)
        left = {
            host: machine
            for host, machine in deployment.machines.items()
            if (node := machine.reserved)
            and not node.deploy
            and Job(site=node.site, uid=node.job) in running
        }
        ours = deployment.model_copy(update={"machines": left})
        told += release_nodes(ours, home, deadline.remaining()) if left else ()
        told += own_system.leave(ours, home, left, deadline.remaining())
        jobs.delete(held, max(DELETE_SECONDS, deadline.remaining()))
        return told + published.take_back(home)

    def _all_jobs(self, deployment: Deployment) -> tuple[tuple[Job, ...], tuple[str, ...]]:
        """Return the recorded jobs and what else has their name; and why if not all.

        A program may have been killed between a submission and its record.
        """
        found = list(deployment.jobs)
        told = []
        try:
            sites = jobs.sites()
        except NxcError as error:
            sites = []
            told.append(f"jobs that are not on record were not looked for: {error.brief}")
        for site in sites:
            try:
                found += jobs.ours(deployment.job_name, [site])
            except NxcError as error:
                told.append(
                    f"jobs of {site} that are not on record were not looked for: {error.brief}"
                )
        return tuple(dict.fromkeys(found)), tuple(told)

    def find(self, settings: Settings) -> tuple[Job, ...]:
        """Return the live jobs of the configuration, or of its name on any site."""
        if named := settings.g5k.oargrid_jobids:
            states = jobs.states(Job(site=site, uid=uid) for site, uid in named)
            return tuple(job for job, state in states.items() if state in jobs.LIVE)
        return tuple(
            Job(site=job.site, uid=int(job.uid))
            for job in jobs.find(settings.job_name, jobs.sites())
        )

    def give_up(self, settings: Settings) -> tuple[str, ...]:
        """Delete the jobs of the configuration's name."""
        found = self.find(settings)
        jobs.delete(found, settings.deadlines.destroy)
        return tuple(
            f"job {job.uid} of {job.site} is deleted; its nodes were not sent back to their "
            "disks: nothing about them is on record here"
            for job in found
        )

    def test_slot(self, settings: Settings, plan: Plan) -> bool:
        """Tell whether the nodes are free then, as EnOSlib does: by the clusters' status."""
        sizes = request.sizes_of(node.role for node in plan.nodes)
        conf = request.make(settings, sizes, self._booking)
        return slots.free(conf, self._booking)


def _running(recorded: Iterable[Job]) -> set[Job]:
    """Return the jobs that run, as far as their sites say; `jobs.delete` names the others."""
    running = set()
    for job in recorded:
        with suppress(ApiError):
            if jobs.states([job])[job] == "running":
                running.add(job)
    return running
