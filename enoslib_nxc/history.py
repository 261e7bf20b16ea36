"""What each `init()`, phase and `destroy()` of a deployment did, on disk: for its report.

One file for each job name, beside the deployments, so that it outlives them. One JSON object
a line: `{"began": ...}` for each call, then a `Step` for each step that ended. Where nothing
can be written there is no history: no deployment fails for that.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from enoslib_nxc import journal, runs, state
from enoslib_nxc.errors import StateError
from enoslib_nxc.events import Event, Phase, Reporter, Status
from enoslib_nxc.names import JOB_NAME_PATTERN
from enoslib_nxc.nix.provenance import versions
from enoslib_nxc.steps import Call, Outcome, Step

if TYPE_CHECKING:
    from enoslib_nxc.config import Settings
    from enoslib_nxc.state import Home

OUTCOMES: dict[Status, Outcome] = {
    Status.DONE: "done",
    Status.NOOP: "noop",
    Status.FAILED: "failed",
}

MOST_RUNS = 200
"""Runs of a job name that are kept: the oldest ones go when a call begins."""

MOST_CALLS = 2000
"""Likewise calls, most of which have nothing to do."""

LONGEST = 500
"""Characters of a message that are kept."""


def path(job_name: str) -> Path:
    """Return the file of a job name: `$XDG_STATE_HOME/enoslib-nxc/runs/JOB_NAME.jsonl`."""
    return state.runs_root() / f"{job_name}.jsonl"


def job_names() -> list[str]:
    """Return the job names of which runs are kept, whether there is a deployment or not."""
    root = state.runs_root()
    found = [file.stem for file in root.glob("*.jsonl")] if root.is_dir() else []
    return sorted(name for name in found if re.fullmatch(JOB_NAME_PATTERN, name))


@contextmanager
def kept(home: Home, settings: Settings, *, call: str = "init") -> Iterator[Reporter]:
    """Note a call, the ends of its steps as they happen, and its own.

    Args:
        home: the deployment's directory, held by this process.
        settings: what the call was made with.
        call: what it is, one of `steps.CALLS`.

    Yields:
        Takes its events.
    """
    hosts = _Hosts(home)
    began = Call(
        at=time.time(),
        fresh=hosts.fresh,
        versions=versions(),
        configuration=settings.model_dump(mode="json", exclude_unset=True),
    )
    with suppress(OSError):
        journal.shorten(path(home.job_name), _recent)
    _append(home.job_name, json.dumps({"began": began.model_dump(mode="json")}))
    with step(home.job_name, call):
        yield _Taker(lambda done: note(home.job_name, hosts.placed(done)))


def ends(job_name: str) -> Reporter:
    """Return what notes the ends of steps after a call: those of `destroy()`.

    Args:
        job_name: the deployment's name; nothing is noted where it has no record of calls.
    """

    def take(done: Step) -> None:
        if path(job_name).exists():
            note(job_name, done)

    return _Taker(take)


@contextmanager
def step(
    job_name: str, phase: str, *, nodes: Sequence[str] = (), user: bool = False
) -> Iterator[None]:
    """Note what the body does, as one step, when it ends; an error goes on.

    Args:
        job_name: the deployment's name.
        phase: the step's.
        nodes: the hosts that it is about, a line each; none for the whole.
        user: whether it is a phase of the user's program.
    """
    began = time.monotonic()

    def end(outcome: Outcome, message: str = "") -> None:
        now = time.time()
        made = Step(
            phase=phase,
            start=now - (time.monotonic() - began),
            end=now,
            outcome=outcome,
            does=phase,
            message=message,
            user=user,
        )
        note(job_name, *(made.model_copy(update={"node": node}) for node in nodes or ("",)))

    try:
        yield
    except BaseException as error:
        end("failed", _short(error))
        raise
    end("done")


def note(job_name: str, *steps: Step) -> None:
    """Note steps that ended.

    Args:
        job_name: the deployment's name.
        steps: the steps.
    """
    _append(job_name, *(each.model_dump_json() for each in steps))


def read(job_name: str) -> tuple[Call, ...]:
    """Return the calls of a job name, in their order; none where they cannot be read.

    A line that was not written whole, by a program that was killed, is passed over.

    Args:
        job_name: the deployment's name.
    """
    if re.fullmatch(JOB_NAME_PATTERN, job_name) is None:
        return ()  # as a path it would lead elsewhere
    try:
        return _calls(journal.lines(path(job_name)))
    except OSError:
        return ()


def forget(job_name: str) -> bool:
    """Remove the runs of a job name; tell whether there were any.

    Args:
        job_name: the deployment's name.

    Raises:
        StateError: they cannot be removed.
    """
    if re.fullmatch(JOB_NAME_PATTERN, job_name) is None:
        return False
    try:
        return journal.remove(path(job_name))
    except OSError as error:
        raise StateError(
            f"the runs of {job_name} cannot be removed: {path(job_name)}: {error.strerror}"
        ) from error


def _append(job_name: str, *lines: str) -> None:
    with suppress(OSError):
        journal.append(path(job_name), lines)


def _calls(lines: Sequence[str]) -> tuple[Call, ...]:
    calls: list[Call] = []
    steps: list[list[Step]] = []
    for line in lines:
        with suppress(ValueError, ValidationError, AttributeError):
            entry = json.loads(line)
            if began := entry.get("began"):
                calls.append(Call.model_validate(began))
                steps.append([])
            elif calls:
                steps[-1].append(Step.model_validate(entry))
    return tuple(
        call.model_copy(update={"steps": tuple(made)})
        for call, made in zip(calls, steps, strict=True)
    )


def _recent(lines: Sequence[str]) -> Sequence[str]:
    """Return the lines of the last runs, as many as are kept; a run goes as a whole."""
    begins = [at for at, line in enumerate(lines) if line.startswith('{"began"')]
    if len(begins) <= MOST_RUNS:
        return lines
    parts = [lines[at:end] for at, end in zip(begins, [*begins[1:], None], strict=True)]
    made = [(part, call) for part in parts for call in _calls(part)]
    kept_runs = runs.grouped(call for _, call in made)[-MOST_RUNS:]
    first = kept_runs[0][0].at if kept_runs else 0.0
    made = [(part, call) for part, call in made if call.at >= first]
    spare = max(0, len(made) - MOST_CALLS)
    return [
        line
        for at, (part, call) in enumerate(made)
        if at >= spare or not call.idle
        for line in part
    ]


def _short(error: BaseException) -> str:
    """Return an error in one line."""
    brief = getattr(error, "brief", "")
    told = str(brief) or f"{type(error).__name__}: {error}".removesuffix(": ")
    return (told.splitlines() or [""])[0][:LONGEST]


class _Taker:
    """A reporter that makes steps of events, whatever thread they come from.

    Args:
        take: takes each step that ended.
    """

    def __init__(self, take: Callable[[Step], None]) -> None:
        self._take = take
        self._lock = threading.Lock()
        self._begun: dict[tuple[Phase, str], list[str]] = {}

    def __call__(self, event: Event) -> None:
        key = (event.phase, event.subject)
        with self._lock:
            under_way = self._begun.setdefault(key, [])
            if event.status is Status.STARTED:
                under_way.append(event.message)
            if event.status not in OUTCOMES:
                return
            does = under_way.pop() if under_way else event.message
        self._take(
            Step(
                phase=event.phase.value,
                node=event.subject,
                start=event.at - event.seconds,
                end=event.at,
                outcome=OUTCOMES[event.status],
                does=does[:LONGEST],
                message=event.message[:LONGEST],
            )
        )


class _Hosts:
    """Tells which subjects of steps are hosts: some are sites.

    Args:
        home: the deployment's directory.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._names: set[str] = set()
        self.fresh = not self._look()

    def placed(self, done: Step) -> Step:
        """Return a step as one of a host, or of the whole with its subject in its words."""
        if not done.node or done.node in self._names:
            return done
        self._look()  # the plan is younger, or has changed
        if done.node in self._names:
            return done
        told = f"{done.node}: {done.message}"[:LONGEST]
        return done.model_copy(update={"node": "", "message": told})

    def _look(self) -> bool:
        """Read the hosts of the record; tell whether there is one."""
        try:
            record = self._home.load()
        except StateError:
            return True
        self._names = {node.host for node in record.plan.nodes} if record else set()
        return record is not None
