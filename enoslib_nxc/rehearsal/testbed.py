"""The machines behind the nodes: what the service asks of them, and a stand-in without any."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from enoslib_nxc.rehearsal.environments import Environment
from enoslib_nxc.rehearsal.jobs import Job
from enoslib_nxc.rehearsal.site import Node


@dataclass(frozen=True)
class Outcome:
    """How the deployment of one node ended.

    Args:
        ok: whether the node runs the environment.
        macro: Kadeploy's step in which it failed; None when it did not.
        micro: the smaller step inside it.
    """

    ok: bool
    macro: str | None = None
    micro: str | None = None


OK = Outcome(ok=True)

NOT_BACK = Outcome(ok=False, macro="BootNewEnv", micro="wait_reboot")
"""A node that did not come back: Kadeploy's names for the step and the smaller one."""


class DeploymentError(Exception):
    """A whole deployment failed, not just nodes of it: its status will be `error`."""


@dataclass(frozen=True)
class DeploymentOrder:
    """What to put on a node.

    Args:
        user: who deploys.
        environment: what to deploy.
        key: public keys for root, as text, or the http(s) URL of them; "" for none.
        vlan: kavlan that its first card goes to; "" for where it is.
    """

    user: str
    environment: Environment
    key: str = ""
    vlan: str = ""


class Testbed(Protocol):
    """Machines. Each method may be called from several threads, and may take its time."""

    def deploy(self, node: Node, order: DeploymentOrder) -> Outcome:
        """Put an environment on a node and start it.

        Raises:
            DeploymentError: the fault is not this node's alone.
        """

    def reset(self, node: Node) -> None:
        """Bring a node back to the standard environment."""

    def job_ended(self, job: Job, nodes: Sequence[Node]) -> Sequence[Node]:
        """Take notice that a job is over and its user's rights with it.

        Returns:
            The nodes that are not in the standard environment although the job was not one of
            deploy: they are suspected, and reset.
        """

    def set_vlan(self, node: Node, nic: int, vlan: str) -> None:
        """Put a card of a node on another network; `DEFAULT` is the production network."""


@dataclass
class MemoryTestbed:
    """A testbed without machines, which remembers what it was asked to do.

    Args:
        faults: FQDN of a node -> what its next deployments come to, one after the other; an
            exception is raised. Then, and for all other nodes, all is well.
        gate: deployments wait for it; set unless told otherwise.
        lost: FQDN of nodes that are elsewhere when their job ends.
    """

    faults: Mapping[str, list[Outcome | DeploymentError]] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    lost: set[str] = field(default_factory=set)
    deployed: list[tuple[str, str]] = field(default_factory=list)
    resets: list[str] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    cards: dict[tuple[str, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gate.set()

    def deploy(self, node: Node, order: DeploymentOrder) -> Outcome:
        """Come to what was foreseen for the node."""
        self.gate.wait()
        self.deployed.append((node.fqdn, order.environment.name))
        foreseen = self.faults.get(node.fqdn)
        outcome = foreseen.pop(0) if foreseen else OK
        if isinstance(outcome, DeploymentError):
            raise outcome
        return outcome

    def reset(self, node: Node) -> None:
        """Remember the node."""
        self.resets.append(node.fqdn)

    def job_ended(self, job: Job, nodes: Sequence[Node]) -> Sequence[Node]:
        """Remember the job."""
        self.ended.append(job.uid)
        return [node for node in nodes if node.fqdn in self.lost]

    def set_vlan(self, node: Node, nic: int, vlan: str) -> None:
        """Remember the card's network."""
        self.cards[node.fqdn, nic] = vlan
