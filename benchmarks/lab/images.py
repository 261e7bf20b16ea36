"""Images by mmdebstrap, from scratch, of the packages that an image of ours is made of."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.measure import MeasureError

TIMEOUT = 300.0
"""Seconds for one program."""

PATIENCE = 20.0
"""Seconds in which a program that is told to end cleans up."""

ARCHIVES = "/var/cache/apt/archives"
LISTS = "/var/lib/apt/lists"

# of an image, a first part and what makes a tar archive: squashfs and compression as ours
PACK = """
image=$1 start=$2; shift 2
rm -f base.squashfs
"$@" | mksquashfs - base.squashfs -tar -comp zstd -Xcompression-level 3 -no-progress -quiet
{ cat "$start"; echo base.squashfs | cpio -o -H newc --quiet; } > "$image"
"""

LEFT_OUT = (
    *("doc/*", "man/*", "info/*", "locale/*", "lintian/*", "bug/*", "i18n/*", "zsh/*"),
    "bash-completion/*",
)
"""Below /usr/share: what the composition's base leaves out too (`embedded/nxc/build`)."""


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> float:
    """Run a program to its end; return the seconds.

    Args:
        argv: the program and its arguments.
        env: variables on top of this process's.
        cwd: directory to run it in.

    Raises:
        MeasureError: it failed, or did not end in time; with its last words.
    """
    began = time.monotonic()
    child = subprocess.Popen(
        argv,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, said = child.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise MeasureError(f"{argv[0]} did not end within {TIMEOUT:g} s") from error
    finally:
        _end(child)
    if child.returncode:
        words = said.decode(errors="replace").strip()[-600:]
        raise MeasureError(f"{argv[0]} ended with {child.returncode}: {words}")
    return time.monotonic() - began


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a program that runs still, with what it started; it may clean up."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@dataclass(frozen=True)
class Scratch:
    """Builds by mmdebstrap, without a download once `fetch` was called.

    Args:
        directory: of its own.
        lists: directory with the lists of Debian's packages, as apt has them.
        start: first part of each image: the stage 1 that our own image has; None for none.
    """

    directory: Path
    lists: Path
    start: Path | None = None

    @property
    def debs(self) -> Path:
        """Where packages are that were downloaded; made by its user."""
        return self.directory / "archives"

    def beginning_with(self, start: Path) -> Scratch:
        """Return the same with another first part of images."""
        return replace(self, start=start)

    def fetch(self, packages: Sequence[str]) -> None:
        """Have the packages here, by building once."""
        keep = "--customize-hook=" + shlex.join(["sync-out", ARCHIVES, str(self.debs)])
        run(self._mmdebstrap(packages, "/dev/null", keep), env=self._env)
        for other in ("lock", "partial"):  # apt's own
            shutil.rmtree(self.debs / other, ignore_errors=True)
            (self.debs / other).unlink(missing_ok=True)

    def build(self, packages: Sequence[str]) -> tuple[float, float]:
        """Build an image from scratch.

        Args:
            packages: names; apt adds what they need.

        Returns:
            Seconds, and MiB of the image.

        Raises:
            MeasureError: a program failed.
        """
        image = self.directory / "initrd"
        words = [image, self.start or "/dev/null", *self._mmdebstrap(packages, "-")]
        seconds = run(
            ["bash", "-euo", "pipefail", "-c", PACK, "bash", *words],
            env=self._env,
            cwd=self.directory,
        )
        return seconds, image.stat().st_size / (1 << 20)

    @property
    def _env(self) -> Mapping[str, str]:
        temporary = self.directory / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        return {"TMPDIR": str(temporary)}

    def _mmdebstrap(self, packages: Sequence[str], target: str, *hooks: str) -> list[str]:
        """Return what makes a tar archive of a system of packages, all of them configured."""
        # mounts of its own end with it, however it ends; without root it sees to that itself
        apart = ["unshare", "--mount"] if os.geteuid() == 0 else []
        return [
            *apart,
            "mmdebstrap",
            "--quiet",
            "--variant=essential",
            f"--include={','.join(packages)}",
            "--format=tar",
            *(f"--dpkgopt=path-exclude=/usr/share/{path}" for path in LEFT_OUT),
            "--skip=update,download/empty,essential/unlink",
            f'--setup-hook=mkdir -p "$1"{ARCHIVES} "$1"{LISTS}',
            "--setup-hook=" + shlex.join(["sync-in", str(self.lists), LISTS]),
            "--setup-hook=" + shlex.join(["sync-in", str(self.debs), ARCHIVES]),
            *hooks,
            platform.freedesktop_os_release()["VERSION_CODENAME"],
            target,
            *_sources(),
        ]


def _sources() -> list[str]:
    """Return the files that name where apt takes packages from here."""
    etc = Path("/etc/apt")
    parts = [*etc.glob("sources.list.d/*.list"), *etc.glob("sources.list.d/*.sources")]
    return [str(file) for file in (etc / "sources.list", *sorted(parts)) if file.is_file()]
