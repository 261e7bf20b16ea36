"""Reads the log that Nix writes with `--log-format internal-json`, line by line. Pure.

Format (Nix 2.8 to 2.34, `src/libutil/logging.{hh,cc}`): each line is `@nix ` and a JSON
object. `start` opens an activity, `result` says something of it, `stop` ends it, `msg` is a
message, level 0 an error. A builder may print `@nix {"action":"setPhase","phase":P}`.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import PurePosixPath

from enoslib_nxc.shell import TAIL_LINES

PREFIX = "@nix "
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
DERIVATION = re.compile(r"'(/nix/store/[^'\s]+\.drv)'")
# the words of 2.8 to 2.26, and those since 2.30
BUILDER_FAILED = re.compile(r"^builder for '|Reason: builder failed|failed due to signal")
# a store path of the flake's copy says nothing to a user; its file in the flake does
SOURCE = re.compile(r"\S*/nix/store/[a-z0-9]{32}-source/")


class Activity(IntEnum):
    """Types of activities."""

    FILE_TRANSFER = 101
    COPY_PATHS = 103
    BUILDS = 104
    BUILD = 105


class ResultType(IntEnum):
    """Types of results."""

    LOG_LINE = 101
    SET_PHASE = 104
    PROGRESS = 105
    SET_EXPECTED = 106


@dataclass(frozen=True)
class Failure:
    """An error that Nix reported.

    Args:
        message: without colours, traces and store paths of sources.
        excerpt: where it is in the source, several lines; "" when Nix does not say.
    """

    message: str
    excerpt: str = ""


@dataclass
class _Count:
    done: int = 0
    expected: int = 0


@dataclass
class BuildLog:
    """What a build has said so far.

    Attributes:
        failures: errors, in order.
        warnings: warnings, in order.
        other: lines that are no events.
        began: builders started.
    """

    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    other: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    began: int = 0
    _builds: dict[int, _Count] = field(default_factory=dict)
    _building: dict[int, str] = field(default_factory=dict)
    _phases: dict[int, str] = field(default_factory=dict)
    _tails: dict[str, deque[str]] = field(default_factory=dict)
    _transfers: dict[int, _Count] = field(default_factory=dict)
    _announced: dict[int, int] = field(default_factory=dict)

    def feed(self, line: str) -> None:
        """Take one line of Nix's standard error; nothing in it can make this raise."""
        if not line.startswith(PREFIX):
            if text := plain(line):
                self.other.append(text)
            return
        try:
            event = json.loads(line[len(PREFIX) :])
            self._take(event)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            self.other.append(plain(line))

    @property
    def evaluated(self) -> bool:
        """Evaluation is over: Nix went on to building."""
        return bool(self._builds)

    @property
    def done(self) -> int:
        """Derivations built."""
        return sum(builds.done for builds in self._builds.values())

    @property
    def expected(self) -> int:
        """Derivations to build in all, as far as Nix knows yet."""
        return sum(builds.expected for builds in self._builds.values())

    @property
    def downloaded(self) -> int:
        """Bytes downloaded."""
        return sum(transfer.done for transfer in self._transfers.values())

    @property
    def to_download(self) -> int:
        """Bytes to download in all, as far as Nix knows yet."""
        begun = sum(transfer.expected for transfer in self._transfers.values())
        return max(begun, sum(self._announced.values()), self.downloaded)

    @property
    def running(self) -> tuple[str, ...]:
        """What is being built, each as "NAME" or "NAME (PHASE)"."""
        return tuple(
            f"{name(drv)} ({self._phases[build]})" if build in self._phases else name(drv)
            for build, drv in self._building.items()
        )

    def failed_derivation(self) -> str:
        """Return the derivation whose builder failed, "" when none did."""
        for failure in self.failures:
            found = DERIVATION.search(failure.message)
            if found and BUILDER_FAILED.search(failure.message):
                return found[1]
        return ""

    def tail(self, derivation: str) -> tuple[str, ...]:
        """Return the last lines that the builder of a derivation printed."""
        return tuple(self._tails.get(derivation, ()))

    def _take(self, event: dict[str, object]) -> None:
        action, number = event["action"], event.get("id")
        if action == "msg":
            self._message(event)
        elif not isinstance(number, int):
            raise TypeError(number)
        elif action == "start":
            self._start(number, event)
        elif action == "stop":
            self._building.pop(number, None)
            self._phases.pop(number, None)
        elif action == "result":
            self._result(number, event)

    def _start(self, number: int, event: dict[str, object]) -> None:
        kind = _int(event["type"])
        if kind == Activity.BUILD:
            derivation = str(_fields(event)[0])
            self.began += 1
            self._building[number] = derivation
            self._tails[derivation] = deque(maxlen=TAIL_LINES)
        elif kind == Activity.FILE_TRANSFER:
            self._transfers[number] = _Count()
        elif kind == Activity.BUILDS:
            self._builds[number] = _Count()

    def _result(self, number: int, event: dict[str, object]) -> None:
        kind, fields = _int(event["type"]), _fields(event)
        if kind == ResultType.LOG_LINE and number in self._building:
            self._tails[self._building[number]].append(plain(str(fields[0])))
        elif kind == ResultType.SET_PHASE and number in self._building:
            self._phases[number] = plain(str(fields[0]))
        elif kind == ResultType.SET_EXPECTED and fields[0] == Activity.FILE_TRANSFER:
            self._announced[number] = _int(fields[1])
        elif kind == ResultType.PROGRESS:
            for counts in (self._transfers, self._builds):
                if number in counts:
                    counts[number] = _Count(_int(fields[0]), _int(fields[1]))

    def _message(self, event: dict[str, object]) -> None:
        shown = plain(str(event.get("msg", "")))
        if event["level"] == 1:
            self.warnings.append(shown.removeprefix("warning: "))
        # 2.8 says at the level of errors that there could be more of a trace
        elif event["level"] == 0 and not shown.startswith("(use '--show-trace'"):
            self.failures.append(_failure(shown, plain(str(event.get("raw_msg", "")))))


def _failure(shown: str, raw: str) -> Failure:
    """Take the error itself out of a message; what is above its last "error:" is trace."""
    last = re.split(r"(?:^|\n)\s*error: ?", shown)[-1].strip("\n")
    message, _, rest = last.partition("\n")
    if raw:
        message, rest = raw, last.removeprefix(raw)
    excerpt = [line for line in rest.splitlines() if line.strip()]
    return Failure(SOURCE.sub("", message).strip(), SOURCE.sub("", "\n".join(excerpt)))


def plain(text: str) -> str:
    """Return a text without colours and control characters, which builders print too."""
    return CONTROL.sub("", ANSI.sub("", text)).rstrip()


def name(store_path: str) -> str:
    """Return the name in a store path: `/nix/store/HASH-hello.drv` gives `hello`."""
    return PurePosixPath(store_path).name.partition("-")[2].removesuffix(".drv")


def _int(value: object) -> int:
    if isinstance(value, int):
        return value
    raise TypeError(value)


def _fields(event: dict[str, object]) -> Sequence[object]:
    fields = event["fields"]
    if isinstance(fields, list):
        return fields
    raise TypeError(fields)
