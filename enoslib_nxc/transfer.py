"""Files to machines: by a shared path, by HTTP or over ssh; verified there."""

from __future__ import annotations

import os
import secrets
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import TIMEOUT_MAX, Lock

from enoslib_nxc import node, shell, ssh
from enoslib_nxc.errors import CommandError, DeadlineError
from enoslib_nxc.files import File
from enoslib_nxc.ssh import Access, HostKey

QUESTION_SECONDS = 120.0
"""For a digest of a file of some hundred MiB, under emulation."""

FETCH_SECONDS = 15
"""Without any progress, until a machine gives a URL up."""

PROBE_SECONDS = 5
"""The same for a few bytes, which only show that there is a way."""

WHOLE = "complete"
"""What `playbooks/place.sh` says of a file that is there."""

FETCH_UNLESS_THERE = f"""
have=$(ACTION=look place) || exit
[ "$have" = {WHOLE} ] || {{ FILE=$PART fetch && ACTION=accept place > /dev/null; }} || exit
"""

RELAY_UNLESS_THERE = f"""
have=$(look) || exit
[ "$have" = {WHOLE} ] || relay
"""

WAYS = """
fetch || exit
echo http
command -v python3 > /dev/null && echo chain
exit 0
"""

ENDING_SECONDS = 5.0
"""For a relay to end by itself, once its time is over."""

_taking = Lock()

_parts: dict[str, Lock] = {}
"""Path of what arrives -> held while it does."""

_RUN = secrets.token_hex(4)
"""Tells what this process sends from what others of the same user do. A child that it forks
has it too, hence the pid beside it."""


@dataclass(frozen=True)
class Place:
    """A directory of ours on a machine.

    Args:
        access: how the machine is reached; None for this one.
        host_key: how it is verified.
        directory: path there; nobody else can guess it, or it is for all to read.
        public: whether all may read its files (a web server's), but not list them.
    """

    access: Access | None
    host_key: HostKey
    directory: str
    public: bool = False

    @property
    def name(self) -> str:
        """The machine, for people."""
        return self.access.name if self.access else "this machine"

    def run(self, script: str, values: Mapping[str, str], *, timeout: float) -> str:
        """Run a node script; its values travel in its text, not on a command line."""
        return self._sh(node.assignments(values) + node.text(script), timeout)

    def _sh(self, text: str, timeout: float) -> str:
        if self.access is None:
            return shell.run(["sh", "-s"], timeout=timeout, stdin=text).stdout
        return ssh.script(self.access, text, timeout=timeout, host_key=self.host_key).stdout

    def ensure(self, file: File, timeout: float) -> str:
        """Have a file on the machine, and return its path there.

        What a broken connection of this process left is gone on with, not sent again. Of two
        threads that want the same there, the second waits, and finds it.

        Args:
            file: which.
            timeout: seconds.

        Raises:
            CommandError: it did not get there whole.
        """
        with self._alone(file, timeout) as left:
            return self._ensured(file, left)

    def fetch(self, files: Iterable[File], timeout: float) -> None:
        """Have the machine fetch files that have a URL, unless they are there, in one go.

        Args:
            files: which; always in the same order, of threads that want the same there.
            timeout: seconds.

        Raises:
            CommandError: one did not get there whole; those before it did.
        """
        files = list(files)
        with ExitStack() as alone:
            for file in files:
                timeout = alone.enter_context(self._alone(file, timeout))
            self._have(files, timeout)

    @contextmanager
    def _alone(self, file: File, timeout: float) -> Iterator[float]:
        """Keep other threads of this process from the same part; yield the seconds left.

        Raises:
            DeadlineError: another one had it all the time.
        """
        part = self.part(file)
        with _taking:
            lock = _parts.setdefault(part, Lock())
        began = time.monotonic()
        if not lock.acquire(timeout=min(timeout, TIMEOUT_MAX)):
            raise DeadlineError(
                f"{file.path.name} was not sent within {timeout:g} s: another thread sends it"
            )
        try:
            yield max(1.0, timeout - (time.monotonic() - began))
        finally:
            lock.release()

    def _ensured(self, file: File, timeout: float) -> str:
        part = self.part(file)
        if file.url and not file.lent:
            self._have([file], timeout)
            return self.target(file)
        told = self._ask("look", file, part)
        if told == WHOLE:
            return self.target(file)
        if file.lent:
            lent = {"FILE": part, "SOURCE": file.lent, "OWNER": file.owner}
            self.run("borrow", lent, timeout=timeout)
        else:
            self._send(file, part, int(told.removeprefix("part=")), timeout)
        self._ask("accept", file, part)
        return self.target(file)

    def _have(self, files: Iterable[File], timeout: float) -> None:
        text = node.function("place", "place", {}) + node.function("fetch", "fetch", {})
        for file in files:
            values = {
                **self._asked("look", file, self.part(file)),
                "URL": file.url,
                "PATIENCE": str(FETCH_SECONDS),
            }
            text += node.assignments(values) + FETCH_UNLESS_THERE
        self._sh(text, timeout)

    def relay(self, file: File, timeout: float) -> str:
        """Have a file on the machine from another one, and pass it on to the next.

        Args:
            file: which; it has a chain.
            timeout: seconds.

        Returns:
            Why it had to fetch some of it from the URL, "" if it had not, or was to.

        Raises:
            CommandError: it did not get there whole.
        """
        with self._alone(file, timeout) as left:
            part = self.part(file)
            values = {
                "CHAIN": file.chain,
                "URL": file.url,
                "FILE": self.target(file),
                "PART": part,
                "SHA256": file.sha256,
                "SECONDS": f"{left:.0f}",
            }
            look = node.function("look", "place", self._asked("look", file, part))
            text = look + node.python_function("relay", "relay", values) + RELAY_UNLESS_THERE
            return self._sh(text, left + ENDING_SECONDS).strip()

    def look(self, file: File, by: str) -> bool:
        """Tell whether the machine has a file; make our directory there for it if not.

        Args:
            file: which.
            by: who is going to bring it.

        Raises:
            CommandError: the machine does not answer, or lets us make no directory.
        """
        return self._ask("look", file, self.part(file, by)) == WHOLE

    def accept(self, file: File, by: str) -> None:
        """Take what somebody else has put at the path of a part for the file, if it is that.

        Args:
            file: which.
            by: who brought it.

        Raises:
            CommandError: it did not get there whole.
        """
        self._ask("accept", file, self.part(file, by))

    def _ask(self, action: str, file: File, part: str) -> str:
        values = self._asked(action, file, part)
        return self.run("place", values, timeout=QUESTION_SECONDS).strip()

    def _asked(self, action: str, file: File, part: str) -> dict[str, str]:
        return {
            "ACTION": action,
            "DIRECTORY": self.directory,
            "FILE": self.target(file),
            "PART": part,
            "SHA256": file.sha256,
            "BLAKE2B": file.blake2b,
            "ELSEWHERE": file.store_path,
            "PUBLIC": "yes" if self.public else "no",
        }

    def target(self, file: File) -> str:
        """Return the path there of a file."""
        return f"{self.directory}/{file.sha256}"

    def part(self, file: File, by: str = "") -> str:
        """Return the path there of what arrives of a file: this process's own.

        It has the machine's name: two names of one machine are two places.

        Args:
            file: which.
            by: who brings it, where all machines are to have the same path.
        """
        name = by or (self.access.name if self.access else "here")
        return f"{self.target(file)}.part-{_RUN}-{os.getpid()}-{name}"

    def ways(self, url: str) -> frozenset[str]:
        """Return by what the machine can get files: "http", if it reaches a URL, and "chain".

        Args:
            url: of a few bytes.
        """
        probe = _fetched(url, "/dev/null", PROBE_SECONDS)
        text = node.function("fetch", "fetch", probe) + WAYS
        try:
            return frozenset(self._sh(text, QUESTION_SECONDS).split())
        except CommandError:
            return frozenset()

    def can_fetch(self, url: str) -> bool:
        """Tell whether the machine gets an answer from a URL."""
        try:
            probe = _fetched(url, "/dev/null", PROBE_SECONDS)
            self.run("fetch", probe, timeout=QUESTION_SECONDS)
        except CommandError:
            return False
        return True

    def _send(self, file: File, target: str, offset: int, timeout: float) -> None:
        words = ["sh", "-c", f"umask 077; LC_ALL=C cat >> {shlex.quote(target)}"]
        if self.access is None:
            shell.stream(words, timeout=timeout, stdin_from=file.path, offset=offset)
            return
        words = ssh.argv(self.access, *words, host_key=self.host_key)
        with ssh.turn(self.access, timeout) as left:
            shell.stream(words, timeout=left, stdin_from=file.path, offset=offset)


def _fetched(url: str, target: str, patience: int) -> dict[str, str]:
    return {"URL": url, "FILE": target, "PATIENCE": str(patience)}
