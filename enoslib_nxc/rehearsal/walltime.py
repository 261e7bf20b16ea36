"""Changes of a job's walltime, as OAR's oarwalltime has them; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from enoslib_nxc.rehearsal.admission import invalid
from enoslib_nxc.rehearsal.replies import OURS, JsonObject, RefusalError

_WALLTIME = re.compile(r"([-+]?)(\d{1,6})(?::(\d{1,6}))?(?::(\d{1,6}))?", re.ASCII)
_SWITCHES = ("delay_next_jobs", "force", "whole")
_SAID = {False: "NO", True: "YES"}


class ChangeRequest(BaseModel):
    """The body of a request: the fields of g5k-api (job_walltime.rb)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    walltime: str = Field(min_length=1)
    delay_next_jobs: bool = False
    force: bool = False
    whole: bool = False
    timeout: int | None = None

    @field_validator(*_SWITCHES, mode="before")
    @classmethod
    def _switch(cls, value: object) -> object:
        return {"yes": True, "no": False}.get(value, value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Rules:
    """OAR's configuration of walltime changes (oar.conf, WALLTIME_*).

    Args:
        max_increase: seconds by which a walltime may grow; None for no limit.
        min_for_change: shortest walltime, in seconds, that may be changed.
        reduction: whether it may be made shorter.
        force: whether users may ask for `force`.
        delay: whether users may ask for `delay_next_jobs`.
    """

    max_increase: int | None = None
    min_for_change: int = 0
    reduction: bool = True
    force: bool = False
    delay: bool = False


@dataclass(frozen=True)
class Change:
    """What became of the requests of one job.

    Args:
        asked_at: when the last one came, seconds since the epoch.
        pending: seconds not granted yet; negative for a shorter walltime.
        granted: seconds granted in all.
        whole: whether the last one is to be granted wholly or not at all.
        delay: whether it may delay waiting jobs.
        timeout: seconds after which what is pending is dropped; 0 for never.
        granted_whole: seconds granted that were asked for with `whole`.
        granted_delay: seconds granted that were asked for with `delay_next_jobs`.
    """

    asked_at: float
    pending: int
    granted: int = 0
    whole: bool = False
    delay: bool = False
    timeout: int = 0
    granted_whole: int = 0
    granted_delay: int = 0


def read_change(body: JsonObject) -> ChangeRequest:
    """Check the fields of a request.

    Raises:
        RefusalError: 400, with g5k-api's texts.
    """
    try:
        return ChangeRequest.model_validate(body)
    except ValidationError as error:
        faults = dict.fromkeys(_fault(str(e["loc"][0]), e["type"]) for e in error.errors())
        raise invalid("job walltime change", list(faults)) from error


def _fault(name: str, kind: str) -> str:
    if kind == "extra_forbidden":
        return f"unknown field `{name}` {OURS}"
    if name in _SWITCHES:
        return f"{', '.join(_SWITCHES)} must be a Boolean"
    if name == "timeout":
        return "timeout must be an Integer"
    absent = kind in ("missing", "string_too_short")
    return "you must give a new walltime" if absent else "new walltime must be a String"


def delta(text: str, walltime: int) -> int:
    """Return the seconds by which a request changes a walltime.

    Args:
        text: `+1:30`, `-0:10:0`, or a new walltime without a sign.
        walltime: the walltime now, in seconds.

    Raises:
        RefusalError: 400, it cannot be read.
    """
    found = _WALLTIME.fullmatch(text)
    if found is None:
        raise RefusalError(400, "Syntax error")
    hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
    total = hours * 3600 + minutes * 60 + seconds
    return {"+": total, "-": -total}.get(found[1], total - walltime)


def asked(
    before: Change | None,
    request: ChangeRequest,
    walltime: int,
    remaining: float,
    rules: Rules,
    now: float,
) -> Change:
    """Return the change after one more request.

    Args:
        before: what there was; None for the first request.
        request: the request.
        walltime: the job's walltime now, seconds.
        remaining: seconds until it ends.
        rules: the site's rules.
        now: seconds since the epoch.

    Raises:
        RefusalError: 400 or 403, with OAR's text (Walltime.pm).
    """
    seconds = delta(request.walltime, walltime)
    if seconds == 0:
        raise RefusalError(400, "Walltime change is null")
    if seconds < 0 and not rules.reduction:
        raise RefusalError(400, "Walltime reduction is not allowed")
    if request.force:
        if not rules.force:
            text = "Walltime change for this job is not allowed to be forced"
            raise RefusalError(403, text)
        raise RefusalError(400, f"force is not imitated {OURS}")
    if request.delay_next_jobs and not rules.delay:
        text = "Walltime change for this job is not allowed to delay other jobs"
        raise RefusalError(403, text)
    if walltime < rules.min_for_change:
        least = hms(rules.min_for_change)
        text = f"Walltime change is not allowed for a job with walltime < {least}"
        raise RefusalError(403, text)
    granted = before.granted if before else 0
    if rules.max_increase is not None and granted + seconds > rules.max_increase:
        what = "Request cannot be updated" if before else "Request cannot be accepted"
        most = hms(rules.max_increase)
        text = f"{what} because the walltime cannot increase by more than {most}"
        raise RefusalError(403, text)
    change = before or Change(now, 0)
    return replace(
        change,
        asked_at=now,
        pending=max(seconds, -int(remaining)),
        whole=request.whole and seconds > 0,
        delay=request.delay_next_jobs and seconds > 0,
        timeout=request.timeout if request.timeout is not None else change.timeout,
    )


def granted(change: Change, room: float, now: float) -> Change:
    """Return the change after the scheduler looked at it.

    Args:
        change: with something pending.
        room: seconds by which the job may grow before it meets another one.
        now: seconds since the epoch.
    """
    if change.timeout and now > change.asked_at + change.timeout:
        return replace(change, pending=0)
    # what does not fit ends a second earlier than it could (get_possible_job_end_time...)
    fits = change.pending if change.pending <= room else int(max(0, room - 1))
    if change.whole and fits < change.pending:
        return change
    return replace(
        change,
        pending=change.pending - fits,
        granted=change.granted + fits,
        granted_whole=change.granted_whole + fits * change.whole,
        granted_delay=change.granted_delay + fits * change.delay,
    )


def status(change: Change | None, walltime: int, rules: Rules, *, running: bool) -> JsonObject:
    """Return what GET answers, as OAR's Walltime.pm builds it.

    Args:
        change: the job's requests; None for none.
        walltime: the job's walltime now, seconds.
        rules: the site's rules.
        running: whether the job runs; before, only what is possible is told.
    """
    possible = signed(0)
    if running and walltime >= rules.min_for_change:
        most = rules.max_increase
        possible = "UNLIMITED" if most is None else signed(most)
    answer: dict[str, str] = {
        "possible": possible,
        "force": "NO" if rules.force else "FORBIDDEN",
        "delay_next_jobs": _SAID[change is not None and change.delay]
        if rules.delay
        else "FORBIDDEN",
    }
    if not running:
        return answer
    change = change or Change(0, 0)
    return {
        **answer,
        "walltime": hms(walltime),
        "pending": signed(change.pending),
        "granted": signed(change.granted),
        "granted_with_force": signed(0),
        "granted_with_delay_next_jobs": signed(change.granted_delay),
        "granted_with_whole": signed(change.granted_whole),
        "whole": _SAID[change.whole and change.pending != 0],
        "timeout": hms(change.timeout),
    }


def hms(seconds: int) -> str:
    """Return a duration as OAR prints it: `2:0:0`."""
    return f"{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}"


def signed(seconds: int) -> str:
    """Return a duration with its sign; none for zero."""
    return ("+" if seconds > 0 else "-" if seconds < 0 else "") + hms(abs(seconds))
