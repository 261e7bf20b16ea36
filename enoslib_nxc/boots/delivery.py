"""How kernel and initrd get to machines, and the deployment JSON that they fetch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar

from enoslib_nxc.boots import Run
from enoslib_nxc.errors import BootError, NxcError
from enoslib_nxc.files import File
from enoslib_nxc.nix.provenance import digest
from enoslib_nxc.transfer import Place
from enoslib_nxc.wait import Deadline

T = TypeVar("T")

PAUSE_SECONDS = 1.0
"""Between two attempts."""


class Delivery(Protocol):
    """Gets files to the machines of a run."""

    @property
    def context_url(self) -> str:
        """Where machines fetch the deployment JSON, "" when their command line holds it."""

    def prepare(self, run: Run, places: Mapping[str, Place], *, inline: bool) -> None:
        """Decide how files and deployment JSON get to the machines.

        Args:
            run: the run.
            places: host -> a directory of ours on it; machines that can be asked.
            inline: whether the JSON fits every kernel command line.

        Raises:
            PlatformError: the configuration, or the JSON's size, asks for what cannot be.
        """

    def bring(self, run: Run, host: str, place: Place, deadline: Deadline) -> list[str]:
        """Have kernel and initrd on a machine, and return their paths there.

        Raises:
            BootError: they did not get there.
        """

    def close(self) -> None:
        """Take back what machines fetched from."""


def files_of(run: Run) -> tuple[File, File]:
    """Return kernel and initrd of a run."""
    artifacts = run.deployment.artifacts
    known = artifacts.provenance.digests

    def file(name: str, place: str) -> File:
        path = artifacts.store.real(place)
        return File(path, known.get(name) or digest(path), place)

    return file("kernel", artifacts.kernel), file("initrd", artifacts.initrd)


def tried(
    attempts: int,
    deadline: Deadline,
    action: Callable[[float], T],
    *,
    final: tuple[type[NxcError], ...] = (),
) -> T:
    """Call something until it works.

    Args:
        attempts: calls at most.
        deadline: nothing is tried again once it has passed.
        action: called with the seconds left.
        final: errors after which it is not called again.

    Raises:
        NxcError: that of the last call.
    """
    for left in reversed(range(attempts)):
        try:
            return action(max(1.0, deadline.remaining()))
        except NxcError as error:
            if not left or deadline.passed or isinstance(error, final):
                raise
            time.sleep(PAUSE_SECONDS)
    raise AssertionError("attempts is 1 at least")


def named(files: Iterable[File]) -> str:
    """Return the names of files, for people."""
    return " and ".join(file.path.name for file in files)


def stayed(host: str, names: str, error: NxcError) -> BootError:
    """Return what is said when files did not get to a machine."""
    return BootError(
        f"{host}: {names} did not get there ({error.brief}); it still runs its old system",
        details=error.details,
    )
