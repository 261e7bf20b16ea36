"""From machines to what EnOSlib works with: Host, Roles, Networks."""

from __future__ import annotations

from enoslib.objects import DefaultNetwork, Host, Networks, Roles

from enoslib_nxc import inventory, reach
from enoslib_nxc.config import Settings
from enoslib_nxc.g5k import networks as site_networks
from enoslib_nxc.model import Deployment, Node, Part
from enoslib_nxc.names import NETWORK_ROLE, ROLE_VARIABLE
from enoslib_nxc.state import Home


class NxcNetwork(DefaultNetwork):  # type: ignore[misc]
    """The network by which the machines of a deployment know each other.

    EnOSlib tells by a network's class which provider made it.
    """


def to_host(deployment: Deployment, home: Home, planned: Node) -> Host:
    """Return EnOSlib's view of a machine.

    `address` is the one that other machines use: services of EnOSlib hand it to them, and
    match hosts by it. How it is reached from here is in `extra`, and the role whose system it
    runs, by which tasks that would install something know that they need not (`presence/`).
    """
    machine = deployment.machines[planned.host]
    access = reach.access(deployment, home, machine.host)
    extra = inventory.variables(access, machine.boot_id)
    if not machine.stock:
        extra[ROLE_VARIABLE] = planned.role
    if machine.python:
        extra["ansible_python_interpreter"] = machine.python
    # EnOSlib's services find nodes of Grid'5000 by their names (Kwollect, fw_create)
    node = machine.reserved
    return Host(
        machine.ssh_host if node else machine.address,
        alias=node.node if node else machine.host,
        user=access.user,
        keyfile=str(access.key) if access.key else None,
        extra=extra,
    )


def to_roles(deployment: Deployment, home: Home) -> Roles:
    """Return the machines that are up, by role of the composition and by tag."""
    roles = Roles()
    for node in deployment.plan.nodes:
        if deployment.machines[node.host].state == "up":
            roles.add_one(to_host(deployment, home, node), [node.role, *node.tags])
    return roles


def to_networks(deployment: Deployment, settings: Settings) -> Networks:
    """Return the machines' networks under its own key and those of the configuration.

    Those of Grid'5000 are EnOSlib's own.

    Raises:
        ApiError: the Grid'5000 API, which describes them, cannot be asked.
    """
    networks = Networks()
    for network, keys in site_networks.describe(deployment.site_networks):
        networks.add_one(network, list(keys))
    shared = {NETWORK_ROLE, *(key for wish in settings.networks for key in wish.roles)}
    for part in deployment.parts:
        # a network of its own bears the name of what is on it, where there are several
        own = {part.flavour} if len(deployment.parts) > 1 else set()
        for cidr in () if _on_site(deployment, part) else part.networks:
            networks.add_one(NxcNetwork(cidr), sorted(shared | own))
    return networks


def _on_site(deployment: Deployment, part: Part) -> bool:
    """Tell whether the site's own networks are those of a part."""
    machines = deployment.only(part.flavour).machines.values()
    return any(machine.reserved for machine in machines)
