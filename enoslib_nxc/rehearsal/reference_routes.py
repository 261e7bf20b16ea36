"""Routes of the reference data: sites, clusters, nodes, servers; and what is on them."""

from __future__ import annotations

from enoslib_nxc.rehearsal import reference, views
from enoslib_nxc.rehearsal.call import Call
from enoslib_nxc.rehearsal.replies import Reply
from enoslib_nxc.rehearsal.site import ClusterSpec

PUBLIC_QUEUES = ("admin", "default")
"""Clusters with none of these queues are listed with `queues=all` only (g5k-api)."""


def sites(call: Call) -> Reply:
    """GET /sites."""
    return call.whole([reference.site_json(s.site) for s in call.sites.values()])


def site(call: Call) -> Reply:
    """GET a site."""
    return call.item(reference.site_json(call.service.site))


def clusters(call: Call) -> Reply:
    """GET the clusters of a site."""
    all_of_them = call.service.site.spec.clusters
    if call.query.get("queues") != "all":
        all_of_them = tuple(c for c in all_of_them if set(c.queues) & set(PUBLIC_QUEUES))
    return call.whole([reference.cluster_json(c) for c in all_of_them])


def cluster(call: Call) -> Reply:
    """GET a cluster."""
    return call.item(reference.cluster_json(_cluster(call)))


def cluster_status(call: Call) -> Reply:
    """GET what is and will be on the nodes of a cluster."""
    service, wanted = call.service, _cluster(call)
    here = [node for node in service.site.nodes if node.cluster == wanted]
    with service.lock:
        status = views.cluster_status(here, service.scheduler, f"{call.site_path}/jobs")
        return call.item({"uid": int(service.scheduler.now), **status})


def nodes(call: Call) -> Reply:
    """GET the nodes of a cluster."""
    site, wanted = call.service.site, _cluster(call)
    return call.whole([reference.node_json(site, n) for n in site.nodes if n.cluster == wanted])


def node(call: Call) -> Reply:
    """GET a node."""
    site, wanted = call.service.site, _cluster(call)
    for one in site.nodes:
        if one.cluster == wanted and one.uid == call.names["node"]:
            return call.item(reference.node_json(site, one))
    raise call.absent()


def servers(call: Call) -> Reply:
    """GET the servers of a site."""
    dns = reference.server_json(call.service.site, "dns")
    return call.whole([dns] if dns else [])


def server(call: Call) -> Reply:
    """GET a server."""
    found = reference.server_json(call.service.site, call.names["server"])
    if found is None:
        raise call.absent()
    return call.item(found)


def _cluster(call: Call) -> ClusterSpec:
    for one in call.service.site.spec.clusters:
        if one.cluster == call.names["cluster"]:
            return one
    raise call.absent()
