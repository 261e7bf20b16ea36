"""A testbed of virtual machines: what happens to the nodes of a rehearsed Grid'5000."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from enoslib_nxc import parallel, shell
from enoslib_nxc.context import fits
from enoslib_nxc.errors import CommandError
from enoslib_nxc.rehearsal import network
from enoslib_nxc.rehearsal.client import Operator
from enoslib_nxc.rehearsal.guests import Guest, Guests
from enoslib_nxc.rehearsal.jobs import Job
from enoslib_nxc.rehearsal.kadeploy import Kadeploy
from enoslib_nxc.rehearsal.machines import RELEASE, Machines
from enoslib_nxc.rehearsal.network import Place
from enoslib_nxc.rehearsal.reference import mac
from enoslib_nxc.rehearsal.site import DOMAIN, Node, Site
from enoslib_nxc.rehearsal.standard import is_standard
from enoslib_nxc.rehearsal.testbed import (
    NOT_BACK,
    OK,
    DeploymentError,
    DeploymentOrder,
    Outcome,
)
from enoslib_nxc.rehearsal.vlans import DEFAULT
from enoslib_nxc.wait import Deadline

BOOT_SECONDS = 240.0
"""For a node to come up; several share the computer's cores."""

COMMAND_SECONDS = 60.0
"""For a short command on a frontend or a node."""

GREETING_SECONDS = 15.0
"""For one look at whether a node's ssh server greets."""

SERVICES = """
systemctl start dhcp http nfs nfs-mountd
until curl -so /dev/null "http://$1/"; do sleep 0.2; done
until [ "$(cut -d: -f1 /var/lib/nfs/rmtab | sort -u | wc -l)" -ge "$2" ]; do sleep 0.2; done
"""
"""Waits for names, HTTP, and for the nodes that mount homes."""

REFRESH = """
cat > /run/leases && cut -d, -f1,2 /run/leases > /run/dhcp-hosts && pkill -HUP dnsmasq
"""

INSPECT = """
cat /etc/grid5000/release
[ ! -e /run/sudo-g5k ] || echo sudo-g5k
pkill -KILL -u "$1" || :
"""
"""What OAR does at the end of a job: what is left of its user is killed."""


class Fleet:
    """The nodes.

    Args:
        sites: the sites by name.
        machines: what they are made from.
        guests: where they run.
        operator: how they are reached.
        kadeploy: what writes their disks.
        faults: FQDN -> what its next deployments come to, one after the other; then, and for
            other nodes, they are done.
    """

    def __init__(
        self,
        sites: Mapping[str, Site],
        machines: Machines,
        guests: Guests,
        operator: Operator,
        kadeploy: Kadeploy,
    ) -> None:
        self.faults: dict[str, list[Outcome | DeploymentError]] = {}
        self.suspected: list[str] = []
        """FQDN of the nodes that were found elsewhere at the end of a job."""
        self._sites = sites
        self._machines = machines
        self._guests = guests
        self._operator = operator
        self._kadeploy = kadeploy
        self._vlans: dict[Place, str] = {}
        self._lock = threading.Lock()

    def start(self, node: Node) -> None:
        """Start a node in its standard environment, and wait for it.

        Raises:
            BootError: it does not come up.
        """
        self._guests.start(self._standard(node))
        self._guests.await_ready(node.fqdn, Deadline(BOOT_SECONDS))

    def await_services(self, site: Site, nodes: int) -> None:
        """Wait until a site's frontend gives names and files, and its nodes have homes.

        Args:
            site: the site.
            nodes: how many nodes there are.
        """
        public = f"public.{site.name}.{DOMAIN}"
        words = ["sh", "-c", SERVICES, "sh", public, str(nodes)]
        shell.run(self._operator.argv(site.name, *words), timeout=BOOT_SECONDS)

    def deploy(self, node: Node, order: DeploymentOrder) -> Outcome:
        """Put an environment on a node's disk and start it.

        Raises:
            DeploymentError: the fault is not this node's alone.
        """
        foreseen = self.faults.get(node.fqdn)
        if foreseen:
            outcome = foreseen.pop(0)
            if isinstance(outcome, DeploymentError):
                raise outcome
            if outcome != OK:
                return outcome
        guest = self._guest(node, order)
        if not fits(guest.append):
            raise DeploymentError(
                f"the kernel's parameters have {len(guest.append)} characters"
            )
        if order.vlan and order.vlan != self._vlan(node):
            self.set_vlan(node, 0, order.vlan)
            guest = self._guest(node, order)
        self._guests.start(guest)
        return OK if self._greets(node) else NOT_BACK

    def reset(self, node: Node) -> None:
        """Bring a node back to the standard environment, on the production network."""
        for nic in range(node.cluster.nics):
            if self._vlan(node, nic) != "default":
                self.set_vlan(node, nic, DEFAULT)
        self.start(node)

    def job_ended(self, job: Job, nodes: Sequence[Node]) -> Sequence[Node]:
        """Take notice that a job is over; say which nodes are not where they were.

        Nodes on which somebody became root are brought back, too, but not suspected.
        """
        if job.order.deploy:
            return ()
        by_name = {node.fqdn: node for node in nodes}
        user = job.order.user
        found = parallel.each(by_name, lambda name: self._is_back(by_name[name], user))
        lost = [node for name, node in by_name.items() if not found.done.get(name)]
        self.suspected += [node.fqdn for node in lost]
        return lost

    def _is_back(self, node: Node, user: str) -> bool:
        """Tell whether a node is in the standard environment, and leave it clean."""
        argv = self._operator.on_node(node.site, node.fqdn, "sh", "-c", INSPECT, "sh", user)
        try:
            told = shell.run(argv, timeout=COMMAND_SECONDS).stdout.split()
        except CommandError:
            return False
        if told[:1] != [RELEASE]:
            return False
        if "sudo-g5k" in told:
            self.reset(node)
        return True

    def set_vlan(self, node: Node, nic: int, vlan: str) -> None:
        """Let DHCP give a card the address that it has on another network."""
        with self._lock:
            self._vlans[node.fqdn, nic] = "default" if vlan == DEFAULT else vlan
            lines = network.leases(self._sites[node.site], self._vlans)
            command = self._operator.argv(node.site, "sh", "-c", REFRESH)
            text = "".join(f"{line}\n" for line in lines)
            shell.run(command, stdin=text, timeout=COMMAND_SECONDS)

    def _vlan(self, node: Node, nic: int = 0) -> str:
        return self._vlans.get((node.fqdn, nic), "default")

    def _standard(self, node: Node, key: str = "", release: str = RELEASE) -> Guest:
        site = self._sites[node.site]
        return self._machines.node(site, node, self._vlan(node), key=key, release=release)

    def _guest(self, node: Node, order: DeploymentOrder) -> Guest:
        """Return a node as an order wants it."""
        if is_standard(order.environment):
            keys = self._kadeploy.keys(order).strip()
            return self._standard(node, keys, order.environment.name)
        installed = self._kadeploy.install(node.fqdn, order)
        return Guest(
            name=node.fqdn,
            kernel=installed.kernel,
            initrd=installed.initrd,
            append=f"{installed.params} root=/dev/vda".strip(),
            memory=node.cluster.memory >> 20,
            cores=1,
            macs=tuple(mac(node, nic) for nic in range(node.cluster.nics)),
            disk=installed.disk,
        )

    def _greets(self, node: Node) -> bool:
        """Wait until a node's ssh server greets; tell whether it does."""
        here = network.name(node, 0, self._vlan(node))
        argv = self._operator.greeting(node.site, here)
        deadline = Deadline(BOOT_SECONDS)
        while not deadline.passed and self._guests.alive(node.fqdn):
            try:
                if "SSH-" in shell.run(argv, timeout=GREETING_SECONDS, check=False).stdout:
                    return True
            except CommandError:  # nothing came in time
                pass
            threading.Event().wait(1.0)
        return False
