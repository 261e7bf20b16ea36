"""From machines to what EnOSlib works with: Host, Roles, Networks."""

from __future__ import annotations

from enoslib.objects import DefaultNetwork, Host, Networks, Roles

from enoslib_nxc import ssh
from enoslib_nxc.config import Settings
from enoslib_nxc.model import Deployment, Machine
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home

NETWORK_ROLE = "nxc"
"""Key of the machines' network in EnOSlib's Networks, beside those of the configuration."""


class NxcNetwork(DefaultNetwork):  # type: ignore[misc]
    """The network by which the machines of a deployment know each other.

    EnOSlib tells by a network's class which provider made it.
    """


def access(deployment: Deployment, home: Home, host: str) -> Access:
    """Return how ssh reaches a machine from here.

    Args:
        deployment: the record.
        home: the deployment's directory.
        host: host name.
    """
    machine = deployment.machines[host]
    return Access(
        name=host,
        address=machine.ssh_host,
        port=machine.ssh_port,
        user=deployment.ssh_user,
        key=deployment.ssh_key,
        known_hosts=home.known_hosts,
    )


def to_host(deployment: Deployment, home: Home, machine: Machine) -> Host:
    """Return EnOSlib's view of a machine.

    `address` is the one that other machines use: services of EnOSlib hand it to them, and
    match hosts by it. How it is reached from here is in `extra`.
    """
    reach = access(deployment, home, machine.host)
    extra = ssh.ansible_variables(reach)
    if machine.python:
        extra["ansible_python_interpreter"] = machine.python
    return Host(
        machine.address,
        alias=machine.host,
        user=deployment.ssh_user,
        keyfile=str(reach.key) if reach.key else None,
        extra=extra,
    )


def to_roles(deployment: Deployment, home: Home) -> Roles:
    """Return the machines that are up, by role of the composition and by tag."""
    roles = Roles()
    for node in deployment.plan.nodes:
        machine = deployment.machines[node.host]
        if machine.state == "up":
            roles.add_one(to_host(deployment, home, machine), [node.role, *node.tags])
    return roles


def to_networks(deployment: Deployment, settings: Settings) -> Networks:
    """Return the machines' network under its own key and those of the configuration."""
    networks = Networks()
    keys = {NETWORK_ROLE, *(key for wish in settings.networks for key in wish.roles)}
    networks.add_one(NxcNetwork(deployment.network), sorted(keys))
    return networks
