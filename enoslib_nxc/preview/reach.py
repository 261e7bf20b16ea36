"""Which role can reach which, by the networks of their hosts; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from enoslib_nxc.data import Data
from enoslib_nxc.outlook import Net


class Reach(Data):
    """Whom the hosts of one role can reach.

    Args:
        role: role of the composition.
        all_of: roles of which each host reaches every other.
        some_of: roles of which only some hosts reach some.
        none_of: roles of which nobody reaches anybody.
    """

    role: str
    all_of: tuple[str, ...] = ()
    some_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


def reach(
    roles: Mapping[str, Sequence[str]],
    cards: Mapping[str, Sequence[str]],
    networks: Sequence[Net],
) -> tuple[Reach, ...]:
    """Return whom each role can reach.

    Two hosts reach each other over a network that both are on, or over two that something
    joins (`Net.routed`). It takes hosts of any number of groups: what counts is the networks.

    Args:
        roles: role -> its hosts.
        cards: host -> ids of its networks.
        networks: all of them.
    """
    joined = {network.id: network.routed for network in networks}

    def places(host: str) -> set[tuple[str, str]]:
        ids = cards.get(host, ())
        routed = {("routed", joined[each]) for each in ids if joined.get(each)}
        return {("on", each) for each in ids} | routed

    found = {host: places(host) for hosts in roles.values() for host in hosts}
    return tuple(_of(role, roles, found) for role in roles)


def _of(
    role: str,
    roles: Mapping[str, Sequence[str]],
    places: Mapping[str, set[tuple[str, str]]],
) -> Reach:
    kinds: dict[str, list[str]] = {"all_of": [], "some_of": [], "none_of": []}
    for other, hosts in roles.items():
        pairs = [(a, b) for a, b in product(roles[role], hosts) if a != b]
        met = [bool(places[a] & places[b]) for a, b in pairs]
        if not met:
            continue  # a role of one host, and itself
        kind = "all_of" if all(met) else "some_of" if any(met) else "none_of"
        kinds[kind].append(other)
    return Reach(role=role, **{kind: tuple(names) for kind, names in kinds.items()})
