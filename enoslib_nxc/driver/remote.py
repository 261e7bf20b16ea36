"""Carries a test script's commands to a machine, and brings back how they ended."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from enoslib_nxc import shell, ssh
from enoslib_nxc.errors import CommandError, DeadlineError
from enoslib_nxc.ssh import Access

GRACE_SECONDS = 45.0
"""For the way there and back: a handshake under emulation takes seconds, a machine that is
gone `ssh.CONNECT_TIMEOUT`."""

KILL_SECONDS = 5
"""Between SIGTERM and SIGKILL, for a command that does not end in time."""

EXPIRED = (124, 137)
"""Exit statuses of timeout(1) when it ended the command, by SIGTERM or by SIGKILL."""

_STATUS = re.compile(r"\nnxc-status=(\d+)\Z")
"""Our last line: ssh's own status 255 could be the command's as well."""


@dataclass(frozen=True)
class Answer:
    """How a command ended.

    Args:
        status: its exit status.
        output: its standard output.
        errors: its standard error.
    """

    status: int
    output: str
    errors: str = ""


class Shell(Protocol):
    """What runs commands on one machine, as root."""

    def run(self, command: str, seconds: float) -> Answer:
        """Run a command to its end.

        Args:
            command: text for bash; a pipe fails with any part of it, as in NixOS's driver.
            seconds: until it is ended there.

        Raises:
            DeadlineError: it did not end in time.
            CommandError: the machine cannot be reached.
        """

    def send(self, source: Path, target: str, seconds: float) -> None:
        """Copy a file or directory of this computer to the machine.

        Args:
            source: here; it exists.
            target: there; like `cp -r`, into it when it is a directory.
            seconds: until it is given up.

        Raises:
            CommandError: it did not get there.
        """


@dataclass(frozen=True)
class Remote:
    """A machine by ssh, or whatever else its `Access` goes through.

    Args:
        access: how it is reached.
    """

    access: Access

    def run(self, command: str, seconds: float) -> Answer:
        """Run a command under timeout(1), so that it ends there too."""
        bash = shlex.join(["bash", "-c", f"set -euo pipefail; {command}"])
        text = (
            f"timeout --kill-after={KILL_SECONDS} {seconds:.1f} {bash} </dev/null\n"
            "printf '\\nnxc-status=%d' $?\n"
        )
        limit = seconds + KILL_SECONDS + GRACE_SECONDS
        result = ssh.script(self.access, text, timeout=limit, check=False)
        found = _STATUS.search(result.stdout)
        if found is None:
            raise CommandError(
                f"{self.access.name} did not answer",
                details=shell.tail(result.stderr or result.stdout),
            )
        status = int(found[1])
        answer = Answer(status, result.stdout[: found.start()], result.stderr)
        if status in EXPIRED and result.seconds >= seconds:
            raise DeadlineError(
                f"it did not end within {seconds:g} s",
                details=shell.tail(answer.errors or answer.output),
            )
        return answer

    def send(self, source: Path, target: str, seconds: float) -> None:
        """Send it as a tar archive; nothing is held in memory."""
        quoted = {"name": shlex.quote(source.name), "target": shlex.quote(target)}
        text = (
            "set -e; scratch=$(mktemp -d); trap 'rm -rf \"$scratch\"' EXIT; "
            'tar -x --no-same-owner -C "$scratch"; '
            'mkdir -p "$(dirname {target})"; cp -r "$scratch"/{name} {target}'
        ).format(**quoted)
        packed = ["tar", "-c", "-C", str(source.parent), "--", source.name]
        with ssh.turn(self.access, seconds) as left:
            shell.pipe(packed, ssh.argv(self.access, "sh", "-c", text), timeout=left)
