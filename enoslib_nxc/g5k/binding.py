"""Reserved nodes bound to the hosts of the plan; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from enoslib.infra.enos_g5k.objects import G5kHost

from enoslib_nxc.config import Settings
from enoslib_nxc.errors import PlatformError
from enoslib_nxc.model import Deployment, Job, Machine, Plan


def held(previous: Deployment | None, current: Iterable[Job]) -> dict[str, Machine]:
    """Return the recorded machines that the current jobs hold."""
    alive = {(job.site, job.uid) for job in current}
    return {
        host: machine
        for host, machine in (previous.machines if previous else {}).items()
        if machine.reserved and (machine.reserved.site, machine.reserved.job) in alive
    }


def bound(
    settings: Settings, plan: Plan, nodes: Iterable[G5kHost], kept: dict[str, Machine]
) -> dict[str, G5kHost]:
    """Bind hosts of the plan to nodes of their roles; those bound before stay.

    Args:
        settings: the configuration.
        plan: the hosts.
        nodes: those reserved, with the role that each was reserved for.
        kept: host -> its machine; those whose host or node is no longer wanted are taken out.

    Returns:
        host -> node; fewer than planned within `min`.

    Raises:
        PlatformError: the jobs have too few nodes.
    """
    free: dict[str, dict[str, G5kHost]] = {}
    for reserved in nodes:
        free.setdefault(reserved.roles[0], {})[reserved.fqdn] = reserved
    found: dict[str, G5kHost] = {}
    for node in plan.nodes:
        before = kept.get(node.host)
        if before and before.reserved and before.reserved.node in free.get(node.role, {}):
            found[node.host] = free[node.role].pop(before.reserved.node)
    for gone in [host for host in kept if host not in found]:
        del kept[gone]
    for node in plan.nodes:
        if node.host not in found and free.get(node.role):
            found[node.host] = free[node.role].pop(next(iter(free[node.role])))
    missing = [node.host for node in plan.nodes if node.host not in found]
    if missing and not _enough(settings, plan, found):
        raise PlatformError(
            f"the job has no node for {', '.join(missing)}",
            resolution="a running job does not grow: destroy() it first, or use another "
            "job_name; min says with how many to be content",
        )
    return found


def _enough(settings: Settings, plan: Plan, bound: Mapping[str, G5kHost]) -> bool:
    """Tell whether every role has its `min`."""
    for role, given in settings.roles.items():
        here = [host for host in plan.hosts_of(role) if host in bound]
        wanted = given.min if given.min is not None else len(plan.hosts_of(role))
        if settings.min is None and len(here) < wanted:
            return False
    return len(bound) >= (settings.min or 1)
