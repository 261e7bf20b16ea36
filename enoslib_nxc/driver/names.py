"""The names that machines have in a test script; pure."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def named(roles: Mapping[str, Sequence[str]], machines: Mapping[str, T]) -> dict[str, T]:
    """Return identifier -> machine.

    A machine is found under its host name, and under its role: ROLE is the first of the
    role's machines, ROLE1 to ROLEn are all of them, so that a script written for one count
    or for other host names runs. Host names come before roles.

    Args:
        roles: role -> its hosts, in order.
        machines: host -> machine; hosts that are not in it are left out.
    """
    found = {identifier(host): machine for host, machine in machines.items()}
    for role, hosts in roles.items():
        present = [machines[host] for host in hosts if host in machines]
        for number, machine in enumerate(present, 1):
            found.setdefault(identifier(f"{role}{number}"), machine)
        if present:
            found.setdefault(identifier(role), present[0])
    return found


def identifier(name: str) -> str:
    """Return a name as Python writes it: "_" for what no identifier has, as NixOS does."""
    made = re.sub(r"^[^A-Za-z_]|[^A-Za-z0-9_]", "_", name)
    return f"{made}_" if keyword.iskeyword(made) else made
