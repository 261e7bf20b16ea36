"""A testbed of virtual machines: what happens to the nodes of a rehearsed Grid'5000."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from enoslib_nxc import shell
from enoslib_nxc.rehearsal import network
from enoslib_nxc.rehearsal.client import Operator
from enoslib_nxc.rehearsal.guests import Guests
from enoslib_nxc.rehearsal.jobs import Job
from enoslib_nxc.rehearsal.machines import Machines
from enoslib_nxc.rehearsal.network import Place
from enoslib_nxc.rehearsal.site import DOMAIN, Node, Site
from enoslib_nxc.rehearsal.testbed import DeploymentError, DeploymentOrder, Outcome
from enoslib_nxc.rehearsal.vlans import DEFAULT
from enoslib_nxc.wait import Deadline

BOOT_SECONDS = 240.0
"""For a node to come up; several share the computer's cores."""

COMMAND_SECONDS = 60.0
"""For a short command on a frontend or a node."""

SERVICES = """
systemctl start dhcp http nfs nfs-mountd
until curl -so /dev/null "http://$1/"; do sleep 0.2; done
until [ "$(cut -d: -f1 /var/lib/nfs/rmtab | sort -u | wc -l)" -ge "$2" ]; do sleep 0.2; done
"""
"""Waits for names, HTTP, and for the nodes that mount homes."""

REFRESH = (
    "cat > /run/leases && cut -d, -f1,2 /run/leases > /run/dhcp-hosts && pkill -HUP dnsmasq"
)


class Fleet:
    """The nodes.

    Args:
        sites: the sites by name.
        machines: what they are made from.
        guests: where they run.
        operator: how they are reached.
        directory: for disks.
    """

    def __init__(
        self,
        sites: Mapping[str, Site],
        machines: Machines,
        guests: Guests,
        operator: Operator,
        directory: Path,
    ) -> None:
        self._sites = sites
        self._machines = machines
        self._guests = guests
        self._operator = operator
        self._directory = directory
        self._vlans: dict[Place, str] = {}
        self._lock = threading.Lock()

    def start(self, node: Node) -> None:
        """Start a node in its standard environment, and wait for it.

        Raises:
            BootError: it does not come up.
        """
        site = self._sites[node.site]
        vlan = self._vlans.get((node.fqdn, 0), "default")
        self._guests.start(self._machines.node(site, node, vlan))
        self._guests.await_ready(node.fqdn, Deadline(BOOT_SECONDS))

    def await_services(self, site: Site) -> None:
        """Wait until a site's frontend gives names and files, and its nodes have homes."""
        public = f"public.{site.name}.{DOMAIN}"
        words = ["sh", "-c", SERVICES, "sh", public, str(len(site.nodes))]
        shell.run(self._operator.argv(site.name, *words), timeout=COMMAND_SECONDS)

    def deploy(self, node: Node, order: DeploymentOrder) -> Outcome:
        """Put an environment on a node's disk and start it."""
        raise DeploymentError("not yet")

    def reset(self, node: Node) -> None:
        """Bring a node back to the standard environment."""
        self.start(node)

    def job_ended(self, job: Job, nodes: Sequence[Node]) -> None:
        """Take notice that a job is over."""

    def set_vlan(self, node: Node, nic: int, vlan: str) -> None:
        """Let DHCP give a card the address that it has on another network."""
        place = (node.fqdn, nic)
        with self._lock:
            self._vlans[place] = "default" if vlan == DEFAULT else vlan
            lines = network.leases(self._sites[node.site], self._vlans)
            command = self._operator.argv(node.site, "sh", "-c", REFRESH)
            shell.run(
                command, stdin="".join(f"{line}\n" for line in lines), timeout=COMMAND_SECONDS
            )
