"""Nodes of a Grid'5000 deploy job: Kadeploy writes the built tarball on their disks.

`start` is called host by host, Kadeploy takes many nodes at once: hosts that get the same
kernel command line share one deployment. The first that comes makes them all. Those that fail
are started again by whoever called (`bring_up`), on their own.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from enoslib.infra.enos_g5k.constants import KAVLAN_LOCAL_IDS

from enoslib_nxc import context, parallel, shell
from enoslib_nxc.boots import Checked, Run
from enoslib_nxc.boots.arrival import SomeoneElseError, greeting
from enoslib_nxc.boots.homes import Homes
from enoslib_nxc.config import Settings
from enoslib_nxc.data import Scalar
from enoslib_nxc.errors import BootError, CommandError, NxcError, PlatformError
from enoslib_nxc.events import Event, Phase, Status
from enoslib_nxc.g5k import deployments, earlier, foresight, published
from enoslib_nxc.g5k.deployments import Order
from enoslib_nxc.g5k.earlier import Standing
from enoslib_nxc.g5k.environment import ROOT_CHARACTERS
from enoslib_nxc.model import Deployment, Identity, Machine, Node, Reserved
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline

ARRIVAL_SECONDS = 300.0
"""For a node to answer once Kadeploy has seen its ssh port: then there is time to try again."""

PAUSE_SECONDS = 1.0
"""Between two connections."""


@dataclass
class Batch:
    """Hosts that one deployment takes.

    Args:
        site: their site.
        vlan: kavlan that they go to, "" for none.
        line: their kernel command line.
        hosts: host names.
    """

    site: str
    vlan: str
    line: str
    hosts: list[str] = field(default_factory=list)


class Round:
    """Batches that are deployed side by side, by the first host that is started.

    Were each begun by a host of its own, the many hosts of one, which only wait for it, would
    take all threads (`parallel.WORKERS`) from another site's.

    Args:
        batches: the batches.
    """

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches = {str(n): batch for n, batch in enumerate(batches)}
        self._lock = threading.Lock()
        self._failed: dict[str, NxcError] | None = None

    def failed(self, work: Callable[[Batch], dict[str, NxcError]]) -> dict[str, NxcError]:
        """Return host -> why it was not deployed; the first to ask does the work."""
        with self._lock:
            if self._failed is None:
                found = parallel.each(self._batches, lambda n: work(self._batches[n]))
                for error in found.failed.values():
                    raise error
                self._failed = {
                    host: e for told in found.done.values() for host, e in told.items()
                }
            return self._failed


class KadeployBoot:
    """Has Kadeploy install the built image on nodes, and boot it."""

    def __init__(self) -> None:
        self._homes: Homes | None = None
        self._batches: dict[str, Batch] = {}
        self._round = Round([])
        self._earlier: dict[str, dict[str, Standing]] = {}
        self._lock = threading.Lock()

    def require(self) -> None:
        """Refuse a machine without ssh."""
        shell.require("ssh", purpose="to reach the nodes", package="openssh-client")

    def shape(self, settings: Settings, node: Node, machine: Machine) -> dict[str, Scalar]:
        """Return nothing: what else a node needs, it fetches at each boot of its own."""
        return {}

    def check(self, run: Run, wanted: Mapping[str, Identity]) -> Checked:
        """Refuse nodes that Kadeploy may not touch, and what would not reach them."""
        foresight.require_image(run.deployment.artifacts)
        self._homes = self._homes or Homes(run)
        _require_deploy(run, wanted)
        homes = self._homes
        sites = dict.fromkeys(_reserved(run, host).site for host in wanted)
        urls = {site: homes.context_url(site) for site in sites}
        made = batches(run, wanted, urls)
        self._batches.update(made)
        self._round = Round({id(batch): batch for batch in made.values()}.values())
        deadline = Deadline(run.settings.deadlines.boot)
        staged = parallel.each(
            sites, lambda site: homes.stage(site, deadline), cancel=deadline.cancel
        )
        for error in staged.failed.values():
            raise error
        return Checked(run)

    def start(self, run: Run, host: str, deadline: Deadline) -> None:
        """Have the host's batch deployed; the first host does so for all."""
        failed = self._round.failed(lambda batch: self._deploy(run, batch, deadline))
        if error := failed.get(host):
            raise error

    def stop(self, run: Run, hosts: list[str]) -> None:
        """Leave nodes as they are: Grid'5000 resets those of a deploy job at its end."""

    def alive(self, deployment: Deployment, home: Home) -> set[str]:
        """Return the hosts that are up, being deployed, or deployed and not yet seen."""
        up = {m.host for m in deployment.machines.values() if m.state == "up"}
        for site, nodes in _started(deployment, home).items():
            stand = earlier.standing(site, deployment.login, nodes)
            fine = {node for node, one in stand.items() if one.failure is None}
            machines = deployment.machines.values()
            up |= {m.host for m in machines if m.reserved and m.reserved.node in fine}
        return up

    def arrive(self, run: Run, access: Access, deadline: Deadline) -> Report:
        """Wait until a deployed node answers, and pin the key that it shows."""
        reserved = _reserved(run, access.name)
        if access.name not in self._batches:
            self._await_earlier(run, access.name, reserved, deadline)
        soon = Deadline(min(ARRIVAL_SECONDS, deadline.remaining()))
        told = "did not answer on ssh"
        while not (soon.passed or deadline.passed):
            try:
                return greeting(run, access, soon)
            except SomeoneElseError as error:
                told = f"answers on ssh with another system ({error.brief})"
            except CommandError:
                told = "did not answer on ssh"
            time.sleep(min(PAUSE_SECONDS, soon.remaining()))
        raise BootError(
            f"{access.name} ({reserved.node}) was deployed, but {told} "
            f"within {soon.seconds:.0f} s",
            resolution=f"look at its console, on {reserved.site}: "
            f"kaconsole3 -m {reserved.node}",
        )

    def _await_earlier(
        self, run: Run, host: str, reserved: Reserved, deadline: Deadline
    ) -> None:
        """Wait for the end of a deployment that an interrupted run has left.

        Raises:
            BootError: it failed.
        """
        site = reserved.site
        with self._lock:  # one asks for all
            if site not in self._earlier:
                nodes = _started(run.deployment, run.home).get(site, {})
                login = run.deployment.login
                self._earlier[site] = earlier.settled(site, login, nodes, deadline)
        stand = self._earlier[site].get(reserved.node)
        if stand and stand.failure:
            raise _told(host, reserved.node, stand.failure)

    def log(self, run: Run, host: str) -> str:
        """Return "": its console is not ours to read."""
        return ""

    def close(self) -> None:
        """Leave what is published: nodes fetch it at each boot, until `destroy()`."""

    def _deploy(self, run: Run, batch: Batch, deadline: Deadline) -> dict[str, NxcError]:
        """Deploy a batch, and return host -> why it was not deployed."""
        names = {_reserved(run, host).node: host for host in batch.hosts}
        assert self._homes  # noqa: S101 (made by `check`)
        try:
            with self._homes.environment(batch.site, batch.line, batch.hosts) as url:
                keys = json.loads(run.context.text)["ssh_key.pub"]
                order = Order(batch.site, tuple(names), url, keys, batch.vlan)
                failed = deployments.deploy(order, deadline, lambda told: _say(run, told))
        except NxcError as error:
            return _all_failed(batch.hosts, error)
        return {names[node]: _told(names[node], node, why) for node, why in failed.items()}


def _started(deployment: Deployment, home: Home) -> dict[str, dict[str, str]]:
    """Return nodes that were not seen yet: site -> node -> what it was deployed with."""
    last = published.load(home).environments
    found: dict[str, dict[str, str]] = {}
    for machine in deployment.machines.values():
        if machine.state == "started" and machine.reserved and machine.host in last:
            node = machine.reserved
            found.setdefault(node.site, {})[node.node] = last[machine.host]
    return found


def _say(run: Run, told: str) -> None:
    run.report(Event(Phase.BOOT, Status.PROGRESS, "", told))


def _told(host: str, node: str, failure: deployments.Failure) -> BootError:
    return BootError(f"{host} ({node}): {failure.told}", details=failure.details)


def _all_failed(hosts: list[str], error: NxcError) -> dict[str, NxcError]:
    """Return one error for each host; what is to be read is under the first."""
    first, *others = hosts
    brief = "was not deployed"
    whole = BootError(
        f"{first} {brief}: {error.brief}", details=error.details, resolution=error.resolution
    )
    return {first: whole} | {host: BootError(f"{host} {brief}, as {first}") for host in others}


def _reserved(run: Run, host: str) -> Reserved:
    found = run.machine(host).reserved
    if found is None:
        raise PlatformError(f"{host} is no node of Grid'5000: Kadeploy cannot install it")
    return found


def _require_deploy(run: Run, wanted: Mapping[str, Identity]) -> None:
    others = {host: found for host in wanted if not (found := _reserved(run, host)).deploy}
    if others:
        jobs = sorted({f"{found.job} of {found.site}" for found in others.values()})
        raise PlatformError(
            f"job {', '.join(jobs)} is not of type deploy: Kadeploy may not touch its nodes",
            resolution="use a job of type deploy, or flavour g5k-ramdisk",
        )


def batches(
    run: Run, wanted: Mapping[str, Identity], urls: Mapping[str, str]
) -> dict[str, Batch]:
    """Return host -> its batch: the fewest deployments that do for all.

    Args:
        run: the run.
        wanted: host -> what it should run.
        urls: site -> where its nodes fetch the deployment JSON.

    Raises:
        PlatformError: a kernel command line is too long.
    """
    found: dict[tuple[str, str, str], Batch] = {}
    mine = {}
    for host, identity in wanted.items():
        reserved = _reserved(run, host)
        line = _line(run, run.machine(host), identity, urls[reserved.site])
        key = (reserved.site, reserved.vlan, line)
        mine[host] = found.setdefault(key, Batch(*key))
        mine[host].hosts.append(host)
    return mine


def _line(run: Run, machine: Machine, identity: Identity, url: str) -> str:
    """Return the kernel's command line, but for `root=`.

    Raises:
        PlatformError: it is too long.
    """
    reserved = _reserved(run, machine.host)
    local = reserved.vlan in KAVLAN_LOCAL_IDS
    deploy = context.inline(run.context) if local else context.by_url(url)
    kept = machine.entry.words if machine.entry else ""
    line = context.command_line(identity, kept, run.settings.kernel_params, deploy)
    if context.fits(line + ROOT_CHARACTERS * " "):
        return line
    limit = context.COMMAND_LINE_LIMIT - ROOT_CHARACTERS
    if local:
        raise PlatformError(
            f"nodes on the local kavlan {reserved.vlan} can fetch nothing, and the deployment "
            f"JSON does not fit their kernel command line: {len(line)} characters, the limit "
            f"is {limit}",
            resolution="use a routed kavlan (type kavlan), or fewer nodes and parameters",
        )
    raise PlatformError(
        f"the kernel command line has {len(line)} characters, the limit is {limit}",
        resolution="shorten kernel_params",
    )
