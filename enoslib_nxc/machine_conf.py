"""Descriptions of machines and networks as EnOSlib's users give them, before any check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network
from pathlib import PurePath
from typing import Any

from enoslib_nxc.mistakes import Mistake, config_error, nearest, show

# Keys of other EnOSlib providers' machines, and what to say of them here.
_ELSEWHERE = {
    "address": "name the machines with hosts; this provider makes them",
    "cluster": "it belongs to Grid'5000, which no flavour here uses",
    "flavour": "set it for the whole configuration; a machine has memory (MiB) and cores",
    "flavour_desc": "a machine has memory (MiB) and cores",
    "number": "did you mean nodes?",
    "primary_network": "the machines share one network; see add_network",
    "secondary_networks": "the machines share one network; see add_network",
    "servers": "it belongs to Grid'5000, which no flavour here uses; host names go in hosts",
    "site": "it belongs to Grid'5000, which no flavour here uses",
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
    """

    roles: list[str] = field(default_factory=list)
    nodes: int | None = None
    hosts: list[str] | None = None
    min: int | None = None
    memory: int | None = None
    cores: int | None = None

    def description(self) -> dict[str, object]:
        """Return it as an entry of the configuration's `roles`, in full."""
        given = {
            "nodes": self.nodes,
            "hosts": self.hosts,
            "tags": self.roles[1:] or None,
            "min": self.min,
            "memory": self.memory,
            "cores": self.cores,
        }
        return {key: plain(value) for key, value in given.items() if value is not None}


_MACHINE_FIELDS = tuple(each.name for each in fields(MachineConfiguration)[1:])


@dataclass
class NetworkConfiguration:
    """Further names of the network that the machines share.

    Args:
        roles: keys in EnOSlib's Networks.
    """

    roles: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """Return plain data."""
        return {"roles": plain(self.roles)}


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
        given: `roles`, keys in EnOSlib's Networks.
        path: where it stands, for messages.

    Raises:
        ConfigError: unknown keys, or no roles.
    """
    mistakes = unknown_keys(given, ["roles"], path=path)
    roles = _words(given.get("roles"))
    if not roles or not all(isinstance(word, str) and word for word in roles):
        mistakes.append(Mistake(path, f"{show(plain(given.get('roles')))} names no role"))
    if mistakes:
        raise config_error(mistakes)
    return NetworkConfiguration(roles)


def role_table(machines: Iterable[MachineConfiguration]) -> dict[str, dict[str, object]]:
    """Return role -> description, several descriptions of a role merged into one.

    Counts add up, host names follow each other, and so do the minima, where one that is
    absent stands for all its machines.

    Raises:
        ConfigError: descriptions of one role that cannot be one: other tags, memory or
            cores, or a count beside host names.
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
        name
        for name in ("tags", "memory", "cores")
        if one.description().get(name) != two.description().get(name)
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
    absent = one.min is None and two.min is None
    return MachineConfiguration(
        roles=one.roles,
        nodes=None if one.hosts is not None else _size(one) + _size(two),
        hosts=None if one.hosts is None else [*one.hosts, *(two.hosts or ())],
        min=None if absent else sum(_size(m) if m.min is None else m.min for m in (one, two)),
        memory=one.memory,
        cores=one.cores,
    )


def _size(machine: MachineConfiguration) -> int:
    return len(machine.hosts) if machine.hosts is not None else machine.nodes or 1


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
