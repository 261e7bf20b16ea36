"""The way of one `init()`, and of one `destroy()`: the steps in their order."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from enoslib_nxc import artifacts as sources
from enoslib_nxc import context, flavours, keys, reach, ssh, state
from enoslib_nxc.boots import Boot, Run
from enoslib_nxc.bring_up import BringUp, Keys
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import StateError
from enoslib_nxc.events import Phase, Reporter, step
from enoslib_nxc.model import Artifacts, Deployment, Identity, Plan
from enoslib_nxc.plan import make_plan
from enoslib_nxc.platforms import Platform
from enoslib_nxc.platforms.hosts import Given
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home


def deploy(
    settings: Settings,
    home: Home,
    report: Reporter,
    *,
    force: bool = False,
    hosts: Given = None,
) -> Deployment:
    """Bring a deployment to what its configuration says; do nothing where it is so.

    Args:
        settings: the checked configuration.
        home: the deployment's directory, held by this process.
        report: where events go.
        force: boot every machine, whatever it runs.
        hosts: another EnOSlib provider, or hosts that one gave: the machines to boot.

    Returns:
        The record, as it is on disk.

    Raises:
        NxcError: what was wrong, and what to do.
    """
    flavour = flavours.on(settings.flavour, lent=hosts is not None, hosts=hosts)
    platform, boot = flavour.platform(), flavour.boot()
    previous = _previous(settings, home, lent=hosts is not None)
    with step(report, Phase.CHECK, "check this machine"):
        platform.check(settings)
        boot.require()
        settings = sources.effective(settings)
        user_keys = keys.public_keys(settings.ssh.key, agent=ssh.agent_keys())
    known = previous.artifacts if previous else None
    built = sources.obtain(settings, known, report, keep=home.gc_root)
    with step(report, Phase.PLAN, "plan"):
        plan = make_plan(
            settings,
            built.roles,
            built.roles_distribution,
            previous=previous.plan if previous else None,
        )
    with closing(boot), _withdrawn_unused(home, platform, settings.deadlines.destroy):
        deployment = _acquire(settings, home, report, platform, plan, built, previous)
        own = _keys(home, user_keys)
        run = Run(settings, home, deployment, _context(settings, deployment, own), report)
        if previous:
            boot.stop(replace(run, deployment=previous), _gone(previous, deployment))
        cut_off = platform.connect(deployment)
        bring_up = BringUp(boot, own, _reach)
        wanted = _identities(settings, deployment, boot)
        fresh = list(wanted) if force or cut_off else []
        return bring_up(run, wanted, fresh=fresh).deployment


def destroy(job_name: str, report: Reporter, timeout: float, *, hosts: Given = None) -> None:
    """End a deployment by its name alone; nothing happens when there is none.

    Args:
        job_name: its name.
        report: where events go.
        timeout: seconds.
        hosts: the other EnOSlib provider, where it gave the machines.

    Raises:
        NxcError: it is in use, or something of it could not be ended.
    """
    if state.find(job_name) is None:
        return
    with (
        step(report, Phase.DESTROY, f"destroy {job_name}") as destroying,
        state.claim(job_name) as home,
    ):
        deployment = home.load()
        if deployment is not None:
            flavour = flavours.on(deployment.flavour, lent=deployment.lent, hosts=hosts)
            for trouble in flavour.platform().release(deployment, home, timeout):
                destroying.progress(trouble)
        home.remove()


def running(job_name: str) -> bool:
    """Tell whether a deployment of that name is up, as far as this machine can see."""
    home = state.find(job_name)
    deployment = home.load() if home else None
    if deployment is None:
        return False
    expected = {m.host for m in deployment.machines.values() if m.state != "lost"}
    up = {m.host for m in deployment.machines.values() if m.state == "up"}
    flavour = flavours.on(deployment.flavour, lent=deployment.lent)
    alive = up == expected and home is not None and up <= flavour.boot().alive(deployment, home)
    return alive and flavour.platform().connected(deployment)


def _previous(settings: Settings, home: Home, *, lent: bool) -> Deployment | None:
    """Return the record of the same name; another flavour's machines are not ours to touch."""
    previous = home.load()
    if previous and previous.lent != lent:
        runs = "hosts of another provider" if previous.lent else "machines of its own"
        raise StateError(
            f"deployment {home.job_name} runs on {runs}",
            resolution="give the provider as hosts=, as when it was made; or destroy() it first"
            if previous.lent
            else "leave hosts= out, destroy() it first, or use another job_name",
        )
    if previous and previous.flavour != settings.flavour:
        raise StateError(
            f"deployment {home.job_name} runs with flavour {previous.flavour}, "
            f"not {settings.flavour}",
            resolution="destroy() it first, or give this configuration another job_name",
        )
    return previous


@contextmanager
def _withdrawn_unused(home: Home, platform: Platform, timeout: float) -> Iterator[None]:
    """Give back all machines when none of them was started before the body failed."""
    try:
        yield
    except BaseException:
        deployment = home.load()
        if deployment and all(m.state == "planned" for m in deployment.machines.values()):
            platform.release(deployment, home, timeout)
            home.remove()
        raise


def _acquire(
    settings: Settings,
    home: Home,
    report: Reporter,
    platform: Platform,
    plan: Plan,
    built: Artifacts,
    previous: Deployment | None,
) -> Deployment:
    """Get machines, and record them before anything of them is started."""
    with step(report, Phase.ACQUIRE, "get machines") as acquiring:
        grant = platform.acquire(settings, home, plan, previous)
        if previous and grant.machines == previous.machines:
            acquiring.noop(f"{len(grant.machines)} machines are held already")
    deployment = Deployment(
        job_name=home.job_name,
        token=previous.token if previous else secrets.token_hex(8),
        flavour=settings.flavour,
        artifacts=built,
        plan=plan,
        machines=grant.machines,
        networks=grant.networks,
        lent=grant.lent,
        ours_to_end=grant.ours_to_end,
        ssh_user=settings.ssh.user,
        ssh_key=settings.ssh.key.expanduser() if settings.ssh.key else home.key,
        created=previous.created if previous else time.time(),
    )
    if deployment != previous:
        home.save(deployment)
    return deployment


def _gone(previous: Deployment, deployment: Deployment) -> list[str]:
    """Return the hosts that are no more, but for those whose lent machine goes to another."""
    lent = {(m.ssh_host, m.ssh_port) for m in deployment.machines.values() if m.entry}
    return [
        host
        for host, machine in previous.machines.items()
        if host not in deployment.machines and (machine.ssh_host, machine.ssh_port) not in lent
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
        user=settings.ssh.user,
        parameters=settings.parameters,
    )


def _identities(settings: Settings, deployment: Deployment, boot: Boot) -> dict[str, Identity]:
    """Return what each host should run."""
    wanted = {}
    for node in deployment.plan.nodes:
        wanted[node.host] = Identity(
            host=node.host,
            role=node.role,
            toplevel=deployment.artifacts.roles[node.role].toplevel,
            digest=context.digest(
                parameters=settings.parameters,
                kernel_params=settings.kernel_params,
                shape=boot.shape(settings, node, deployment.machines[node.host]),
            ),
        )
    return wanted


def _reach(run: Run, host: str) -> Access:
    """Return how we reach a machine: those left as NXC made them get keys at a boot only."""
    how = reach.own if run.settings.ssh.trust == "pin" else reach.access
    return how(run.deployment, run.home, host)
