"""The machines of a rehearsed Grid'5000 as guests: frontends and nodes, pure.

A node's standard environment is in memory: restarting the guest brings it back, as a reboot
does on a node whose disk has not changed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc.built import Artifacts
from enoslib_nxc.rehearsal import network
from enoslib_nxc.rehearsal.guests import Guest
from enoslib_nxc.rehearsal.image import FRONTEND, NODE
from enoslib_nxc.rehearsal.network import Frontend
from enoslib_nxc.rehearsal.reference import mac
from enoslib_nxc.rehearsal.site import DOMAIN, Node, Site

CONSOLE = "console=tty0 console=ttyS0,115200 net.ifnames=0 panic=-1"
CONTEXT_ADDRESS, OAR_ADDRESS = "10.0.2.100", "10.0.2.101"
"""Where a frontend fetches its deployment JSON, and who may log in where."""

SSH, HTTP = 22, 80

RELEASE = "debian12-x64-std"
"""Name of the standard environment, in `/etc/grid5000/release`."""


@dataclass(frozen=True)
class Machines:
    """What all machines of a rehearsal are made from.

    Args:
        artifacts: their system.
        operator: public key of the rehearsal itself.
        keys: login -> public key.
        frontend_memory: MiB.
    """

    artifacts: Artifacts
    operator: str
    keys: Mapping[str, str]
    frontend_memory: int

    def frontend_context(self, told: Frontend) -> str:
        """Return the deployment JSON of a frontend."""
        return self._context(
            told.address,
            FRONTEND,
            told.domain,
            {
                "keys": dict(self.keys),
                "domain": told.domain,
                "networks": told.networks,
                "leases": told.leases,
                "names": told.names,
                "routes": told.routes,
            },
        )

    def frontend(
        self,
        site: Site,
        told: Frontend,
        ports: Mapping[int, int],
        files: Mapping[str, Path],
        disk: Path,
    ) -> Guest:
        """Return a site's frontend.

        Args:
            site: the site.
            told: what it is told.
            ports: its port -> loopback port here.
            files: address inside its user network -> file served there.
            disk: file of its disk.
        """
        gateway = (
            site.vlans["default"].network.broadcast_address - 2
        )  # nobody: it leads nowhere
        words = f"ip={told.address}::{gateway}:{told.netmask}::eth1:off"
        return Guest(
            name=told.domain,
            kernel=self._file(self.artifacts.kernel),
            initrd=self._file(self.artifacts.initrd),
            append=f"{CONSOLE} {words} deploy=http://{CONTEXT_ADDRESS}/deployment.json",
            memory=self.frontend_memory,
            cores=1,
            macs=(f"52:54:00:06:00:{site.plan.index:02x}",),
            forwards=ports,
            served=files,
            disk=disk,
        )

    def node(
        self, site: Site, node: Node, vlan: str, *, key: str = "", release: str = RELEASE
    ) -> Guest:
        """Return a node in its standard environment, or one of the others that are the same.

        Args:
            site: its site.
            node: the node.
            vlan: network of its first card.
            key: public keys that root has beside that of the rehearsal, one on each line.
            release: name of the environment.
        """
        here = site.address(node, 0, vlan)
        given = site.vlans[vlan]
        words = f"ip={here}::{given.gateway}:{given.network.netmask}::eth0:off"
        told = self._context(
            here,
            NODE,
            network.name(node, 0, vlan),
            {"domain": f"{site.name}.{DOMAIN}", "release": release},
            key,
        )
        inline = "deploy=" + base64.b64encode(told.encode()).decode()
        return Guest(
            name=node.fqdn,
            kernel=self._file(self.artifacts.kernel),
            initrd=self._file(self.artifacts.initrd),
            append=f"{CONSOLE} {words} {inline}",
            memory=node.cluster.memory >> 20,
            cores=1,
            macs=tuple(mac(node, nic) for nic in range(node.cluster.nics)),
        )

    def _context(
        self,
        address: str,
        role: str,
        host: str,
        parameters: Mapping[str, object],
        key: str = "",
    ) -> str:
        document = {
            "ssh_key.pub": f"{self.operator}\n{key}".strip(),
            "deployment": {address: {"role": role, "host": host}},
            "compositions_info_path": self.artifacts.compositions_info_path,
            "composition": self.artifacts.composition,
            "parameters": parameters,
        }
        return json.dumps(document, separators=(",", ":"))

    def _file(self, path: str) -> Path:
        return self.artifacts.store.real(path)
