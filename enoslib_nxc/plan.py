"""Binds roles to host names; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import count as count_from

from enoslib_nxc.config import Settings, naming_mistakes
from enoslib_nxc.config_roles import count
from enoslib_nxc.mistakes import Mistake, config_error, show, suggest
from enoslib_nxc.model import Node, Plan
from enoslib_nxc.names import host_names

GATEWAY = 254
"""Last byte of the address that the machines take for their gateway; no machine has it."""

Distribution = Mapping[str, int | tuple[str, ...]]


def make_plan(
    settings: Settings,
    built_roles: Collection[str],
    distribution: Distribution,
    previous: Plan | None = None,
) -> Plan:
    """Bind the roles of the configuration to host names.

    The configuration's `roles` says which roles run: a role that only the composition's
    distribution names is not started. The distribution decides how many machines a role
    gets where the configuration gives neither nodes nor hosts; one, where it does not either.

    A host that was in the previous plan keeps its index, and with it its address; new hosts
    get the lowest free ones. By NXC's naming rule, growing a role from one machine to two
    replaces host ROLE by ROLE1 and ROLE2, which are both new.

    Args:
        settings: the checked configuration.
        built_roles: roles that the composition has.
        distribution: role -> count or host names, as the composition proposes.
        previous: the plan that runs, None when nothing does.

    Returns:
        The nodes, in the order of the configuration.

    Raises:
        ConfigError: a role that was not built, two machines of one name, or more machines
            required than there are; with everything that is wrong.
    """
    machines = {
        role: given.machines or distribution.get(role, 1)
        for role, given in settings.roles.items()
    }
    mistakes = [
        *_unknown_roles(machines, built_roles),
        *naming_mistakes(machines),
        *_minimum_mistakes(settings, machines),
    ]
    if mistakes:
        raise config_error(mistakes)
    hosts = {host: role for role, given in machines.items() for host in host_names(role, given)}
    indexes = _indexes(hosts, previous)
    return Plan(nodes=tuple(_node(settings, h, r, indexes[h]) for h, r in hosts.items()))


def addresses(plan: Plan, network: IPv4Network) -> dict[str, IPv4Address]:
    """Return host -> address: the network's base and the node's index.

    Raises:
        ConfigError: the network has no room for that many machines.
    """
    if any(node.index >= GATEWAY for node in plan.nodes):
        raise config_error(
            [
                Mistake(
                    "roles",
                    f"{len(plan.nodes)} machines, but network {network} has room "
                    f"for {GATEWAY - 1}",
                    "give the roles fewer machines",
                )
            ]
        )
    return {node.host: network.network_address + node.index for node in plan.nodes}


def _node(settings: Settings, host: str, role: str, index: int) -> Node:
    given = settings.roles[role]
    return Node(
        host=host,
        role=role,
        tags=given.tags,
        index=index,
        memory=given.memory or settings.vm.memory,
        cores=given.cores or settings.vm.cores,
    )


def _indexes(hosts: Collection[str], previous: Plan | None) -> dict[str, int]:
    kept = {n.host: n.index for n in previous.nodes if n.host in hosts} if previous else {}
    taken = set(kept.values())
    free = (index for index in count_from(1) if index not in taken)
    return {host: kept[host] if host in kept else next(free) for host in hosts}


def _unknown_roles(wanted: Iterable[str], built: Collection[str]) -> list[Mistake]:
    return [
        Mistake(
            "",
            f"role {show(role)} is not in the composition",
            suggest(role, sorted(built), listed_as="its roles"),
        )
        for role in wanted
        if role not in built
    ]


def _minimum_mistakes(settings: Settings, machines: Distribution) -> list[Mistake]:
    """Compare the minima again, now that the distribution has had its say."""
    mistakes = [
        Mistake(f"roles.{role}.min", f"{given.min} is more than the role has ({size})")
        for role, given in settings.roles.items()
        if (given.min or 0) > (size := count(machines[role]))
    ]
    total = sum(count(given) for given in machines.values())
    if (settings.min or 0) > total:
        text = f"{settings.min} is more than all roles have together ({total})"
        mistakes.append(Mistake("min", text))
    return mistakes
