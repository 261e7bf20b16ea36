"""Getting machines of all platforms, and giving back what was not used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from enoslib_nxc.errors import told_beside
from enoslib_nxc.events import Phase, Reporter, step
from enoslib_nxc.g5k import published
from enoslib_nxc.model import Deployment, Machine
from enoslib_nxc.platforms import Grant, Platform
from enoslib_nxc.prepare import Ready, reserve
from enoslib_nxc.state import Home


@contextmanager
def withdrawn_unused(ready: Ready, home: Home) -> Iterator[None]:
    """Give back all machines when none of them was started before the body failed.

    Where that fails too, the body's error tells of it, and the record stays for `destroy()`.

    Args:
        ready: what `prepare` gave.
        home: the deployment's directory.
    """
    try:
        yield
    except BaseException as error:
        deployment = home.load()
        unused = deployment and all(m.state == "planned" for m in deployment.machines.values())
        kept = any(platform.keeps for platform in ready.platforms)
        if deployment and unused and not kept:
            seconds = ready.settings.deadlines.destroy
            if _released(ready.platforms, deployment, home, seconds, error):
                forget(home)
        raise


def _released(
    platforms: Mapping[Platform, tuple[str, ...]],
    deployment: Deployment,
    home: Home,
    seconds: float,
    error: BaseException,
) -> bool:
    """Give back what platforms gave; tell whether that worked, and the error why not."""
    done = True
    for platform, names in platforms.items():
        try:
            platform.release(deployment.only(*names), home, seconds)
        except Exception as second:  # whatever another provider raises
            told_beside(error, second, "what was held could not be given back")
            done = False
    return done


def forget(home: Home) -> bool:
    """Remove the record, unless it says what could not be taken back from a site.

    Args:
        home: the deployment's directory.

    Returns:
        Whether it is gone.
    """
    if published.load(home).files:
        return False
    home.remove()
    return True


def acquire(ready: Ready, home: Home, report: Reporter, *, force: bool) -> Deployment:
    """Get machines, and record them before anything of them is started.

    Args:
        ready: what `prepare` gave.
        home: the deployment's directory, held by this process.
        report: where events go.
        force: take machines over whatever they run.

    Returns:
        The record, as it is on disk.

    Raises:
        NxcError: there are not enough.
    """
    previous = ready.previous
    with step(report, Phase.ACQUIRE, "get machines") as acquiring:
        deployment = reserve(ready, home, force=force)
        deployment = _acquired(deployment, ready, home, report)
        deployment = deployment.model_copy(
            update={"plan": ready.plan.only(deployment.machines)}
        )
        if previous and deployment.machines == previous.machines:
            acquiring.noop(f"{len(deployment.machines)} machines are held already")
    if deployment != previous:
        home.save(deployment)
    return deployment


def _acquired(deployment: Deployment, ready: Ready, home: Home, report: Reporter) -> Deployment:
    """Return the record with what all platforms gave.

    Where one fails at the very first time, the others' is given back: it is not on record yet.
    """
    granted: dict[Platform, tuple[str, ...]] = {}
    try:
        for platform, names in ready.platforms.items():
            wish, plan = ready.settings.only(*names), ready.plan_of(names)
            grant = platform.acquire(wish, home, plan, ready.before(names), report)
            deployment = _granted(deployment, ready, names, grant)
            granted[platform] = names
    except BaseException as error:
        if ready.previous is None:
            unused = {each: names for each, names in granted.items() if not each.keeps}
            _released(unused, deployment, home, ready.settings.deadlines.destroy, error)
        raise
    return deployment


def _granted(
    deployment: Deployment, ready: Ready, names: tuple[str, ...], grant: Grant
) -> Deployment:
    """Return the record with what a platform gave, instead of what it gave before."""
    flavour_of = {n.host: ready.settings.flavour_of(n.role) for n in ready.plan.nodes}
    others = {h: m for h, m in deployment.machines.items() if m.flavour not in names}
    given = {
        host: machine.model_copy(
            update={"flavour": flavour_of[host], "stock": ready.sides[flavour_of[host]].stock}
        )
        for host, machine in grant.machines.items()
    }
    about = {
        "networks": grant.networks,
        "lent": grant.lent,
        "ours_to_end": grant.ours_to_end,
        "vm_hosts": grant.vm_hosts,
    }
    parts = tuple(
        part.model_copy(update=about) if part.flavour in names else part
        for part in deployment.parts
    )
    update = {"parts": parts, "machines": {**others, **given}}
    if grant.site_networks:
        update["site_networks"] = grant.site_networks
    return deployment.model_copy(update=update)


def gone(previous: Deployment, deployment: Deployment) -> list[str]:
    """Return the hosts that are no more, or run with another flavour now.

    Not those whose lent machine goes to another host; and nodes of a job that is over are no
    longer ours to touch.

    Args:
        previous: the record as it stood, of one flavour.
        deployment: the record.
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
        if _flavour(deployment, host) != machine.flavour and ours(machine)
    ]


def _flavour(deployment: Deployment, host: str) -> str:
    machine = deployment.machines.get(host)
    return machine.flavour if machine else ""
