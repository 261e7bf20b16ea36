"""Deployments that an earlier process asked for, and did not see the end of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from enoslib_nxc.g5k.api import ApiError
from enoslib_nxc.g5k.deployments import UNDER_WAY, Failure, failures, listed, pause
from enoslib_nxc.wait import Deadline


@dataclass(frozen=True)
class Standing:
    """How it stands with a node's deployment.

    Args:
        under_way: whether it goes on.
        failure: why it failed; None when it did not, or goes on.
    """

    under_way: bool
    failure: Failure | None = None


def standing(site: str, login: str, nodes: Mapping[str, str]) -> dict[str, Standing]:
    """Return how it stands with deployments that somebody asked for earlier.

    Args:
        site: the site.
        login: the user's.
        nodes: FQDN -> address of the description that it was last deployed with.

    Returns:
        FQDN -> how it stands; nothing for nodes without such a deployment.

    Raises:
        ApiError: the API cannot be asked.
    """
    found = {}
    for deployment in listed(site, login):
        asked = deployment.get("nodes")
        for node, environment in nodes.items():
            if (
                isinstance(asked, list)
                and node in asked
                and deployment.get("environment") == environment
            ):
                under_way = deployment.get("status") in UNDER_WAY
                failure = None if under_way else failures([node], deployment).get(node)
                found[node] = Standing(under_way, failure)
    return found


def settled(
    site: str, login: str, nodes: Mapping[str, str], deadline: Deadline
) -> dict[str, Standing]:
    """Wait until no deployment that somebody asked for earlier goes on, or time is over.

    Args:
        site: the site.
        login: the user's.
        nodes: FQDN -> address of the description that it was last deployed with.
        deadline: until when.

    Raises:
        ApiError: the API cannot be asked.
    """
    if not nodes:
        return {}
    while True:
        try:
            found = standing(site, login, nodes)
        except ApiError as error:
            if not error.passing or deadline.passed:
                raise
        else:
            if deadline.passed or not any(one.under_way for one in found.values()):
                return found
        pause(deadline)
