"""Kadeploy behind g5k-api: deployments, their rights, their results node by node."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import Enum

from pydantic import BaseModel, ConfigDict, ValidationError

from enoslib_nxc.rehearsal.admission import invalid
from enoslib_nxc.rehearsal.environments import Catalog, launch_fault
from enoslib_nxc.rehearsal.replies import OURS, JsonObject, RefusalError
from enoslib_nxc.rehearsal.site import Node
from enoslib_nxc.rehearsal.testbed import DeploymentError, DeploymentOrder, Outcome, Testbed

WORKERS = 32
"""Nodes of one deployment handled at once."""

DISCARDED = Outcome(ok=False)
"""A node that another deployment is busy with: Kadeploy leaves it out (workflow.rb)."""


class Status(str, Enum):
    """States of a deployment (deployment.rb); `waiting` is over before POST answers."""

    WAITING = "waiting"
    PROCESSING = "processing"
    TERMINATED = "terminated"
    ERROR = "error"
    CANCELED = "canceled"


class DeploymentRequest(BaseModel):
    """The body of a deployment: the fields of g5k-api (deployments_controller.rb)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    environment: str | None = None
    nodes: list[str] | None = None
    version: int | None = None
    arch: str | None = None
    key: str = ""
    vlan: int | str | None = None
    partition_label: str | None = None
    block_device: str | None = None
    reformat_tmp: str | None = None
    disable_disk_partitioning: bool = False
    disable_bootloader_install: bool = False
    ignore_nodes_deploying: bool = False
    reboot_classical_timeout: int | str | None = None
    reboot_kexec_timeout: int | str | None = None


def read_deployment(body: JsonObject) -> DeploymentRequest:
    """Check the fields of a deployment.

    Raises:
        RefusalError: 400, with g5k-api's texts for what g5k-api checks.
    """
    must = "Nodes must be a non-empty list of node FQDN"
    try:
        request = DeploymentRequest.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if name == "nodes":
            raise invalid("deployment", [must]) from error
        told = "unknown field" if first["type"] == "extra_forbidden" else first["msg"]
        raise invalid("deployment", [f"{told} `{name}` {OURS}"]) from error
    faults = []
    if not (request.environment or "").strip():
        faults.append("Environment can't be blank")
    if not request.nodes:
        faults += ["Nodes can't be blank", must]
    if faults:
        raise invalid("deployment", faults)
    return request


@dataclass(frozen=True)
class Deployment:
    """A deployment.

    Args:
        uid: its identifier.
        user: who asked.
        request: what was asked for.
        created_at: seconds since the epoch.
        updated_at: seconds since the epoch.
        status: state.
        result: FQDN -> outcome; empty until it has terminated.
        output: why it ended in `error`.
    """

    uid: str
    user: str
    request: DeploymentRequest
    created_at: float
    updated_at: float
    status: Status = Status.PROCESSING
    result: Mapping[str, Outcome] = field(default_factory=dict)
    output: str = ""


@dataclass(frozen=True)
class Rights:
    """Who may do what at this moment.

    Args:
        node: user and FQDN -> whether a deploy job of theirs has the node.
        vlan: user and kavlan id -> whether a job of theirs has the kavlan.
    """

    node: Callable[[str, str], bool]
    vlan: Callable[[str, str], bool]


class Deployments:
    """The deployments of one site.

    Args:
        nodes: the site's nodes by FQDN.
        catalog: environments.
        testbed: the machines.
        rights: who may deploy what.
        clock: seconds since the epoch.
        spawn: runs a function beside; a thread, by default.
    """

    def __init__(
        self,
        nodes: Mapping[str, Node],
        catalog: Catalog,
        testbed: Testbed,
        rights: Rights,
        clock: Callable[[], float],
        spawn: Callable[[Callable[[], None]], None],
    ) -> None:
        self._nodes = nodes
        self._catalog = catalog
        self._testbed = testbed
        self._rights = rights
        self._clock = clock
        self._spawn = spawn
        self._lock = threading.Lock()
        self._all: dict[str, Deployment] = {}

    def create(self, request: DeploymentRequest, user: str) -> Deployment:
        """Start a deployment.

        Raises:
            RefusalError: with the texts of g5k-api or Kadeploy, in their order.
        """
        environment = self._catalog.find(request.environment or "", request.version)
        vlan = "" if request.vlan is None else str(request.vlan)
        names = list(dict.fromkeys(request.nodes or ()))
        self._check_rights(names, vlan, user)
        now = self._clock()
        with self._lock:
            free = [
                name for name in names if request.ignore_nodes_deploying or not self._busy(name)
            ]
            deployment = Deployment(f"D-{uuid.uuid4()}", user, request, now, now)
            self._all[deployment.uid] = deployment
        order = DeploymentOrder(user, environment, request.key, vlan)
        self._spawn(lambda: self._run(deployment.uid, names, free, order))
        return deployment

    def _check_rights(self, names: Sequence[str], vlan: str, user: str) -> None:
        """Check what Kadeploy checks (kaworkflow.rb, work_prepare)."""
        for name in names:
            if name not in self._nodes:
                text = f"Invalid node list -- The node '{name}' does not exist"
                raise launch_fault(400, text)
        if not all(self._rights.node(user, name) for name in names):
            raise launch_fault(
                400,
                "You do not have sufficient rights to perform the operation on all the nodes",
            )
        if vlan and vlan != "DEFAULT" and not self._rights.vlan(user, vlan):
            raise launch_fault(400, f"Invalid VLAN -- {vlan} is in no job of yours {OURS}")

    def _busy(self, name: str) -> bool:
        running = (d for d in self._all.values() if d.status is Status.PROCESSING)
        return any(name in (deployment.request.nodes or ()) for deployment in running)

    def _run(
        self, uid: str, names: Sequence[str], free: Sequence[str], order: DeploymentOrder
    ) -> None:
        try:
            with ThreadPoolExecutor(max_workers=WORKERS) as pool:
                work = (pool.submit(self._testbed.deploy, self._nodes[n], order) for n in free)
                done = dict(zip(free, [future.result() for future in list(work)], strict=True))
        except DeploymentError as error:
            self._end(uid, status=Status.ERROR, output=str(error))
        except Exception as error:
            # a defect of the testbed: whoever waits for the deployment must not wait for ever
            self._end(uid, status=Status.ERROR, output=repr(error))
            raise
        else:
            result = {name: done.get(name, DISCARDED) for name in names}
            self._end(uid, status=Status.TERMINATED, result=result)

    def _end(
        self,
        uid: str,
        *,
        status: Status,
        result: Mapping[str, Outcome] | None = None,
        output: str = "",
    ) -> None:
        with self._lock:
            deployment = self._all[uid]
            if deployment.status is Status.PROCESSING:
                self._all[uid] = replace(
                    deployment,
                    status=status,
                    result=result or {},
                    output=output,
                    updated_at=self._clock(),
                )

    def get(self, uid: str) -> Deployment:
        """Return a deployment.

        Raises:
            RefusalError: 404.
        """
        with self._lock:
            if uid not in self._all:
                raise RefusalError(404, f"Couldn't find Grid5000::Deployment with ID={uid}")
            return self._all[uid]

    def all(self) -> list[Deployment]:
        """Return all deployments, the newest first."""
        with self._lock:
            return list(reversed(self._all.values()))

    def cancel(self, uid: str) -> None:
        """Cancel a deployment; nothing happens to one that has ended."""
        self._end(uid, status=Status.CANCELED)
