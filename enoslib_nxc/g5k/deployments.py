"""Kadeploy through the Grid'5000 API: a deployment of many nodes, seen to its end.

Statuses and results are those of g5k-api 3.11.13 (deployment.rb): `waiting`, `processing`,
then `terminated`, also when nodes failed, `error` or `canceled`; `result` has for each node
its `state` (OK or KO) and the steps, `macro` and `micro`, in which it failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from grid5000.objects import Deployment as ApiDeployment

from enoslib_nxc.errors import PlatformError
from enoslib_nxc.g5k import api
from enoslib_nxc.g5k.api import ApiError
from enoslib_nxc.wait import Deadline

UNDER_WAY = ("waiting", "processing")
"""Statuses that change by themselves."""

POLL = 5.0
"""Seconds between two looks: a deployment takes minutes."""

SLICE = 0.25
"""Seconds between two looks at the deadline, which Ctrl-C lets pass."""

LOOKS = 6
"""Looks for a deployment whose creation was not answered: g5k-api may be at it still."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What to deploy.

    Args:
        site: the site.
        nodes: FQDNs, never those of a kavlan.
        environment: http(s) address of a description, or the name of an environment.
        key: public keys for root, one a line.
        vlan: number of the kavlan that the nodes' first cards go to, "" for none.
        version: of a named environment; None for the newest.
    """

    site: str
    nodes: tuple[str, ...]
    environment: str
    key: str
    vlan: str = ""
    version: int | None = None

    @property
    def body(self) -> dict[str, object]:
        """What the API is sent."""
        body: dict[str, object] = {
            "nodes": list(self.nodes),
            "environment": self.environment,
            "key": self.key,
        }
        if self.vlan:
            body["vlan"] = self.vlan
        if self.version is not None:
            body["version"] = self.version
        return body


@dataclass(frozen=True)
class Failure:
    """Why a node was not deployed.

    Args:
        told: after the node's name: "Kadeploy failed at BootNewEnv (wait_reboot)".
        details: what the API said besides.
    """

    told: str
    details: str = ""


def deploy(order: Order, deadline: Deadline, say: Say) -> dict[str, Failure]:
    """Deploy nodes, and wait for the end; a deployment that is given up is canceled.

    Args:
        order: what.
        deadline: until when.
        say: told of each change.

    Returns:
        The nodes that failed; all others run the environment.

    Raises:
        ApiError: the API refused, or could not be asked.
    """
    if deadline.passed:
        return dict.fromkeys(order.nodes, Failure("no time was left to deploy it"))
    started = _create(order, deadline)
    try:
        last = _follow(order, started, deadline, say)
    except BaseException:
        _cancel(order.site, started)
        raise
    if last.status in UNDER_WAY:
        canceled = _cancel(order.site, started)
        told = f"the deployment did not end in time, and was {canceled}"
        return dict.fromkeys(order.nodes, Failure(told))
    return failures(order.nodes, last.attributes)


def _create(order: Order, deadline: Deadline) -> str:
    """Create a deployment, and return its identifier.

    When the answer got lost, the deployment is looked for, not asked for again.
    """
    try:
        made: ApiDeployment = api.call(
            f"deploy {_count(order.nodes)} of {order.site}",
            lambda: api.client().sites[order.site].deployments.create(order.body),
            idempotent=False,
        )
    except ApiError as error:
        found = _look_for(order, deadline) if error.unsure else None
        if found is None:
            raise
        return found
    return str(made.uid)


def _look_for(order: Order, deadline: Deadline) -> str | None:
    for _ in range(LOOKS):
        for deployment in listed(order.site, api.login()):
            if _is_it(deployment, order):
                return str(deployment["uid"])
        pause(deadline)
        if deadline.passed:
            break
    return None


def _is_it(deployment: Mapping[str, object], order: Order) -> bool:
    """Tell whether a deployment is the one that was just asked for: no older one lasts."""
    nodes = deployment.get("nodes")
    return (
        deployment.get("environment") == order.environment
        and isinstance(nodes, list)
        and set(nodes) == set(order.nodes)
        and deployment.get("status") in UNDER_WAY
    )


def listed(site: str, login: str) -> list[Mapping[str, object]]:
    """Return the user's latest deployments of a site, as the API describes them.

    Args:
        site: the site.
        login: the user's.

    Raises:
        ApiError: the API cannot be asked.
    """

    def ask() -> list[Mapping[str, object]]:
        found = api.client().sites[site].deployments.list(user=login)
        return [dict(each._attrs) for each in found]

    return api.call(f"list the deployments of {site}", ask)


@dataclass(frozen=True)
class _Seen:
    status: str
    attributes: Mapping[str, object]


def _follow(order: Order, uid: str, deadline: Deadline, say: Say) -> _Seen:
    """Return the deployment as it ended, or as it stood when the time was over.

    An API that cannot be asked for a while says nothing about the deployment.
    """
    said = ""
    while True:
        try:
            seen = _look(order.site, uid)
        except ApiError as error:
            if not error.passing or deadline.passed:
                raise
            say(f"{error.brief}; asking again")
            said = ""
        else:
            told = f"Kadeploy: {seen.status}, {_count(order.nodes)} of {order.site}"
            if told != said:
                say(told)
                said = told
            if seen.status not in UNDER_WAY or deadline.passed:
                return seen
        pause(deadline)


def _look(site: str, uid: str) -> _Seen:
    found: ApiDeployment = api.call(
        f"look at deployment {uid} of {site}",
        lambda: api.client().sites[site].deployments[uid],
    )
    return _Seen(str(found.status), dict(found._attrs))


def pause(deadline: Deadline) -> None:
    """Wait until it is time for another look, or none is left."""
    until = time.monotonic() + POLL
    while time.monotonic() < until and not deadline.passed:
        time.sleep(SLICE)


def _cancel(site: str, uid: str) -> str:
    """Cancel a deployment, and return what became of that."""
    try:
        api.call(
            f"cancel deployment {uid} of {site}",
            lambda: api.client().sites[site].deployments.delete(uid),
        )
    except PlatformError as error:
        return f"not canceled: {error.brief}"
    return "canceled"


def failures(nodes: Iterable[str], deployment: Mapping[str, object]) -> dict[str, Failure]:
    """Return the nodes that an ended deployment left without the environment.

    Args:
        nodes: those that were asked for.
        deployment: as the API describes it.
    """
    status, output = deployment.get("status"), str(deployment.get("output") or "")
    if status != "terminated":
        told = "the deployment was canceled by somebody else"
        if status != "canceled":
            told = f"the deployment ended in {status}"
        return dict.fromkeys(nodes, Failure(told, output.strip()))
    results = deployment.get("result")
    results = results if isinstance(results, Mapping) else {}
    found = {node: _failure(results.get(node)) for node in nodes}
    return {node: failure for node, failure in found.items() if failure is not None}


def _failure(result: object) -> Failure | None:
    if not isinstance(result, Mapping):
        return Failure("Kadeploy says nothing of it")
    if result.get("state") == "OK":
        return None
    macro, micro = result.get("macro"), result.get("micro")
    if not macro:
        return Failure("Kadeploy left it out: another deployment has it")
    return Failure(f"Kadeploy failed at {macro}" + (f" ({micro})" if micro else ""))


def _count(nodes: tuple[str, ...]) -> str:
    return "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
