"""`resources`: a configuration's machines and networks in EnOSlib's form."""

from __future__ import annotations

from collections.abc import Mapping

from enoslib_nxc.errors import ConfigError
from enoslib_nxc.machine_conf import (
    machine_mistakes,
    machine_of,
    mappings,
    network_of,
    role_table,
    unknown_keys,
)
from enoslib_nxc.mistakes import Mistake, config_error, show


def read(given: Mapping[str, object]) -> dict[str, object]:
    """Turn EnOSlib's `resources` into `roles` and `networks`.

    Args:
        given: a configuration's keys, `resources` among them.

    Raises:
        ConfigError: with everything that is wrong in them.
    """
    from enoslib_nxc.config_errors import role_mistakes

    described = given["resources"]
    if not isinstance(described, Mapping):
        raise ConfigError(f"resources: {show(described)} is not a mapping")
    mistakes = unknown_keys(described, ("machines", "networks"), path="resources")
    mistakes += [
        Mistake("resources", f"give resources or {key}, not both")
        for key in ("roles", "networks")
        if given.get(key) is not None
    ]
    if mistakes:
        raise config_error(mistakes)
    machines = mappings(described.get("machines") or [], path="resources.machines")
    networks = mappings(described.get("networks") or [], path="resources.networks")
    for path, each in machines:
        mistakes += machine_mistakes(each, path=path) or role_mistakes(
            machine_of(each).description(), path=path
        )
    if mistakes:
        raise config_error(mistakes)
    return {
        "roles": role_table(machine_of(each) for _, each in machines),
        "networks": [network_of(each, path=path).to_dict() for path, each in networks] or None,
    }
