"""What OAR knows of the state of each node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from enoslib_nxc.rehearsal.resources import Resource

ALIVE, ABSENT, SUSPECTED, DEAD = "Alive", "Absent", "Suspected", "Dead"
"""OAR's states of a node."""


class NodeStates:
    """The states of a site's nodes; each is alive until something else is said of it."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def of(self, host: str) -> str:
        """Return the state of a node."""
        return self._states.get(host, ALIVE)

    def put(self, hosts: Iterable[str], state: str) -> None:
        """Change the state of nodes."""
        self._states.update(dict.fromkeys(hosts, state))

    def usable(self, resources: Mapping[int, Resource], *states: str) -> frozenset[int]:
        """Return the resources that are in one of some states, or on no node.

        Args:
            resources: number -> resource.
            states: which.
        """
        return frozenset(
            uid
            for uid, resource in resources.items()
            if not resource.host or self.of(resource.host) in states
        )
