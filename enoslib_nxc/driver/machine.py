"""The calls of a test script on one machine: those of NixOS's test driver, by their names.

Semantics are those of the NixOS manual, "Writing Tests", as far as they make sense for a
machine that runs already: it was booted before the script begins.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from enoslib_nxc import shell
from enoslib_nxc.driver.remote import Answer, Shell
from enoslib_nxc.errors import CommandError, DeadlineError, ScriptError
from enoslib_nxc.events import Phase, Reporter, Step, silent, step
from enoslib_nxc.wait import Deadline

CALL_SECONDS = 900.0
"""Deadline of one call (`timeout` of NixOS's driver)."""

SCRIPT_SECONDS = 3600.0
"""Deadline of the whole script (`globalTimeout` of NixOS's tests)."""

PAUSE_SECONDS = 1.0
"""Between two looks (NixOS's driver)."""

CONNECT_SECONDS = 10.0
"""For one look at a TCP port: an address that drops packets never answers."""

SHOWN = 80
"""Characters of a command in a message's first line; the details have it whole."""


@dataclass
class Commands:
    """A machine that runs commands.

    Args:
        name: its host name.
        shell: runs commands on it.
        deadline: that of the whole script.
        report: where events go.
        pause: seconds between two looks.
    """

    name: str
    shell: Shell
    deadline: Deadline
    report: Reporter = silent
    pause: float = field(default=PAUSE_SECONDS, kw_only=True)

    def start(self) -> None:
        """Do nothing: the machine runs."""

    def execute(self, command: str, timeout: float | None = CALL_SECONDS) -> tuple[int, str]:
        """Run a command.

        Args:
            command: text for bash.
            timeout: seconds; None for `CALL_SECONDS`.

        Returns:
            Its exit status and its standard output.

        Raises:
            ScriptError: it did not end in time, or the machine cannot be reached.
        """
        with self.step(f"execute: {short(command)}"):
            answer = self.answer(command, timeout)
        return answer.status, answer.output

    def succeed(self, *commands: str, timeout: float | None = CALL_SECONDS) -> str:
        """Run commands, each of which must exit with 0; return their standard output."""
        output = ""
        for command in commands:
            with self.step(f"must succeed: {short(command)}"):
                answer = self.answer(command, timeout)
                if answer.status:
                    raise self.failure(
                        f"command `{short(command)}` failed with exit code {answer.status}",
                        told(command, answer),
                    )
            output += answer.output
        return output

    def fail(self, *commands: str, timeout: float | None = CALL_SECONDS) -> str:
        """Run commands, none of which may exit with 0; return their standard output."""
        output = ""
        for command in commands:
            with self.step(f"must fail: {short(command)}"):
                answer = self.answer(command, timeout)
                if not answer.status:
                    raise self.failure(
                        f"command `{short(command)}` succeeded, and must fail",
                        told(command, answer),
                    )
            output += answer.output
        return output

    def wait_until_succeeds(self, command: str, timeout: float = CALL_SECONDS) -> str:
        """Run a command again and again until it exits with 0; return its last output."""
        return self._repeated(command, timeout, lambda status: status == 0, "succeed")

    def wait_until_fails(self, command: str, timeout: float = CALL_SECONDS) -> str:
        """Run a command again and again until it exits with another status than 0."""
        return self._repeated(command, timeout, lambda status: status != 0, "fail")

    def wait_for_file(self, filename: str, timeout: float = CALL_SECONDS) -> None:
        """Wait until a file exists."""
        self._look_for(f"test -e {shlex.quote(filename)}", timeout, f"file {filename} exists")

    def wait_for_open_port(
        self, port: int, addr: str = "localhost", timeout: float = CALL_SECONDS
    ) -> None:
        """Wait until something listens on a TCP port, of this machine or of `addr`."""
        what = f"TCP port {port} of {addr} is open"
        self._look_for(_connect(port, addr), timeout, what, each=CONNECT_SECONDS)

    def wait_for_closed_port(
        self, port: int, addr: str = "localhost", timeout: float = CALL_SECONDS
    ) -> None:
        """Wait until nothing listens on a TCP port."""
        what = f"TCP port {port} of {addr} is closed"
        self._look_for(f"! ( {_connect(port, addr)} )", timeout, what, each=CONNECT_SECONDS)

    def copy_from_host(self, source: str, target: str) -> None:
        """Copy a file or directory of the computer that runs the script to the machine.

        Args:
            source: path here.
            target: path there; directories above it are made.
        """
        path = Path(source).absolute()
        with self.step(f"copy {source} to {target}"):
            if not path.exists():
                raise self.failure(f"copy_from_host: {path} does not exist")
            try:
                self.shell.send(path, target, self.limit(CALL_SECONDS))
            except CommandError as error:
                brief = f"copy_from_host: {path} did not get to {target}"
                raise self.failure(brief, f"{error.brief}\n{error.details}") from error

    def answer(self, command: str, timeout: float | None) -> Answer:
        """Run a command within its deadline and the script's.

        Raises:
            ScriptError: it did not end in time, or the machine cannot be reached.
        """
        seconds = self.limit(CALL_SECONDS if timeout is None else timeout)
        try:
            return self.shell.run(command, seconds)
        except DeadlineError as error:
            brief = f"command `{short(command)}` did not end within {seconds:g} s"
            raise self.failure(brief, f"$ {command}\n{error.details}") from error
        except CommandError as error:
            details = f"$ {command}\n{error.details}"
            raise self.failure("the machine did not answer", details) from error

    def until(self, look: Callable[[float], str], seconds: float, what: str) -> None:
        """Look again and again until something has come true.

        Args:
            look: is given the seconds left; returns "" when it is true, else what was seen.
            seconds: until it is given up.
            what: what is to become true, for people.

        Raises:
            ScriptError: it did not.
        """
        deadline = Deadline(self.limit(seconds))
        while seen := look(max(0.1, deadline.remaining())):
            if deadline.remaining() <= self.pause:
                raise self.failure(
                    f"waited {deadline.seconds:g} s in vain: {what}", f"at last: {seen}"
                )
            time.sleep(self.pause)

    def limit(self, seconds: float) -> float:
        """Return the seconds of a call that the script's own deadline leaves.

        Raises:
            ScriptError: that has passed.
        """
        if self.deadline.passed:
            raise ScriptError(
                f"the script did not end within {self.deadline.seconds:g} s",
                resolution="give it more with --timeout",
            )
        # timeout(1) takes 0 for no deadline
        return max(0.1, round(min(seconds, self.deadline.remaining()), 1))

    def failure(self, text: str, details: str = "") -> ScriptError:
        """Return the error of this machine."""
        return ScriptError(f"{self.name}: {text}", details=details.rstrip())

    def step(self, message: str) -> AbstractContextManager[Step]:
        """Begin a step about this machine."""
        return step(self.report, Phase.RUN, message, subject=self.name)

    def _repeated(
        self, command: str, timeout: float, good: Callable[[int], bool], word: str
    ) -> str:
        last = Answer(0, "")

        def look(left: float) -> str:
            nonlocal last
            try:
                last = self.shell.run(command, left)
            except CommandError as error:  # the machine may be on its way back
                return f"{error.brief}\n{error.details}".strip()
            return (
                "" if good(last.status) else f"exit code {last.status}\n{_tail(last)}".strip()
            )

        with self.step(f"wait until it {word}s: {short(command)}"):
            self.until(look, timeout, f"command `{short(command)}` must {word}")
        return last.output

    def _look_for(
        self, command: str, timeout: float, what: str, *, each: float = CALL_SECONDS
    ) -> None:
        def look(left: float) -> str:
            try:
                answer = self.shell.run(command, min(each, left))
            except CommandError as error:
                return error.brief
            return "" if answer.status == 0 else (_tail(answer) or "it is not so")

        with self.step(f"wait until {what}"):
            self.until(look, timeout, what)


def short(command: str) -> str:
    """Return a command for one line: its first, cut when it is long."""
    lines = command.strip().splitlines() or [""]
    line = lines[0] if len(lines) == 1 else f"{lines[0]} ..."
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 4]} ..."


def told(command: str, answer: Answer) -> str:
    """Return the details of a command that ended otherwise than it should."""
    return f"$ {command.strip()}\n{_tail(answer)}"


def _tail(answer: Answer) -> str:
    """Return the last lines that a command wrote: what it complains of comes last."""
    return shell.tail("\n".join(filter(None, [answer.output.rstrip(), answer.errors.rstrip()])))


def _connect(port: int, addr: str) -> str:
    """Return a command that fails unless a TCP port is open; bash needs no further program."""
    return f"exec 3<>/dev/tcp/{shlex.quote(addr)}/{int(port)}"
