"""The environment that nodes of a Grid'5000 deploy job run before kexec, or keep.

On such a job nothing but Kadeploy lets a user in as root.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from enoslib_nxc import parallel, pins, ssh
from enoslib_nxc.boots import Run
from enoslib_nxc.errors import BootError, NxcError, UnreachableError
from enoslib_nxc.events import Event, Phase, Status, step
from enoslib_nxc.g5k import deployments, where
from enoslib_nxc.g5k.deployments import Failure, Order
from enoslib_nxc.model import Machine
from enoslib_nxc.parallel import Outcomes
from enoslib_nxc.wait import Deadline

T = TypeVar("T")

SECONDS = 1200.0
"""For one deployment: servers take minutes for each of their reboots, and there are two."""

ANSWER_SECONDS = 45.0
"""For a site's frontend to say that the way there is open."""


def resettable(machine: Machine) -> bool:
    """Tell whether a machine can be deployed from here, whatever has become of it."""
    return machine.reserved is not None and machine.reserved.deploy


def reached(
    run: Run,
    hosts: Iterable[str],
    look: Callable[[str], T],
    *,
    anew: Collection[str] = (),
) -> Outcomes[T]:
    """Look at machines; those of a deploy job that do not answer are deployed first.

    Not those that were up, where nothing of their site answers.

    Args:
        run: the run.
        hosts: which.
        look: finds out about a machine; raises `UnreachableError` where no root comes in.
        anew: those that are deployed even if they answer.
    """
    found = parallel.each(hosts, look)
    unreachable = {h for h, e in found.failed.items() if isinstance(e, UnreachableError)}
    deployed = {h for h in unreachable | set(anew) if resettable(run.machine(h))}
    deployed -= cut_off(run, deployed & unreachable)
    if not deployed:
        return found
    failed = install(run, deployed)
    again = parallel.each(deployed - failed.keys(), look)
    found.done = {**{h: t for h, t in found.done.items() if h not in failed}, **again.done}
    found.failed = {
        **{host: e for host, e in found.failed.items() if host not in deployed},
        **failed,
        **again.failed,
    }
    return found


def cut_off(run: Run, hosts: Iterable[str]) -> set[str]:
    """Return the hosts that were up, and may be still: the way to their site is broken.

    An agent without the key, or an access machine that is down, silences healthy nodes.

    Args:
        run: the run.
        hosts: hosts on nodes that do not answer.
    """
    sites: dict[str, set[str]] = defaultdict(set)
    for host in hosts:
        machine = run.machine(host)
        if machine.reserved and machine.state == "up":
            sites[machine.reserved.site].add(host)

    def answers(site: str) -> None:
        # None: we are on it
        if frontend := where.frontend(run.settings.g5k, site, run.deployment.login):
            ssh.script(frontend, "true", timeout=ANSWER_SECONDS)

    silent = parallel.each(sites, answers).failed
    return {host for site in silent for host in sites[site]}


def install(run: Run, hosts: Iterable[str]) -> dict[str, NxcError]:
    """Deploy `g5k.env_name` on nodes, those of each site and kavlan at once.

    Args:
        run: the run.
        hosts: hosts on nodes of deploy jobs.

    Returns:
        host -> why it was not deployed.
    """
    groups: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for host in hosts:
        if node := run.machine(host).reserved:
            groups[node.site, node.vlan][node.node] = host
    if not run.settings.g5k.env_name:
        return {
            host: BootError(
                f"{host} ({node}) lets no root in",
                resolution="set g5k.env_name: what a node of a deploy job runs before kexec",
            )
            for names in groups.values()
            for node, host in names.items()
        }
    named = {f"{site} {vlan}": (site, vlan) for site, vlan in groups}
    deadline = Deadline(SECONDS)
    outcome = parallel.each(
        named,
        lambda name: _deploy(run, *named[name], groups[named[name]], deadline),
        cancel=deadline.cancel,
    )
    failed = {host: error for errors in outcome.done.values() for host, error in errors.items()}
    for name, error in outcome.failed.items():
        failed |= dict.fromkeys(groups[named[name]].values(), error)
    return failed


def _deploy(
    run: Run, site: str, vlan: str, names: dict[str, str], deadline: Deadline
) -> dict[str, NxcError]:
    """Deploy nodes of one site and kavlan; return host -> why it was not.

    Args:
        run: the run.
        site: the site.
        vlan: number of the kavlan, "" for none.
        names: node -> host.
        deadline: until when.
    """
    environment = str(run.settings.g5k.env_name)
    order = Order(
        site=site,
        nodes=tuple(names),
        environment=environment,
        key=json.loads(run.context.text)["ssh_key.pub"],
        vlan=vlan,
        version=run.settings.g5k.env_version,
    )

    def say(told: str) -> None:
        run.report(Event(Phase.BOOT, Status.PROGRESS, site, told))

    with step(run.report, Phase.BOOT, f"deploy {environment}", subject=site):
        failed = deployments.deploy(order, deadline, say)
    for node in names.keys() - failed.keys():
        # what it ran before had other keys
        pins.pin(run.home.entry_hosts, node)
        pins.pin(run.home.known_hosts, names[node])
    return {names[node]: _told(names[node], node, why) for node, why in failed.items()}


def _told(host: str, node: str, failure: Failure) -> BootError:
    return BootError(f"{host} ({node}): {failure.told}", details=failure.details)
