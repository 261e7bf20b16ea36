"""Descriptions of machines and networks as EnOSlib's users give them, before any check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from ipaddress import IPv4Network
from pathlib import PurePath
from typing import Any

from enoslib_nxc.mistakes import Mistake, config_error, nearest, show

# Keys of other EnOSlib providers' machines, and what to say of them here.
_ELSEWHERE = {
    "address": "name the machines with hosts; this provider makes them",
    "flavour_desc": "a machine has memory (MiB) and cores",
    "number": "did you mean nodes?",
    "site": "the cluster, or the names of the servers, tell it",
}


@dataclass
class MachineConfiguration:
    """Machines of one role.

    Args:
        roles: the composition's role first; further ones are tags, that is, further keys
            in EnOSlib's Roles.
        nodes: number of machines; without it and `hosts`, the composition's
            `rolesDistribution`, else one.
        hosts: host names, instead of `nodes`.
        min: machines that must come up; all when None.
        memory: MiB for each; the flavour's default when None.
        cores: virtual cores of each; the flavour's default when None.
        flavour: where and how it runs, instead of the configuration's flavour.
        cluster: Grid'5000: cluster to take nodes of.
        servers: Grid'5000: the very nodes.
        primary_network: Grid'5000: the network of the first card, its id or itself.
        secondary_networks: Grid'5000: those of further cards.
        reservable_disks: Grid'5000: reserve the disks too.
    """

    roles: list[str] = field(default_factory=list)
    nodes: int | None = None
    hosts: list[str] | None = None
    min: int | None = None
    memory: int | None = None
    cores: int | None = None
    flavour: str | None = None
    cluster: str | None = None
    servers: list[str] | None = None
    primary_network: str | NetworkConfiguration | None = None
    secondary_networks: list[str | NetworkConfiguration] | None = None
    reservable_disks: bool | None = None

    def description(self) -> dict[str, object]:
        """Return it as an entry of the configuration's `roles`, in full."""
        given = {
            "nodes": self.nodes,
            "hosts": self.hosts,
            "tags": self.roles[1:] or None,
            "min": self.min,
            "memory": self.memory,
            "cores": self.cores,
            "flavour": self.flavour,
            "cluster": self.cluster,
            "servers": self.servers,
            "primary_network": _id(self.primary_network),
            "secondary_networks": _ids(self.secondary_networks),
            "reservable_disks": self.reservable_disks,
        }
        return {key: plain(value) for key, value in given.items() if value is not None}


_ALIKE = (
    "tags",
    "memory",
    "cores",
    "flavour",
    "cluster",
    "primary_network",
    "secondary_networks",
    "reservable_disks",
)
"""What all machines of a role have alike."""

_MACHINE_FIELDS = tuple(each.name for each in fields(MachineConfiguration)[1:])


@dataclass
class NetworkConfiguration:
    """A network, or further names of the one that the machines share.

    Args:
        roles: keys in EnOSlib's Networks.
        id: Grid'5000: its name in descriptions of machines.
        type: Grid'5000: what to reserve, "prod" when None.
        site: Grid'5000: its site, that of the machines when None.
    """

    roles: list[str] = field(default_factory=list)
    id: str | None = None
    type: str | None = None
    site: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return plain data."""
        given = {"roles": self.roles, "id": self.id, "type": self.type, "site": self.site}
        return {key: plain(value) for key, value in given.items() if value is not None}


def _id(network: object) -> object:
    """Return the id of a network given as itself (as EnOSlib does), or what was given."""
    return network.id if isinstance(network, NetworkConfiguration) else network


def _ids(networks: object) -> object:
    return [_id(each) for each in networks] if isinstance(networks, list | tuple) else networks


def machine_mistakes(given: Mapping[str, object], *, path: str) -> list[Mistake]:
    """Find what is wrong with the form of a machine description; see `machine_of`.

    Args:
        given: the description.
        path: where it stands: "add_machine", "resources.machines[0]".
    """
    known = ("role", "roles", "tags", *_MACHINE_FIELDS)
    mistakes = unknown_keys(given, known, path=path)
    if "role" in given and "roles" in given:
        mistakes.append(Mistake(path, "give role or roles, not both"))
    role = given.get("role", given.get("roles"))
    words = [*_words(role), *_words(given.get("tags"))]
    if not _words(role) or not all(isinstance(word, str) and word for word in words):
        hint = 'roles=["ROLE"]; the first is the composition\'s, others are tags'
        mistakes.append(Mistake(path, f"{show(plain(role))} names no role", hint))
    return mistakes


def machine_of(given: Mapping[str, Any]) -> MachineConfiguration:
    """Read a machine description of the EnOSlib kind, in which no mistake was found.

    Args:
        given: `roles` (or `role`), and the other fields of `MachineConfiguration`; `tags`
            are added to the roles.
    """
    words = [*_words(given.get("role", given.get("roles"))), *_words(given.get("tags"))]
    rest = {key: given[key] for key in _MACHINE_FIELDS if key in given}
    return MachineConfiguration(list(dict.fromkeys(words)), **rest)


def network_of(given: Mapping[str, object], *, path: str) -> NetworkConfiguration:
    """Read one network description.

    Args:
        given: `roles`, keys in EnOSlib's Networks, and the other fields of
            `NetworkConfiguration`.
        path: where it stands, for messages.

    Raises:
        ConfigError: unknown keys, or no roles.
    """
    known = tuple(each.name for each in fields(NetworkConfiguration))
    mistakes = unknown_keys(given, known, path=path)
    roles = _words(given.get("roles"))
    if not roles or not all(isinstance(word, str) and word for word in roles):
        mistakes.append(Mistake(path, f"{show(plain(given.get('roles')))} names no role"))
    if mistakes:
        raise config_error(mistakes)
    rest: dict[str, Any] = {key: value for key, value in given.items() if key != "roles"}
    return NetworkConfiguration(roles, **rest)


def role_table(machines: Iterable[MachineConfiguration]) -> dict[str, dict[str, object]]:
    """Return role -> description, several descriptions of a role merged into one.

    Counts add up, host names follow each other, and so do the minima, where one that is
    absent stands for all its machines.

    Raises:
        ConfigError: descriptions of one role that cannot be one: other tags, memory and the
            like, or a count beside names.
    """
    table: dict[str, MachineConfiguration] = {}
    for machine in machines:
        role = machine.roles[0]
        table[role] = _merge(role, table[role], machine) if role in table else machine
    return {role: machine.description() for role, machine in table.items()}


def _merge(
    role: str, one: MachineConfiguration, two: MachineConfiguration
) -> MachineConfiguration:
    differing = [
        name for name in _ALIKE if one.description().get(name) != two.description().get(name)
    ]
    if differing:
        raise config_error(
            [
                Mistake(
                    f"roles.{role}",
                    f"described twice, with other {' and '.join(differing)}",
                    "describe it once, or alike; a role of the composition has one description",
                )
            ]
        )
    if (one.hosts is None) != (two.hosts is None):
        raise config_error([Mistake(f"roles.{role}", "described by nodes and by hosts")])
    if (one.servers is None) != (two.servers is None):
        raise config_error([Mistake(f"roles.{role}", "described by cluster and by servers")])
    absent = one.min is None and two.min is None
    return replace(
        one,
        nodes=None if one.hosts is not None else _size(one) + _size(two),
        hosts=None if one.hosts is None else [*one.hosts, *(two.hosts or ())],
        min=None if absent else sum(_size(m) if m.min is None else m.min for m in (one, two)),
        servers=None if one.servers is None else [*one.servers, *(two.servers or ())],
    )


def _size(machine: MachineConfiguration) -> int:
    named = machine.hosts if machine.hosts is not None else machine.servers
    if machine.hosts is None and machine.nodes is not None:
        return machine.nodes
    return len(named) if named is not None else 1


def machines_of(roles: Mapping[str, object]) -> list[MachineConfiguration]:
    """Read the configuration's `roles`, already checked: count, host names or description."""
    machines = []
    for role, given in roles.items():
        if isinstance(given, Mapping):
            machine = machine_of({**given, "role": role})
        elif isinstance(given, int):
            machine = MachineConfiguration([role], nodes=given)
        else:
            machine = MachineConfiguration([role], hosts=_words(given) or None)
        machines.append(machine)
    return machines


def short(description: dict[str, object]) -> object:
    """Return the shortest form of a role's description: a count, a list, or itself."""
    if list(description) in (["nodes"], ["hosts"]):
        return next(iter(description.values()))
    return description


def unknown_keys(
    given: Mapping[str, object], known: Sequence[str], *, path: str
) -> list[Mistake]:
    """Return a mistake for each key that is not known, with the nearest that is."""
    mistakes = []
    for key in given:
        if key in known:
            continue
        meant = nearest(str(key), known)
        hint = f"did you mean {meant}?" if meant else f"known keys: {', '.join(known)}"
        mistakes.append(Mistake(path, f"unknown key {key}", _ELSEWHERE.get(key, hint)))
    return mistakes


def plain(value: object) -> object:
    """Return a value as JSON and YAML know it; what they do not know is left for the check."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, PurePath):
        # `Path("./k3s")` forgets its dot, without which Nix looks k3s up in its registry
        text = str(value)
        return text if text.startswith(("/", "./", "../", "~")) else f"./{text}"
    if isinstance(value, IPv4Network):
        return str(value)
    return value


def _words(given: object) -> list[Any]:
    """Return a list of words, of which one may stand alone; [] for anything else."""
    if isinstance(given, str):
        return [given]
    return list(given) if isinstance(given, list | tuple) else []


def mappings(given: object, *, path: str) -> list[tuple[str, Mapping[str, object]]]:
    """Return each item of a list of mappings with its own path.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(given, list):
        raise config_error([Mistake(path, f"{show(given)} is not a list")])
    wrong = [
        Mistake(f"{path}[{place}]", f"{show(item)} is not a mapping")
        for place, item in enumerate(given)
        if not isinstance(item, Mapping)
    ]
    if wrong:
        raise config_error(wrong)
    return [(f"{path}[{place}]", item) for place, item in enumerate(given)]
