"""Kavlan: which network each card of a node is on, and who may change it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from enoslib_nxc.rehearsal.replies import Json, JsonObject, RefusalError
from enoslib_nxc.rehearsal.site import Node, Site

DEFAULT = "DEFAULT"
"""Id of the production network in this part of the API (EnOSlib, PROD_VLAN_ID)."""

Rights = Callable[[str, str], bool]
"""User and FQDN, or user and kavlan id -> whether a job of theirs that runs has it."""


class Vlans:
    """The networks of one site's cards.

    Args:
        site: the site.
        node_rights: who may change the cards of which node.
        vlan_rights: who may use which kavlan.
        moved: told of each card that goes elsewhere.
    """

    def __init__(
        self,
        site: Site,
        node_rights: Rights,
        vlan_rights: Rights,
        moved: Callable[[Node, int, str], None],
    ) -> None:
        self._cards = {
            node.nic_name(nic): (node, nic)
            for node in site.nodes
            for nic in range(node.cluster.nics)
        }
        self._kinds = {vlan.uid: vlan.kind for vlan in site.vlans.values() if vlan.kind}
        self._node_rights = node_rights
        self._vlan_rights = vlan_rights
        self._moved = moved
        self._where: dict[str, str] = {}

    def all(self) -> Sequence[JsonObject]:
        """Describe all kavlans, and the production network."""
        return [self.one(uid) for uid in (*self._kinds, DEFAULT)]

    def one(self, uid: str) -> JsonObject:
        """Describe a kavlan.

        Raises:
            RefusalError: 404.
        """
        if uid not in self._kinds and uid != DEFAULT:
            raise RefusalError(404, f"Vlan {uid} does not exist")
        # the type of the production network is not documented; it is left out
        kind = self._kinds.get(uid)
        return {"uid": uid, "type": kind} if kind else {"uid": uid}

    def of(self, name: str) -> str:
        """Return the network of a card.

        Args:
            name: its DNS name.

        Raises:
            RefusalError: 404.
        """
        if name not in self._cards:
            raise RefusalError(404, f"Unknown node '{name}'.")
        return self._where.get(name, DEFAULT)

    def on(self, uid: str) -> Sequence[str]:
        """Return the names of the cards on a network."""
        self.one(uid)
        return [name for name in self._cards if self.of(name) == uid]

    def move(self, uid: str, names: Json, user: str) -> Mapping[str, JsonObject]:
        """Put cards on a network.

        Args:
            uid: the network.
            names: DNS names of the cards, as posted.
            user: who asks.

        Returns:
            What became of each (g5k-api, vlans_nodes_controller.rb).

        Raises:
            RefusalError: 403, 404 or 422.
        """
        self.one(uid)
        if not isinstance(names, list) or not names or not _texts(names):
            raise RefusalError(422, "Missing node list")
        known = [name for name in names if name in self._cards]
        granted = all(self._node_rights(user, self._cards[name][0].fqdn) for name in known)
        if not granted or (uid != DEFAULT and not self._vlan_rights(user, uid)):
            raise RefusalError(403, "Not enough privileges on Kavlan resources")
        return {name: self._move(name, uid) for name in names}

    def _move(self, name: str, uid: str) -> JsonObject:
        if name not in self._cards:
            return {"status": "failure", "message": "Unknown node"}
        if self.of(name) == uid:
            return {"status": "unchanged", "message": "Node already in vlan"}
        self._where[name] = uid
        self._moved(*self._cards[name], uid)
        return {"status": "success", "message": "Successfully added to vlan"}

    def release(self, fqdns: Sequence[str]) -> None:
        """Put all cards of some nodes back on the production network."""
        for name, (node, _) in self._cards.items():
            if node.fqdn in fqdns and self.of(name) != DEFAULT:
                self._move(name, DEFAULT)


def _texts(values: Sequence[object]) -> bool:
    return all(isinstance(value, str) for value in values)
