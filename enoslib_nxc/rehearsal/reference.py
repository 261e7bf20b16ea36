"""The reference data of a site as JSON: what GET answers, key by key; pure.

Keys and their nesting are those of the reference-repository; of its many keys only those
that EnOSlib or a program that plans for machines reads are here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from enoslib_nxc.rehearsal.replies import JsonObject
from enoslib_nxc.rehearsal.site import DOMAIN, PLANS, ClusterSpec, Node, Site


def site_json(site: Site) -> JsonObject:
    """Describe a site."""
    plan, dns = site.plan, site.vlans["default"]
    return {
        "uid": site.name,
        "name": site.name.capitalize(),
        "type": "site",
        "scheduler": "oar",
        "description": f"rehearsal of the Grid'5000 {site.name.capitalize()} site",
        "frontend_ip": str(dns.network.broadcast_address - 149),
        "g5ksubnet": {
            "gateway": str(site.subnets.broadcast_address - 1),
            "network": str(site.subnets),
        },
        "virt_ip_range": str(site.subnets),
        "kavlan_ip_range": f"10.{plan.kavlans}.0.0/14",
        "ipv6": {
            "prefix": f"2001:660:4406:{plan.index:x}00::/56",
            "site_global_kavlan": plan.global_vlan,
            "site_index": plan.index,
        },
        "kavlans": {
            uid: {"gateway": vlan.gateway, "network": str(vlan.network)}
            for uid, vlan in site.vlans.items()
        },
    }


def cluster_json(cluster: ClusterSpec) -> JsonObject:
    """Describe a cluster."""
    return {
        "uid": cluster.cluster,
        "type": "cluster",
        "model": "rehearsal",
        "exotic": cluster.exotic,
        "kavlan": True,
        "nodes_count": cluster.nodes,
        "queues": list(cluster.queues),
        "metrics": [],
    }


def node_json(site: Site, node: Node) -> JsonObject:
    """Describe a node."""
    cluster = node.cluster
    vlans = [uid for uid, vlan in site.vlans.items() if vlan.kind]
    return {
        "uid": node.uid,
        "type": "node",
        "exotic": cluster.exotic,
        "architecture": {
            "nb_cores": cluster.cores,
            "nb_procs": 1,
            "nb_threads": cluster.cores,
            "platform_type": "x86_64",
        },
        "main_memory": {"ram_size": cluster.memory},
        "network_adapters": _adapters(site, node),
        "kavlan": {
            f"eth{nic}": {f"kavlan-{uid}": site.address(node, nic, uid) for uid in vlans}
            for nic in range(cluster.nics)
        },
        "nodeset": cluster.cluster,
        "storage_devices": [{"id": "disk0", "interface": "SATA", "storage": "SSD"}],
        "supported_job_types": {
            "besteffort": cluster.besteffort,
            "deploy": cluster.deploy,
            "max_walltime": 0,
            "queues": list(cluster.queues),
            "virtual": False,
        },
    }


def mac(node: Node, nic: int) -> str:
    """Return the address of a card: locally administered, made up, one for each."""
    number = node.offset + 256 * nic
    site = PLANS[node.site].index
    return f"52:54:00:{site + 0x10:02x}:{number >> 8:02x}:{number & 255:02x}"


def _adapters(site: Site, node: Node) -> Sequence[JsonObject]:
    ethernet = [_ethernet(site, node, nic) for nic in range(node.cluster.nics)]
    bmc: JsonObject = {
        "device": "bmc",
        "enabled": True,
        "interface": "Ethernet",
        "kavlan": False,
        "management": True,
        "mountable": False,
        "mounted": False,
        "network_address": f"{node.uid}-bmc.{site.name}.{DOMAIN}",
    }
    return [*ethernet, bmc]


def _ethernet(site: Site, node: Node, nic: int) -> JsonObject:
    return {
        "device": f"eth{nic}",
        "name": f"eno{nic + 1}",
        "driver": "virtio_net",
        "enabled": True,
        "interface": "Ethernet",
        "ip": site.address(node, nic),
        "kavlan": True,
        "mac": mac(node, nic),
        "management": False,
        "mountable": True,
        "mounted": nic == 0,
        "network_address": node.nic_name(nic),
        "rate": 10**10,
    }


def server_json(site: Site, uid: str) -> JsonObject | None:
    """Describe a server of the site: `dns` is the only one; None for any other."""
    servers: Mapping[str, int] = {"dns": 154}
    if uid not in servers:
        return None
    address = site.vlans["default"].network.broadcast_address - servers[uid]
    adapters = {"default": {"ip": str(address)}}
    return {"uid": uid, "type": "server", "kind": "virtual", "network_adapters": adapters}
