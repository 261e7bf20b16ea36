"""Routes of deployments and of kavlans."""

from __future__ import annotations

from enoslib_nxc.rehearsal import views
from enoslib_nxc.rehearsal.call import Call
from enoslib_nxc.rehearsal.deployments import read_deployment
from enoslib_nxc.rehearsal.replies import FORBIDDEN, RefusalError, Reply


def deployments(call: Call) -> Reply:
    """GET deployments, the newest first."""
    service, query = call.service, call.query
    found = [
        one
        for one in service.deployments.all()
        if query.get("user") in (None, one.user)
        and query.get("status") in (None, one.status.value)
    ]
    if query.get("reverse") == "true":
        found.reverse()
    name = service.site.name
    return call.page([views.deployment_json(d, name, f"{call.path}/{d.uid}") for d in found])


def deploy(call: Call) -> Reply:
    """POST a deployment; it may take seconds, and holds nobody up."""
    service = call.service
    started = service.deployments.create(read_deployment(call.json_object()), call.user)
    path = f"{call.path}/{started.uid}"
    body = views.deployment_json(started, service.site.name, path)
    return Reply(201, body, {"Location": path})


def deployment(call: Call) -> Reply:
    """GET a deployment."""
    service = call.service
    found = service.deployments.get(call.names["deployment"])
    return Reply(200, views.deployment_json(found, service.site.name, call.path))


def cancel(call: Call) -> Reply:
    """DELETE a deployment."""
    service = call.service
    found = service.deployments.get(call.names["deployment"])
    if found.user != call.user:
        raise RefusalError(403, FORBIDDEN)
    service.deployments.cancel(found.uid)
    return Reply(202, None, {"Location": call.path})


def vlans(call: Call) -> Reply:
    """GET the kavlans of a site."""
    return call.whole(call.service.vlans.all())


def vlan(call: Call) -> Reply:
    """GET a kavlan."""
    return call.item(call.service.vlans.one(call.names["vlan"]))


def vlan_of(call: Call) -> Reply:
    """GET the network of a card."""
    name = call.names["node"]
    return call.item({"uid": name, "vlan": call.service.vlans.of(name)})


def vlan_nodes(call: Call) -> Reply:
    """GET the cards on a kavlan."""
    uid = call.names["vlan"]
    return call.whole([{"uid": name, "vlan": uid} for name in call.service.vlans.on(uid)])


def move(call: Call) -> Reply:
    """POST cards to a kavlan."""
    service = call.service
    with service.lock:
        return Reply(200, service.vlans.move(call.names["vlan"], call.json(), call.user))
