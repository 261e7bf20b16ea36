"""The way of one `init()`, and of one `destroy()`: the steps in their order."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from enoslib_nxc import artifacts as sources
from enoslib_nxc import context, hosts, keys, ssh, state
from enoslib_nxc.boots import Run
from enoslib_nxc.bring_up import BringUp, Keys
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import StateError
from enoslib_nxc.events import Phase, Reporter, step
from enoslib_nxc.flavours import FLAVOURS
from enoslib_nxc.model import Artifacts, Deployment, Identity, Machine, Plan
from enoslib_nxc.plan import make_plan
from enoslib_nxc.platforms import Platform
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home


def deploy(
    settings: Settings, home: Home, report: Reporter, *, force: bool = False
) -> Deployment:
    """Bring a deployment to what its configuration says; do nothing where it is so.

    Args:
        settings: the checked configuration.
        home: the deployment's directory, held by this process.
        report: where events go.
        force: boot every machine, whatever it runs.

    Returns:
        The record, as it is on disk.

    Raises:
        NxcError: what was wrong, and what to do.
    """
    flavour = FLAVOURS[settings.flavour]
    platform, boot = flavour.platform(), flavour.boot()
    previous = _previous(settings, home)
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
    with _withdrawn_unused(home, platform, settings.deadlines.destroy):
        deployment = _acquire(settings, home, report, platform, plan, built, previous)
        own = _keys(home, user_keys)
        run = Run(settings, home, deployment, _context(settings, deployment, own), report)
        if previous:
            gone = [host for host in previous.machines if host not in deployment.machines]
            boot.stop(run, gone)
        cut_off = platform.connect(deployment)
        bring_up = BringUp(boot, own, _reach)
        wanted = _identities(settings, deployment)
        fresh = list(wanted) if force or cut_off else []
        return bring_up(run, wanted, fresh=fresh).deployment


def destroy(job_name: str, report: Reporter, timeout: float) -> None:
    """End a deployment by its name alone; nothing happens when there is none.

    Args:
        job_name: its name.
        report: where events go.
        timeout: seconds.

    Raises:
        NxcError: it is in use, or something of it could not be ended.
    """
    if state.find(job_name) is None:
        return
    with (
        step(report, Phase.DESTROY, f"destroy {job_name}"),
        state.claim(job_name) as home,
    ):
        deployment = home.load()
        if deployment is not None:
            FLAVOURS[deployment.flavour].platform().release(deployment, timeout)
        home.remove()


def running(job_name: str) -> bool:
    """Tell whether a deployment of that name is up, as far as this machine can see."""
    home = state.find(job_name)
    deployment = home.load() if home else None
    if deployment is None:
        return False
    expected = {m.host for m in deployment.machines.values() if m.state != "lost"}
    up = {m.host for m in deployment.machines.values() if m.state == "up"}
    flavour = FLAVOURS[deployment.flavour]
    alive = up == expected and up <= flavour.boot().alive(deployment)
    return alive and flavour.platform().connected(deployment)


def _previous(settings: Settings, home: Home) -> Deployment | None:
    """Return the record of the same name; another flavour's machines are not ours to touch."""
    previous = home.load()
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
            platform.release(deployment, timeout)
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
    network = platform.network(settings)
    held: Mapping[str, Machine] = {}
    if previous and previous.network == network:
        held = previous.machines
    with step(report, Phase.ACQUIRE, "get machines") as acquiring:
        machines = platform.acquire(settings, plan, held)
        if previous and machines == previous.machines:
            acquiring.noop(f"{len(machines)} machines are held already")
    deployment = Deployment(
        job_name=home.job_name,
        token=previous.token if previous else secrets.token_hex(8),
        flavour=settings.flavour,
        artifacts=built,
        plan=plan,
        machines=machines,
        network=network,
        ssh_user=settings.ssh.user,
        ssh_key=settings.ssh.key.expanduser() if settings.ssh.key else home.key,
        created=previous.created if previous else time.time(),
    )
    if deployment != previous:
        home.save(deployment)
    return deployment


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


def _identities(settings: Settings, deployment: Deployment) -> dict[str, Identity]:
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
                shape={
                    "memory": node.memory,
                    "cores": node.cores,
                    "address": deployment.machines[node.host].address,
                },
            ),
        )
    return wanted


def _reach(run: Run, host: str) -> Access:
    """Return how we reach a machine ourselves.

    With the deployment's own key, which every machine trusts from its boot on: so another
    `ssh.key` needs no boot. Machines left as NXC made them get new keys at a boot only.
    """
    access = hosts.access(run.deployment, run.home, host)
    return replace(access, key=run.home.key) if run.settings.ssh.trust == "pin" else access
