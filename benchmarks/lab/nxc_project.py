"""A project of `nxc`, with a home of its own: what it starts ends with it."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.lab import nxc
from benchmarks.lab.answers import SSH
from enoslib_nxc import procs
from enoslib_nxc.built import Artifacts

END_SECONDS = 20.0
"""For all that nxc has started to end."""

STAGE_1_FAILED = "An error occurred in stage 1"
"""What a machine's console says that will not come up."""


@dataclass(frozen=True)
class Project:
    """A directory that `nxc` works in.

    Args:
        directory: it, which is made.
        artifacts: what was built, as nxc would have built it.
    """

    directory: Path
    artifacts: Artifacts
    key: Path = field(init=False)

    def __post_init__(self) -> None:
        home = self.directory / "home"
        (home / ".ssh").mkdir(parents=True, mode=0o700)
        object.__setattr__(self, "key", home / ".ssh" / "id_rsa")
        keygen = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(self.key)]
        subprocess.run(keygen, check=True, timeout=60)
        (self.directory / "nxc.json").write_text("{}\n")
        build = self.directory / "build"
        build.mkdir()
        name = f"{self.artifacts.composition}::{self.artifacts.flavour}"
        (build / name).symlink_to(self.artifacts.compose_info)
        # ssh takes its user's home from the system: the key must be named, and nobody's
        # known_hosts be written
        ssh = shlex.join([shutil.which("ssh") or "ssh", *SSH[2:], "-i", str(self.key)])
        self.program("ssh", f'exec {ssh} "$@"')

    @property
    def log(self) -> Path:
        """Return the file with what nxc and the consoles of its machines say."""
        return self.directory / "log"

    def program(self, name: str, text: str) -> Path:
        """Make a program that nxc finds before others, a shell script, and return it."""
        place = self.directory / "bin" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"#!/bin/sh\n{text}\n")
        place.chmod(0o755)
        return place

    def environment(self) -> dict[str, str]:
        """Return the environment of nxc."""
        return {
            "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.directory / "home"),
            "USER": "root",
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.directory / "tmp"),
        }

    @contextmanager
    def running(
        self, *words: str, environment: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run `nxc WORDS...`; in the end, end it and all that it has started.

        Args:
            words: the command.
            environment: variables beside its own.

        Yields:
            The process, which may have ended.
        """
        shutil.rmtree(self.directory / "tmp", ignore_errors=True)
        (self.directory / "tmp").mkdir(mode=0o700)
        shutil.rmtree(self.directory / "deploy", ignore_errors=True)
        argv = [str(nxc.program()), *words]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                argv,
                cwd=self.directory,
                env={**self.environment(), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            _end(process)

    def failed(self, process: subprocess.Popen[bytes], sooner: str = STAGE_1_FAILED) -> str:
        """Return why nobody needs to wait for machines any longer, "" while one may."""
        text = self.log.read_text(errors="replace")
        if sooner in text:
            return " / ".join(_telling(text, sooner))
        if process.poll():
            return f"nxc ended with status {process.returncode}: {text.strip()[-200:]}"
        return ""


def _telling(text: str, sooner: str) -> list[str]:
    """Return the lines of a console before and with the one that says the end."""
    lines = [line.strip() for line in text.replace("\r", "").splitlines() if line.strip()]
    end = next(n for n, line in enumerate(lines) if sooner in line)
    return lines[max(0, end - 2) : end + 1]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End all processes of a session."""
    session = process.pid
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)  # it would end some of its machines, slowly
    procs.end([p for p in psutil.process_iter() if _session(p) == session], END_SECONDS)
    process.wait(END_SECONDS)


def _session(process: psutil.Process) -> int:
    try:
        return os.getsid(process.pid)
    except OSError:
        return 0
