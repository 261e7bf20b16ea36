"""Jobs, deployments and the state of a cluster as JSON; pure."""

from __future__ import annotations

from collections.abc import Sequence

from enoslib_nxc.rehearsal.batch import Batch
from enoslib_nxc.rehearsal.deployments import Deployment
from enoslib_nxc.rehearsal.jobs import Job, State
from enoslib_nxc.rehearsal.replies import Json, JsonObject, links
from enoslib_nxc.rehearsal.site import Node


def job_json(job: Job, scheduler: Batch, path: str) -> JsonObject:
    """Describe a job as lists have it (g5k-api, oar/job.rb, to_reservation).

    Args:
        job: the job.
        scheduler: of its site.
        path: the job's own path.
    """
    order = job.order
    scheduled = job.planned is not None and not job.ended and scheduler.scheduled(job)
    values: dict[str, Json] = {
        "uid": job.uid,
        "user_uid": order.user,
        "user": order.user,
        "walltime": job.walltime,
        "queue": order.queue,
        "state": job.state.value.lower(),
        "project": order.project,
        "name": order.name,
        "types": list(order.types),
        "mode": "PASSIVE",
        "command": order.command,
        "submitted_at": int(job.submitted_at),
        "scheduled_at": int(job.planned.start) if scheduled and job.planned else None,
        # 0 until it is launched: OAR's column start_time is never empty
        "started_at": int(job.started_at),
        "stopped_at": int(job.stopped_at) or None,
        "message": job.message,
        "properties": order.properties,
        "directory": f"/home/{order.user}",
        "events": [{"type": event} for event in job.events],
        "links": links(path),
    }
    return {key: value for key, value in values.items() if value is not None}


def full_job_json(job: Job, scheduler: Batch, path: str) -> JsonObject:
    """Describe a job as it is alone: with its resources, planned ones included."""
    by_type: dict[str, list[Json]] = {}
    seen = scheduler.scheduled(job)
    for uid in sorted(job.resources) if seen else ():
        row = scheduler.resources[uid].row
        if row["type"] == "default":
            by_type.setdefault("cores", []).append(f"{row['network_address']}/{row['cpuset']}")
        elif row["type"] == "subnet":
            subnet = f"{row['subnet_address']}/{row['subnet_prefix']}"
            by_type.setdefault("subnets", []).append(subnet)
        else:
            by_type.setdefault("vlans", []).append(row["vlan"])
    nodes = list(scheduler.hosts(job)) if seen else []
    base = job_json(job, scheduler, path)
    return {**base, "resources_by_type": by_type, "assigned_nodes": nodes}


def cluster_status(nodes: Sequence[Node], scheduler: Batch, jobs_path: str) -> JsonObject:
    """Describe what is and will be on the nodes of a cluster (g5k-api, oar/resource.rb).

    Args:
        nodes: of the cluster.
        scheduler: of the site.
        jobs_path: path of the site's jobs.
    """
    jobs = [job for job in scheduler.jobs() if not job.ended]
    return {"nodes": {n.fqdn: _node_status(n, jobs, scheduler, jobs_path) for n in nodes}}


def _node_status(
    node: Node, jobs: Sequence[Job], scheduler: Batch, jobs_path: str
) -> JsonObject:
    here = [j for j in jobs if scheduler.scheduled(j) and node.fqdn in scheduler.hosts(j)]
    running = [job for job in here if job.state is State.RUNNING]
    soft = "busy" if running else "free"
    if any(job.order.besteffort for job in running):
        soft += "_besteffort"
    reservations = []
    for job in here:
        described = dict(job_json(job, scheduler, f"{jobs_path}/{job.uid}"))
        described.pop("events", None)
        reservations.append(described)
    hard = scheduler.host_state(node.fqdn).lower()
    return {
        "hard": hard,
        "soft": "unknown" if hard == "dead" else soft,
        "reservations": reservations,
    }


def deployment_json(deployment: Deployment, site: str, path: str) -> JsonObject:
    """Describe a deployment (g5k-api, deployment.rb, as_json: what has a value).

    Args:
        deployment: the deployment.
        site: name of its site.
        path: its own path.
    """
    request = deployment.request.model_dump(exclude_defaults=True)
    result = {
        name: {
            "macro": outcome.macro,
            "micro": outcome.micro,
            "state": "OK" if outcome.ok else "KO",
        }
        for name, outcome in deployment.result.items()
    }
    values: dict[str, Json] = {
        **request,
        "uid": deployment.uid,
        "site_uid": site,
        "user_uid": deployment.user,
        "status": deployment.status.value,
        "result": result or None,
        "output": deployment.output or None,
        "created_at": int(deployment.created_at),
        "updated_at": int(deployment.updated_at),
        "links": links(path),
    }
    return {key: value for key, value in values.items() if value is not None}
