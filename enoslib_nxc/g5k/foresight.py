"""What can never work on Grid'5000, seen once the composition is built: before reserving."""

from __future__ import annotations

from collections.abc import Iterable

from enoslib.infra.enos_g5k.constants import KAVLAN_LOCAL

from enoslib_nxc import context
from enoslib_nxc.built import Artifacts
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import PlatformError
from enoslib_nxc.model import Machine, Plan

INSTALLED = "g5k-image"
"""The flavour that needs a tarball (NXC, flavours.json)."""

SHOWN = 4
"""Hosts that the error names."""

DEPLOYMENT_KEY = "ssh-ed25519 " + 68 * "A"
"""As long as the key that is made for the deployment, but for its comment."""


def check(
    settings: Settings, artifacts: Artifacts, plan: Plan, authorized: Iterable[str]
) -> None:
    """Refuse an image that is not there, and a deployment JSON that cannot arrive.

    Nodes on a local kavlan can fetch nothing: all that they are told is on their kernel
    command line. The boots look again, when they know each address.

    Args:
        settings: the configuration.
        artifacts: what was built.
        plan: roles bound to host names.
        authorized: the user's public keys.

    Raises:
        PlatformError: what is wrong, and what to do.
    """
    if settings.flavour == INSTALLED:
        require_image(artifacts)
    shut = [node.host for node in plan.nodes if node.role in _shut_roles(settings)]
    if not shut:
        return
    machines = {
        node.host: Machine(host=node.host, address=_address(number), ssh_host="")
        for number, node in enumerate(plan.nodes)
    }
    told = context.make(
        artifacts,
        plan,
        machines,
        authorized=[*authorized, DEPLOYMENT_KEY],
        user="",
        parameters=settings.parameters,
    )
    size = len(context.inline(told))
    if size > context.COMMAND_LINE_LIMIT:
        raise PlatformError(
            f"{', '.join(shut[:SHOWN])}{' ...' if shut[SHOWN:] else ''} would be on a local "
            "kavlan, where nothing can be fetched, and the deployment JSON does not fit a "
            f"kernel command line: it takes at least {size} characters, the limit is "
            f"{context.COMMAND_LINE_LIMIT}",
            resolution="use a routed kavlan (type kavlan), or fewer nodes and parameters",
        )


def require_image(artifacts: Artifacts) -> None:
    """Refuse artifacts without a tarball.

    Raises:
        PlatformError: there is none.
    """
    if not artifacts.image:
        raise PlatformError(
            "the composition was built without the image (tarball) that Kadeploy installs",
            resolution=f"build it for the flavour {INSTALLED}",
        )


def _address(number: int) -> str:
    """Return an address as short as any on a local kavlan: nothing is refused that may fit.

    They are in 192.168.192.0/18 (Grid'5000 wiki, "KaVLAN").
    """
    return f"192.168.{192 + number // 9}.{1 + number % 9}"


def _shut_roles(settings: Settings) -> set[str]:
    local = {network.id for network in settings.networks if network.type == KAVLAN_LOCAL}
    return {name for name, role in settings.roles.items() if role.primary_network in local}
