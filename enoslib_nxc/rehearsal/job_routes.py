"""Routes of jobs and of their walltimes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from enoslib_nxc.rehearsal import views
from enoslib_nxc.rehearsal import walltime as walltimes
from enoslib_nxc.rehearsal.admission import read_request
from enoslib_nxc.rehearsal.call import Call
from enoslib_nxc.rehearsal.jobs import Job, State
from enoslib_nxc.rehearsal.oarsub import OarError
from enoslib_nxc.rehearsal.replies import FORBIDDEN, RefusalError, Reply, links, through_oarapi


def jobs(call: Call) -> Reply:
    """GET jobs, the newest first; filters as in g5k-api (oar/job.rb, list)."""
    service, query = call.service, call.query
    # each word is capitalized, so that `tolaunch` never finds OAR's toLaunch
    words = [word.strip().capitalize() for word in query.get("state", "").split(",")]
    states = {word for word in words if word}
    filters: Sequence[tuple[str, Callable[[Job], str | None]]] = (
        ("user", lambda job: job.order.user),
        ("name", lambda job: job.order.name),
        ("project", lambda job: job.order.project),
        ("queue", lambda job: job.order.queue),
        ("job_id", lambda job: str(job.uid)),
    )
    with service.lock:
        found = [
            job
            for job in service.scheduler.jobs()
            if all(not query.get(key) or read(job) == query[key] for key, read in filters)
            and (not states or job.state.value in states)
        ]
        view = views.job_json
        if query.get("resources", "no") != "no":
            view = views.full_job_json
        return call.page([view(j, service.scheduler, f"{call.path}/{j.uid}") for j in found])


def submit(call: Call) -> Reply:
    """POST a job."""
    service, request = call.service, read_request(call.json_object())
    with service.lock:
        try:
            job = service.scheduler.submit(request, call.user)
        except OarError as error:
            url = f"{call.site_path}/internal/oarapi/jobs.json"
            title = "Bad query" if error.status == 400 else "Oar server error"
            raise through_oarapi(url, error.status, title, f"{error}\n") from error
        path = f"{call.path}/{job.uid}"
        body = views.full_job_json(job, service.scheduler, path)
    return Reply(201, body, {"Location": path})


def job(call: Call) -> Reply:
    """GET a job."""
    service = call.service
    with service.lock:
        return Reply(200, views.full_job_json(_job(call), service.scheduler, call.path))


def delete(call: Call) -> Reply:
    """DELETE a job."""
    service = call.service
    with service.lock:
        found = _job(call)
        if found.order.user != call.user:
            raise RefusalError(403, FORBIDDEN)
        try:
            said = service.scheduler.delete(found, call.user)
        except OarError as error:
            # 6 is oardel's exit status for a job that was killed before; Perl shifts it
            command = f"oardodo oardel {found.uid}"
            text = f"Oardel command exited with status {6 << 8}: {error}\n"
            text += f". (Command was: {command})."
            url = f"{call.site_path}/internal/oarapi/jobs/{found.uid}.json"
            raise through_oarapi(url, 400, "Oardel error", text) from error
    headers = {"Location": call.path, "X-Oar-Info": " ".join(said.splitlines())}
    return Reply(202, None, headers)


def walltime_status(call: Call) -> Reply:
    """GET what became of the requests for another walltime."""
    service = call.service
    with service.lock:
        found = _job_of_oarapi(call)
        running = found.state is State.RUNNING
        rules = service.scheduler.rules
        status = walltimes.status(found.change, found.walltime, rules, running=running)
    return Reply(200, {**status, "uid": found.uid, "links": links(call.path)})


def change_walltime(call: Call) -> Reply:
    """POST a request for another walltime."""
    service, request = call.service, walltimes.read_change(call.json_object())
    with service.lock:
        found = _job_of_oarapi(call)
        if found.order.user != call.user:
            raise RefusalError(403, f"Job {found.uid} does not belong to you")
        if found.state is not State.RUNNING:
            raise RefusalError(403, f"Job {found.uid} is not running")
        said = service.scheduler.change_walltime(found, request)
    # g5k-api hands the bare sentence to Rails' JSON renderer, which leaves strings as they
    # are (jobs_walltime_controller_spec.rb): python-grid5000's `create` raises
    # Grid5000ParsingError on it, although the request was taken
    return Reply(202, None, {"Location": call.path}, raw=said)


def _job(call: Call) -> Job:
    uid = call.names["job"]
    found = call.service.scheduler.job(int(uid)) if uid.isdecimal() and len(uid) < 19 else None
    if found is None:
        raise RefusalError(404, f"Couldn't find OAR::Job with 'job_id'={uid}")
    return found


def _job_of_oarapi(call: Call) -> Job:
    """Return a job; what is not there is told by OAR's API here."""
    try:
        return _job(call)
    except RefusalError as error:
        uid = call.names["job"]
        raise RefusalError(404, f"Job id '{uid}' cannot be found.") from error
