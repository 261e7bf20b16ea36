"""What g5k-api and OAR's admission rules make of a submission before it is scheduled; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from enoslib_nxc.rehearsal.oarsub import OarError, Request, parse
from enoslib_nxc.rehearsal.replies import OURS, JsonObject, RefusalError

TIMEZONE = ZoneInfo("Europe/Paris")
"""That of Grid'5000's dates; EnOSlib uses the same."""

PRIORITIES: Mapping[str, int] = {"admin": 10, "default": 2, "production": 4, "besteffort": 0}
"""Queues, and OAR's priority of each (its default set-up; EnOSlib knows the names)."""

MAX_RESERVATIONS = 2
"""Advance reservations that a user may have waiting: OAR's default rule 12."""

_TYPES = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        # OAR's default rule 16, without those that this scheduler does not know
        *(r"deploy(=standby)?", r"besteffort", r"idempotent", r"noop(=standby)?"),
        # Grid'5000's, as EnOSlib sends them
        *(r"exotic", r"origin=.+", r"monitor=.+", r"production", r"allow_classic_ssh"),
    )
)
_SYSTEM = frozenset({"type", "state", "cpuset", "besteffort", "deploy"})
"""Properties that cannot be asked for by number: OAR's default rule 5."""

_PARTS = frozenset({"cpu", "core", "resource_id"})
"""Parts of a node, which deploy jobs cannot ask for: OAR's default rule 10."""

_DATE = re.compile(r"\s*(\d{4}-\d\d?-\d\d?)\s+(\d\d?)(?::(\d\d?))?(?::(\d\d?))?\s*", re.ASCII)


class JobRequest(BaseModel):
    """The body of a submission: the fields of g5k-api (job.rb) that mean something here."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    resources: str = "nodes=1"
    command: str | None = None
    name: str | None = None
    types: list[str] = Field(default_factory=list)
    queue: str = "default"
    project: str = "default"
    properties: str = ""
    reservation: str | None = None
    directory: str | None = None
    stdout: str | None = None
    stderr: str | None = None


@dataclass(frozen=True)
class Order:
    """A submission that was admitted.

    Args:
        user: who asks.
        name: name of the job; None without one.
        project: project.
        queue: queue, after the rules.
        types: job types, after the rules.
        command: what to run on the first node.
        properties: condition on resources, after the rules.
        request: resources and walltime.
        reservation: seconds since the epoch to start at; None for as soon as possible.
    """

    user: str
    name: str | None
    project: str
    queue: str
    types: tuple[str, ...]
    command: str
    properties: str
    request: Request
    reservation: float | None = None

    @property
    def besteffort(self) -> bool:
        """Whether any other job may take its resources."""
        return "besteffort" in self.types

    @property
    def deploy(self) -> bool:
        """Whether its nodes may be deployed."""
        return any(kind.split("=")[0] == "deploy" for kind in self.types)


def read_request(body: JsonObject) -> JobRequest:
    """Check the fields of a submission.

    Raises:
        RefusalError: 400, with g5k-api's texts for what g5k-api checks.
    """
    try:
        request = JobRequest.model_validate(body)
    except ValidationError as error:
        raise invalid(
            "job", [_fault(e["type"], e["loc"], e["msg"]) for e in error.errors()]
        ) from error
    if request.reservation is None and not (request.command or "").strip():
        raise invalid("job", ["you must give a :command to execute on launch"])
    if request.reservation is not None and not (
        _DATE.fullmatch(request.reservation) or request.reservation == "now"
    ):
        raise invalid(
            "job",
            [
                "Syntax error in reservation start date, should at least match the format: "
                "'YYYY-MM-DD hh:mm:ss'. Please see documentation for available date syntaxes."
            ],
        )
    return request


def invalid(what: str, faults: Sequence[str]) -> RefusalError:
    """Return g5k-api's refusal of a body: 400, with its reasons in one line."""
    text = "; ".join(faults)
    return RefusalError(400, f"The {what} you are trying to submit is not valid: {text}")


def _fault(kind: str, place: Sequence[int | str], message: str) -> str:
    name = str(place[0]) if place else "body"
    if kind == "extra_forbidden":
        return f"unknown field `{name}` {OURS}"
    if name == "reservation":
        return "`reservation` should be a String."
    return f"{name}: {message} {OURS}"


def date(timestamp: float) -> str:
    """Return a moment as OAR prints it."""
    return datetime.fromtimestamp(timestamp, TIMEZONE).strftime("%Y-%m-%d %H:%M:%S")


def timestamp(text: str, now: float) -> float:
    """Read the date of a reservation.

    Raises:
        OarError: there is no such date.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        return now
    day, *clock = found.groups()
    hours, minutes, seconds = (int(part or 0) for part in clock)
    year, month, number = (int(part) for part in day.split("-"))
    try:
        if not 1 <= number <= 31:
            raise ValueError(number)
        # as mktime(3) has it, which OAR calls: February 30 is one of the first days of March
        moment = datetime(year, month, 1, hours, minutes, seconds) + timedelta(number - 1)
        return moment.replace(tzinfo=TIMEZONE).timestamp()
    except ValueError as error:
        raise OarError(
            "# Error: syntax error in <start date> for the -r or --reservation option. It "
            'takes a date as argument with the format: "YYYY-MM-DD hh:mm:ss".'
        ) from error


def admit(request: JobRequest, user: str, *, now: float, reservations: int) -> Order:
    """Apply the admission rules.

    Args:
        request: the submission.
        user: who submits.
        now: seconds since the epoch.
        reservations: advance reservations of this user that wait.

    Raises:
        OarError: a rule refuses it, with the rule's text.
    """
    resources = parse(request.resources)
    types, queue = _tied(list(request.types), request.queue)
    start = None if request.reservation is None else timestamp(request.reservation, now)
    _check_rules(resources, types, reservation=start is not None, reservations=reservations)
    if queue == "admin":  # OAR's default rule 4; nobody here is one
        raise _rule("Only member of the group admin can submit jobs in the admin queue")
    if queue not in PRIORITIES:
        # exit status -8, which OAR's API does not take for the user's fault
        raise OarError(f"# Error: queue '{queue}' does not exist", status=500)
    return Order(
        user=user,
        name=request.name,
        project=request.project,
        queue=queue,
        types=tuple(types),
        command=request.command or "",
        properties=_conditions(request.properties, types, queue),
        request=resources,
        reservation=start,
    )


def _tied(types: list[str], queue: str) -> tuple[list[str], str]:
    """Tie the besteffort queue and type together: OAR's default rule 6."""
    if "besteffort" in types:
        queue = "besteffort"
    elif queue == "besteffort":
        types.append("besteffort")
    return types, queue


def _check_rules(
    request: Request, types: Sequence[str], *, reservation: bool, reservations: int
) -> None:
    levels = [level.name for group in request.groups for level in group.levels]
    for name in levels:
        if name in _SYSTEM:
            raise _rule(f"'{name}' resource is not allowed")
    if "besteffort" in types and reservation:
        raise _rule("Error: a job cannot both be of type besteffort and be a reservation.")
    if any(kind.startswith("deploy") for kind in types):
        for name in levels:
            if name in _PARTS:
                raise _rule(f"'{name}' resource is not allowed with a deploy job")
    if reservation and reservations >= MAX_RESERVATIONS:
        raise _rule(
            f"Error: you cannot have more than {MAX_RESERVATIONS} waiting advance reservations."
        )
    for kind in types:
        if not any(pattern.fullmatch(kind) for pattern in _TYPES):
            raise _rule(f"Error: unknown job type: {kind}")


def _rule(text: str) -> OarError:
    return OarError(f"[ADMISSION RULE] {text}")


def _conditions(given: str, types: Sequence[str], queue: str) -> str:
    """Return the condition on resources after all rules, in the words that OAR makes of it."""
    found = given
    if "besteffort" in types:
        found = _and(found, "besteffort = 'YES'")
    if any(kind.startswith("deploy") for kind in types):
        found = _and(found, "deploy = 'YES'")
    found = _and(found, "desktop_computing = 'NO'")
    # only nodes have the two properties below; kavlans and subnets go with any queue
    if "exotic" not in types:
        found += " AND (exotic = 'NO' OR type <> 'default')"
    if queue not in ("besteffort", "admin"):
        wanted = "YES" if queue == "production" else "NO"
        found += f" AND (production = '{wanted}' OR type <> 'default')"
    return _and(found, "drain='NO'")


def _and(before: str, more: str) -> str:
    return f"({before}) AND {more}" if before else more
