"""Host names: what may be one, how NXC gives them, whether two are the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from enoslib_nxc.mistakes import Mistake, show

# One label of RFC 1123 section 2.1. All digits are refused on top: tools read `12` as the
# address 0.0.0.12. No dots, since NixOS's networking.hostName takes none.
_LABEL = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)

HOST_NAME_RULE = "letters, digits and inner hyphens, not digits alone, at most 63"

JOB_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Names of deployments: each is that of a directory, and of a job."""

NETWORK_ROLE = "nxc"
"""Key of the machines' network in EnOSlib's Networks, beside those of the configuration."""

ROLE_VARIABLE = "enoslib_nxc_role"
"""Ansible's variable of a host that runs a system of a composition: its role."""

DIGEST_VARIABLE = "NXC_ID"
"""Variable of a container's first process: the digest of its identity, which machines with a
kernel of their own have on its command line (`playbooks/status.sh`)."""


def host_name_fault(name: str) -> str:
    """Return why a name cannot be a host's (RFC 1123), "" when it can."""
    if _LABEL.fullmatch(name) is None:
        return f"{show(name)} is not a host name ({HOST_NAME_RULE})"
    if name.lower() == "localhost":
        return f"{show(name)} is what each machine calls itself"
    return ""


def host_names(role: str, nodes: int | Sequence[str]) -> tuple[str, ...]:
    """Return the host names of a role, by NXC's rule.

    One machine is called ROLE, n machines ROLE1 to ROLEn; a list is taken as it is. So a
    role that grows from one machine to two renames the first: NXC's rule, kept because
    compositions refer to these names.

    Args:
        role: role of the composition.
        nodes: number of machines, or their names.
    """
    if not isinstance(nodes, int):
        return tuple(nodes)
    if nodes == 1:
        return (role,)
    return tuple(f"{role}{number}" for number in range(1, nodes + 1))


def repeated_hosts(hosts: Mapping[str, Sequence[str]]) -> list[Mistake]:
    """Find host names given to two machines; upper and lower case are the same (RFC 4343).

    Args:
        hosts: role -> its host names.

    Returns:
        A mistake for each name and pair of roles, in order.
    """
    first: dict[str, str] = {}
    mistakes = []
    for role, names in hosts.items():
        for name in names:
            other = first.setdefault(name.lower(), role)
            if other != role:
                text = f"host name {show(name)} is already taken by role {other}"
                mistakes.append(Mistake(f"roles.{role}", text, _RENAME))
        for name in _twice(names):
            text = f"host name {show(name)} is given twice"
            mistakes.append(Mistake(f"roles.{role}", text))
    return mistakes


_RENAME = "give one of them other names with hosts"


def _twice(names: Sequence[str]) -> list[str]:
    folded = [name.lower() for name in names]
    return [name for at, name in enumerate(names) if name.lower() in folded[:at]]
