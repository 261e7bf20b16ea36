"""EnOSlib's registry of processes, for hosts whose alias is not their address.

Ansible reports a result under a host's alias; `ProcessRegistry.build` (EnOSlib 10.9) looks for
it among addresses. On Grid'5000 the two are the same; elsewhere it fails with
UnboundLocalError, or takes another host for it, and so does a planning's `status()`.
"""

from __future__ import annotations

import copy
import functools

from enoslib.objects import Host, RolesLike
from enoslib.registry.process import ProcessRegistry
from enoslib.utils import _hostslike_to_roles


def mend() -> None:
    """Have it find them; once for a program, and for hosts of every provider."""
    build = ProcessRegistry.build.__func__
    if hasattr(build, "__wrapped__"):
        return

    @functools.wraps(build)
    def build_by_alias(
        cls: type[ProcessRegistry], glob: str, roles: RolesLike
    ) -> ProcessRegistry:
        given = _hostslike_to_roles(roles)
        hosts = {host.alias: host for host in given.all()}
        registry = build(cls, glob, [_by_alias(host) for host in hosts.values()])
        for process in registry.processes:
            process.host = hosts[process.host.alias]
        registry.roles = given
        return registry

    ProcessRegistry.build = classmethod(build_by_alias)


def _by_alias(host: Host) -> Host:
    """Return a host that is reached as before, and has its alias for an address."""
    made = copy.copy(host)
    made.address = host.alias
    # extra variables win over the address (EnosInventory._populate_with_roles)
    made.extra = {"ansible_host": host.address, **host.extra}
    return made
