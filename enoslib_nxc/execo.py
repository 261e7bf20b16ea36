"""From machines to what execo works with, in the shape that NXC's users know.

NXC's `nixos_compose.nxc_execo.get_oar_job_nodes_nxc` returns `(nodes, roles)`: host name ->
`execo.Host`, and role of the composition -> list of the same objects. execo checks no host
key unless it is told to; a `Host` of its has no place for that, hence `connection_params`.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from enoslib_nxc import pins, reach, ssh
from enoslib_nxc.errors import PlatformError, ToolMissingError
from enoslib_nxc.model import Deployment
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home

if TYPE_CHECKING:
    from execo import Host

SSH_PORT = 22
"""The port that known_hosts leaves out (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""


def nodes_and_roles(
    deployment: Deployment, home: Home
) -> tuple[dict[str, Host], dict[str, list[Host]]]:
    """Return the machines that are up as hosts of execo.

    Args:
        deployment: the record.
        home: the deployment's directory.

    Returns:
        Host name -> host, in the order of the plan; role of the composition -> its hosts,
        the same objects.

    Raises:
        ToolMissingError: execo is not installed.
        PlatformError: a machine is not reached by ssh.
    """
    made = _execo().Host
    nodes: dict[str, Host] = {}
    roles: dict[str, list[Host]] = {}
    for name, access in _reached(deployment, home).items():
        key = str(access.key) if access.key else None
        nodes[name] = made(access.address, user=access.user, keyfile=key, port=access.port)
    for node in deployment.plan.nodes:
        if node.host in nodes:
            roles.setdefault(node.role, []).append(nodes[node.host])
    return nodes, roles


def connection_params(deployment: Deployment, home: Home) -> dict[str, tuple[str, ...]]:
    """Return execo's `connection_params` by which the pinned host keys are required.

    They hold for all machines of the deployment, and go before execo's own, as ssh takes the
    first value of an option. A machine is known by where ssh connects to, as execo has one
    set of options for all hosts; those keys are in a file of their own.

    Args:
        deployment: the record.
        home: the deployment's directory.

    Returns:
        execo's keys of ssh, scp and taktuk options.

    Raises:
        ToolMissingError: execo is not installed.
        PlatformError: machines are not reached by ssh, not all in the same way, or their
            host keys are on record with the user's own ssh alone.
    """
    defaults = _execo().config.default_connection_params
    reached = _reached(deployment, home)
    ways = {access.via for access in reached.values()}
    if len(ways) > 1:
        raise PlatformError(
            f"the machines of deployment {deployment.job_name} are reached by ssh in several "
            "ways; execo's connection_params are one for all",
            details="\n".join(f"{n}: {' '.join(a.via)}" for n, a in reached.items()),
            resolution="give ssh_options of your own to each Remote",
        )
    pins.copy([_held(access) for access in reached.values()], home.known_places)
    keyed = all(access.key for access in reached.values())
    identity = ("-o", "IdentitiesOnly=yes") if keyed else ()
    options = (*ssh.pinned(home.known_places), *identity, *(ways.pop() if ways else ()))
    keys = ("ssh_options", "scp_options", "taktuk_connector_options")
    return {key: (*options, *defaults[key]) for key in keys}


def _reached(deployment: Deployment, home: Home) -> dict[str, Access]:
    """Return how ssh gets to each machine that is up, in the order of the plan."""
    reached = {
        node.host: reach.access(deployment, home, node.host)
        for node in deployment.plan.nodes
        if node.host in deployment.machines and deployment.machines[node.host].state == "up"
    }
    inside = [name for name, access in reached.items() if access.through]
    if inside:
        raise PlatformError(
            f"execo reaches machines by ssh; {', '.join(inside)} "
            f"{'is a container' if len(inside) == 1 else 'are containers'} without it",
            resolution="use another flavour, such as nspawn or vm-ramdisk",
        )
    return reached


def _held(access: Access) -> tuple[Path, str, str]:
    """Return the file that has a machine's host keys, its name there, and its place."""
    if access.known_hosts is None:  # it keeps its own system, and is reached as the user does
        raise PlatformError(
            f"the host key of {access.name} is known to your own ssh alone",
            resolution="give execo ssh_options by which your known_hosts is used",
        )
    return access.known_hosts, access.name, _place(access)


def _place(access: Access) -> str:
    """Return the name under which ssh looks for the key of what it connects to."""
    if access.port == SSH_PORT:
        return access.address
    return f"[{access.address}]:{access.port}"


def _execo() -> ModuleType:
    """Return execo, which starts a process and a thread when it is imported."""
    try:
        import execo
    except ImportError as error:
        raise ToolMissingError(
            "execo is not installed; it is needed for hosts of execo",
            details=str(error),
            resolution="pip install 'enoslib-nxc[execo]'",
        ) from error
    return execo  # type: ignore[no-any-return]
