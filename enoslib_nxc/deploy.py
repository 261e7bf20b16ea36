"""The way of one `init()`, and of one `destroy()`: the steps in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace

from enoslib_nxc import context, flavours, reach, ssh, state
from enoslib_nxc.boots import Boot, Run
from enoslib_nxc.bring_up import BringUp, Keys
from enoslib_nxc.config import Settings
from enoslib_nxc.events import Phase, Reporter, step
from enoslib_nxc.flavours import Source
from enoslib_nxc.model import Deployment, Identity, Machine, Plan
from enoslib_nxc.platforms import Platform
from enoslib_nxc.prepare import Ready, reserve
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home


def deploy(ready: Ready, home: Home, report: Reporter, *, force: bool = False) -> Deployment:
    """Bring a deployment to what its configuration says; do nothing where it is so.

    Args:
        ready: what `prepare` gave.
        home: the deployment's directory, held by this process.
        report: where events go.
        force: boot every machine, whatever it runs.

    Returns:
        The record, as it is on disk.

    Raises:
        NxcError: what was wrong, and what to do.
    """
    settings, platform, boot, previous = (
        ready.settings,
        ready.platform,
        ready.boot,
        ready.previous,
    )
    with closing(boot), _withdrawn_unused(home, platform, settings.deadlines.destroy):
        deployment = _acquire(ready, home, report, force=force)
        own = _keys(home, ready.user_keys)
        run = Run(settings, home, deployment, _context(settings, deployment, own), report)
        if previous:
            boot.stop(replace(run, deployment=previous), _gone(previous, deployment))
        cut_off = platform.connect(deployment)
        bring_up = BringUp(boot, own, _reach)
        wanted = _identities(settings, deployment, boot)
        fresh = list(wanted) if force or cut_off else []
        return bring_up(run, wanted, fresh=fresh).deployment


def destroy(
    job_name: str,
    report: Reporter,
    timeout: float,
    *,
    source: Source | None = None,
    settings: Settings | None = None,
) -> None:
    """End a deployment by its name alone; nothing happens when there is none.

    Args:
        job_name: its name.
        report: where events go.
        timeout: seconds.
        source: where the machines came from, as far as the caller knows.
        settings: the configuration, if there is one: it tells where else than in the records
            of this computer to look for reservations of that name.

    Raises:
        NxcError: it is in use, or something of it could not be ended.
    """
    source = source or Source()
    elsewhere = settings is not None and flavours.on(settings.flavour, source).calendar
    if state.find(job_name) is None and not elsewhere:
        return
    with (
        step(report, Phase.DESTROY, f"destroy {job_name}") as destroying,
        state.claim(job_name) as home,
    ):
        deployment = home.load()
        if deployment is not None:
            flavour = flavours.on(deployment.flavour, replace(source, lent=deployment.lent))
            told = flavour.platform(source).release(deployment, home, timeout)
        elif settings is not None and elsewhere:
            told = flavours.on(settings.flavour, source).platform(source).give_up(settings)
        else:
            told = ()
        for trouble in told:
            destroying.progress(trouble)
        home.remove()


def running(settings: Settings, source: Source) -> bool:
    """Tell whether a deployment of that name is there, as far as this machine can see.

    Where there is a calendar, its reservation is what counts (EnOSlib's Grid'5000 provider).

    Args:
        settings: the configuration.
        source: where the machines come from.

    Raises:
        NxcError: the calendar cannot be asked, or the record not be read.
    """
    flavour = flavours.on(settings.flavour, source)
    platform = flavour.platform(source)
    if flavour.calendar:
        return bool(platform.find(settings))
    home = state.find(settings.job_name)
    deployment = home.load() if home else None
    if deployment is None or home is None:
        return False
    expected = {m.host for m in deployment.machines.values() if m.state != "lost"}
    up = {m.host for m in deployment.machines.values() if m.state == "up"}
    return (
        up == expected
        and up <= flavour.boot().alive(deployment, home)
        and platform.connected(deployment)
    )


@contextmanager
def _withdrawn_unused(home: Home, platform: Platform, timeout: float) -> Iterator[None]:
    """Give back all machines when none of them was started before the body failed."""
    try:
        yield
    except BaseException:
        deployment = home.load()
        unused = deployment and all(m.state == "planned" for m in deployment.machines.values())
        if deployment and unused and not platform.keeps:
            platform.release(deployment, home, timeout)
            home.remove()
        raise


def _acquire(ready: Ready, home: Home, report: Reporter, *, force: bool) -> Deployment:
    """Get machines, and record them before anything of them is started."""
    previous = ready.previous
    with step(report, Phase.ACQUIRE, "get machines") as acquiring:
        deployment = reserve(ready, home, force=force)
        grant = ready.platform.acquire(ready.settings, home, ready.plan, previous, report)
        if previous and grant.machines == previous.machines:
            acquiring.noop(f"{len(grant.machines)} machines are held already")
    deployment = deployment.model_copy(
        update={
            "plan": _restricted(ready.plan, grant.machines),
            "machines": grant.machines,
            "networks": grant.networks,
            "lent": grant.lent,
            "ours_to_end": grant.ours_to_end,
            "site_networks": grant.site_networks,
        }
    )
    if deployment != previous:
        home.save(deployment)
    return deployment


def _restricted(plan: Plan, given: Mapping[str, Machine]) -> Plan:
    """Return the plan without the hosts that got no machine, within `min`."""
    return plan.model_copy(update={"nodes": tuple(n for n in plan.nodes if n.host in given)})


def _gone(previous: Deployment, deployment: Deployment) -> list[str]:
    """Return the hosts that are no more, but for those whose lent machine goes to another.

    Nodes of a job that is over are no longer ours to touch.
    """
    lent = {(m.ssh_host, m.ssh_port) for m in deployment.machines.values() if m.entry}
    held = {(job.site, job.uid) for job in deployment.jobs}

    def ours(machine: Machine) -> bool:
        node = machine.reserved
        kept = node is None or (node.site, node.job) in held
        return kept and (machine.ssh_host, machine.ssh_port) not in lent

    return [
        host
        for host, machine in previous.machines.items()
        if host not in deployment.machines and ours(machine)
    ]


def _keys(home: Home, user_keys: tuple[str, ...]) -> Keys:
    public = ssh.make_key(home.key, f"enoslib-nxc {home.job_name}")
    return Keys(
        authorized=tuple(dict.fromkeys((*user_keys, public))),
        private=home.key.read_text(),
        public=public,
    )


def _context(settings: Settings, deployment: Deployment, own: Keys) -> context.NodeContext:
    return context.make(
        deployment.artifacts,
        deployment.plan,
        deployment.machines,
        authorized=own.authorized,
        user=deployment.login or settings.ssh.user,
        parameters=settings.parameters,
    )


def _identities(settings: Settings, deployment: Deployment, boot: Boot) -> dict[str, Identity]:
    """Return what each host should run."""
    wanted = {}
    for node in deployment.plan.nodes:
        image = deployment.artifacts.roles[node.role]
        volumes = {"volumes": " ".join(image.volumes)} if image.volumes else {}
        shape = boot.shape(settings, node, deployment.machines[node.host])
        wanted[node.host] = Identity(
            host=node.host,
            role=node.role,
            toplevel=image.toplevel,
            digest=context.digest(
                parameters=settings.parameters,
                kernel_params=settings.kernel_params,
                shape={**shape, **volumes},
            ),
        )
    return wanted


def _reach(run: Run, host: str) -> Access:
    """Return how we reach a machine: those left as NXC made them get keys at a boot only."""
    how = reach.own if run.settings.ssh.trust == "pin" else reach.access
    return how(run.deployment, run.home, host)
