"""OAR jobs: found again by name, reserved by EnOSlib, waited for, given back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from enoslib.errors import InvalidReservationCritical
from enoslib.infra.enos_g5k import g5k_api_utils
from enoslib.infra.enos_g5k.configuration import Configuration
from enoslib.infra.enos_g5k.provider import G5k, G5kBase
from grid5000.exceptions import Grid5000CreateError
from grid5000.objects import Job as ApiJob

from enoslib_nxc.errors import PlatformError, StateError
from enoslib_nxc.g5k import api
from enoslib_nxc.g5k.request import DEPLOY, ORIGIN
from enoslib_nxc.model import Job
from enoslib_nxc.wait import Deadline

PENDING = ("waiting", "hold", "toackreservation", "tolaunch", "launching", "resuming")
"""States on the way to running, as the API writes OAR's."""

LIVE = (*PENDING, "running", "suspended")
"""States in which a job has, or will have, its resources."""

LISTED = "waiting,launching,running"
"""States that the API can filter by; its filter cannot find `tolaunch` (g5k-api, job.rb)."""

NOT_OARS = (401, 403, 500, 502, 503, 504)
"""HTTP statuses of a submission that say nothing of what was asked for."""

PAUSE = 0.25
"""Seconds between two looks at a job that was deleted."""


def find(name: str, sites: Iterable[str]) -> list[ApiJob]:
    """Return the live jobs of ours with a name, those about to be launched too.

    Args:
        name: the job name.
        sites: where to look.

    Raises:
        StateError: a job of that name is not one of ours, or there are two on a site.
        ApiError: the API cannot be asked.
    """
    found = []
    for site in sites:
        jobs = _named(name, site)
        if len(jobs) > 1:
            numbers = ", ".join(str(job.uid) for job in jobs)
            raise StateError(
                f"{site} has {len(jobs)} jobs named {name}: {numbers}",
                resolution="delete those that are not wanted (oardel), or use another job_name",
            )
        for job in jobs:
            if ORIGIN not in job.types:
                raise StateError(
                    f"job {job.uid} of {site} is named {name} too, and enoslib-nxc did not "
                    "reserve it",
                    resolution="give this configuration, or the other provider, "
                    "another job_name",
                )
        found += jobs
    return found


def ours(name: str, among: Iterable[str]) -> list[Job]:
    """Return all live jobs of ours with a name; other ones are left out.

    Args:
        name: the job name.
        among: sites.

    Raises:
        ApiError: the API cannot be asked.
    """
    return [
        Job(site=site, uid=int(job.uid))
        for site in among
        for job in _named(name, site)
        if ORIGIN in job.types
    ]


def _named(name: str, site: str) -> list[ApiJob]:
    """Return live jobs of the user with a name; the API's filter overlooks some states."""

    def ask() -> list[ApiJob]:
        jobs = api.client().sites[site].jobs
        wish = {"name": name, "user": api.login()}
        listed = jobs.list(**wish, state=LISTED) or jobs.list(**wish)
        return [jobs[job.uid] for job in listed if job.state in LIVE]

    return api.call(f"list the jobs of {site}", ask)


def sites() -> list[str]:
    """Return all sites but those that the user's file excludes (EnOSlib, excluded_sites)."""

    def ask() -> list[str]:
        excluded = api.client().excluded_sites
        return [site.uid for site in api.client().sites.list() if site.uid not in excluded]

    return api.call("list the sites", ask)


@dataclass
class Booked:
    """What is reserved, and EnOSlib's provider for it.

    Args:
        provider: EnOSlib's; its driver has the jobs.
        fresh: whether the jobs were submitted just now.
    """

    provider: G5k
    fresh: bool

    @property
    def jobs(self) -> list[ApiJob]:
        """The jobs, as last seen."""
        return list(self.provider.driver.jobs)

    @property
    def names(self) -> tuple[Job, ...]:
        """The jobs for the record."""
        return tuple(Job(site=job.site, uid=int(job.uid)) for job in self.jobs)


def reserve(conf: Configuration) -> Booked:
    """Find the jobs of a configuration, or submit them; nothing is waited for.

    Raises:
        StateError: jobs of that name are not ours, or of other types.
        PlatformError: a job that the configuration names is over.
        ApiError: the API refused, or cannot be asked.
        InvalidReservationTime, InvalidReservationTooOld, InvalidReservationCritical:
            EnOSlib's, on a date that cannot be had.
    """
    provider = G5k(conf)
    if conf.oargrid_jobids:
        named = (Job(site=site, uid=int(uid)) for site, uid in conf.oargrid_jobids)
        provider.driver._jobs = [look(job) for job in named]
        for job in provider.driver._jobs:
            _require_live(job)
        return Booked(provider, fresh=False)
    found = find(conf.job_name, conf.sites)
    if not found:
        found = _submit(provider, conf)
        fresh = True
    else:
        _require_types(found, conf)
        fresh = False
    provider.driver._jobs = found
    return Booked(provider, fresh)


def _submit(provider: G5k, conf: Configuration) -> list[ApiJob]:
    """Submit; where the answer got lost, look whether it was accepted."""
    # with a date EnOSlib's way for several sites shifts it by this computer's time zone
    reserve = G5kBase.reserve if conf.reservation else G5k.reserve
    try:
        api.call("reserve machines", partial(_plainly, reserve, provider), idempotent=False)
    except api.ApiError as error:
        found = find(conf.job_name, conf.sites) if error.unsure else []
        if not found:
            raise
        return found
    jobs: list[ApiJob] = provider.driver._jobs
    return jobs or find(conf.job_name, conf.sites)


def _plainly(reserve: Callable[[G5k], None], provider: G5k) -> None:
    """Reserve; what is not about the reservation itself stays an error of the API's."""
    try:
        reserve(provider)
    except InvalidReservationCritical as error:
        cause = error.__cause__
        if isinstance(cause, Grid5000CreateError) and cause.response_code in NOT_OARS:
            raise cause from None
        raise


def look(job: Job) -> ApiJob:
    """Return a recorded job as the API knows it.

    Raises:
        ApiError: it does not know it, or cannot be asked.
    """
    return api.call(
        f"find job {job.uid} of {job.site}",
        lambda: api.client().sites[job.site].jobs[job.uid],
    )


def _require_live(job: ApiJob) -> None:
    if job.state not in LIVE:
        raise PlatformError(
            f"g5k.oargrid_jobids: job {job.uid} of {job.site} is over ({job.state})",
            resolution="name a job that runs or waits",
        )


def _require_types(jobs: Iterable[ApiJob], conf: Configuration) -> None:
    """Refuse jobs of other types, which EnOSlib would delete without a word."""
    wanted = {each for each in conf.job_type if not each.startswith("origin=")}
    for job in jobs:
        missing = sorted(wanted - set(job.types))
        unwanted = DEPLOY in job.types and DEPLOY not in wanted
        if missing or unwanted:
            what = f"lacks the type {', '.join(missing)}" if missing else "is of type deploy"
            raise StateError(
                f"job {job.uid} of {job.site} {what}",
                resolution="destroy() it first, or use another job_name",
            )


def looks(recorded: Iterable[Job]) -> dict[Job, ApiJob | None]:
    """Return recorded jobs as the API knows them; None for those that it has forgotten.

    Raises:
        ApiError: it cannot be asked.
    """
    found: dict[Job, ApiJob | None] = {}
    for job in recorded:
        try:
            found[job] = look(job)
        except api.ApiError as error:
            if error.status != 404:
                raise
            found[job] = None
    return found


def states(recorded: Iterable[Job]) -> dict[Job, str]:
    """Return the state of recorded jobs; "unknown" for those that the API has forgotten.

    Raises:
        ApiError: it cannot be asked.
    """
    return {
        job: str(told.state) if told else "unknown" for job, told in looks(recorded).items()
    }


def delete(jobs: Iterable[Job], timeout: float) -> None:
    """Delete jobs and wait until they hold nothing.

    Args:
        jobs: which; those that are over are left alone.
        timeout: seconds for all.

    Raises:
        ApiError: the API cannot be asked.
        PlatformError: one does not end.
    """
    deadline = Deadline(timeout)
    faults = {}
    for job in jobs:
        try:
            _delete(job, deadline)
        except PlatformError as error:
            faults[job] = error
    if len(faults) == 1:
        raise next(iter(faults.values()))
    if faults:
        told = ", ".join(f"{job.uid} of {job.site}" for job in faults)
        raise PlatformError(
            f"{len(faults)} jobs were not deleted: {told}",
            details="\n".join(map(str, faults.values())),
        )


def _delete(recorded: Job, deadline: Deadline) -> None:
    job = looks([recorded])[recorded]
    if job is None or job.state not in LIVE:
        return
    api.call(f"delete job {job.uid}", partial(g5k_api_utils.job_delete, job))
    while job.state in LIVE:
        if deadline.passed:
            raise PlatformError(
                f"job {job.uid} of {job.site} is still {job.state} "
                f"{deadline.seconds:.0f} s after it was deleted",
                resolution=f"look at it on the frontend: oarstat -j {job.uid}",
            )
        time.sleep(PAUSE)
        api.call(f"look at job {job.uid}", job.refresh)
