"""What of a container is on this computer beside its processes, and how it is ended.

One name serves for all that belongs to a machine: its network namespace, its control group,
and what systemd-nspawn calls it. It begins with the deployment's token, so that everything is
found again whatever happened to who made it. systemd-nspawn's own end is not the machine's:
a container outlives it when it is killed. What runs in the machine's network namespace tells.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from enoslib_nxc import netns, procs, shell
from enoslib_nxc.errors import CommandError, PlatformError
from enoslib_nxc.model import Deployment
from enoslib_nxc.state import Home

PREFIX = "nxc-"
"""How names of namespaces, groups and interfaces begin."""

INTERFACE_LENGTH = 15
"""Characters of an interface's name (IFNAMSIZ 16, less its NUL)."""

HALT_SECONDS = 30.0
"""For a machine's orderly shutdown; NixOS gives units 90 s, an experiment need not wait."""

GROUPS = Path("/sys/fs/cgroup")

NSPAWN_STATE = Path("/run/systemd/nspawn")
"""Where systemd-nspawn keeps a directory for each machine, and a lock for its root directory;
both stay when it is killed."""


@dataclass(frozen=True)
class Place:
    """What of a machine is on this computer, beside its processes.

    Args:
        name: of its network namespace and control group, and for systemd-nspawn.
        path: directory of its files.
    """

    name: str
    path: Path

    @property
    def root(self) -> Path:
        """Its root directory."""
        return self.path / "root"

    @property
    def seed(self) -> Path:
        """What is put into its root directory at each boot."""
        return self.path / "seed"


def place(deployment: Deployment, home: Home, host: str) -> Place:
    """Return the place of a machine.

    Args:
        deployment: the record.
        home: the deployment's directory.
        host: host name.
    """
    number = deployment.machines[host].address.rpartition(".")[2]
    return Place(f"{switch(deployment.token)}-{number}", directory(home) / host)


def directory(home: Home) -> Path:
    """Return the directory of all machines' files."""
    return home.path / "machines"


def switch(token: str) -> str:
    """Return the network namespace that is a deployment's switch."""
    return f"{PREFIX}{token}"


def interface(token: str) -> str:
    """Return this computer's interface on a deployment's network."""
    return switch(token)[:INTERFACE_LENGTH]


def tag(deployment: Deployment, host: str) -> str:
    """Return the word in the command lines of what runs a machine."""
    return f"enoslib-nxc:{deployment.token}:{host}"


def running(deployment: Deployment) -> dict[str, list[psutil.Process]]:
    """Return host -> what runs its machine; without those that have ended."""
    found: dict[str, list[psutil.Process]] = {}
    prefix = tag(deployment, "")
    for process in procs.tagged(prefix):
        words = procs.words(process)
        for host in {word.partition(prefix)[2] for word in words if prefix in word}:
            found.setdefault(host, []).append(process)
    return found


def end(names: Collection[str], timeout: float) -> None:
    """Shut machines down, and kill what is left of them.

    One whose systemd does not run yet would not understand a shutdown: it is killed at once.

    Args:
        names: of their places.
        timeout: seconds.

    Raises:
        PlatformError: some do not end.
    """
    limit = time.monotonic() + timeout
    booted = {name for name in names if any(map(_is_systemd, netns.processes(name)))}
    # systemd-nspawn passes TERM on as a shutdown
    procs.end(_runners(booted), timeout / 2, min(HALT_SECONDS, timeout / 3))
    # what is starting may have just brought forth another: until nothing is found any more
    while left := [*_runners(names), *(p for name in names for p in netns.processes(name))]:
        if time.monotonic() > limit:
            numbers = ", ".join(str(process.pid) for process in left)
            raise PlatformError(f"machines do not end: still running: {numbers}")
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=procs.KILL_GRACE)


def _runners(names: Collection[str]) -> list[psutil.Process]:
    """Return the processes of systemd-nspawn for machines, by the names of their places."""
    words = {machine_option(name) for name in names}
    candidates = procs.tagged(machine_option(PREFIX))
    return [process for process in candidates if words.intersection(procs.words(process))]


def machine_option(name: str) -> str:
    """Return the word by which systemd-nspawn is told the name of a machine's place."""
    return f"--machine={name}"


def _is_systemd(process: psutil.Process) -> bool:
    try:
        return bool(process.name() == "systemd")
    except psutil.Error:  # it has just ended
        return False


def clear(name: str) -> None:
    """Remove what an ended machine left outside its directory.

    Args:
        name: of its place.

    Raises:
        PlatformError: something cannot be removed.
    """
    try:
        netns.delete(name)
        for tree in [*groups(name), *NSPAWN_STATE.glob(f"*/{name}")]:
            _remove_empty(tree)
    except (OSError, CommandError) as error:
        raise PlatformError(f"what is left of {name} cannot be removed: {error}") from error


def remove_files(path: Path) -> None:
    """Remove a machine's directory, if it is there.

    Raises:
        PlatformError: it cannot be removed.
    """
    root = path / "root"
    if (root / "var" / "empty").exists():  # NixOS makes it immutable
        shell.run(["chattr", "-i", root / "var" / "empty"], timeout=10, check=False)
    try:
        if root.exists():
            found = root.stat()
            lock = NSPAWN_STATE / "locks" / f"inode-{found.st_dev}:{found.st_ino}"
            lock.unlink(missing_ok=True)
        if path.exists():
            shutil.rmtree(path)
    except OSError as error:
        raise PlatformError(f"{path} cannot be removed: {error.strerror}") from error


def groups(name: str) -> list[Path]:
    """Return the control groups of a machine, in every hierarchy."""
    return [path for top in ("", "*/") for path in GROUPS.glob(f"{top}{name}")]


def make_groups(name: str) -> list[Path]:
    """Make a control group for a machine's processes, in each hierarchy that systemd uses.

    Machines in the same one would end each other's services. Where systemd runs this computer,
    systemd-nspawn has it make one.

    Args:
        name: of its place.

    Raises:
        PlatformError: it cannot be made.
    """
    tops = [top for top in (GROUPS / "systemd", GROUPS / "unified") if top.is_dir()]
    try:
        made = [top / name for top in tops or [GROUPS]]
        for path in made:
            path.mkdir(exist_ok=True)
    except OSError as error:
        raise PlatformError(
            f"the control group {path} cannot be made: {(error.strerror or '').lower()}",
            resolution="let this computer's /sys/fs/cgroup be writable, or set flavour to "
            "vm-ramdisk",
        ) from error
    return made


def _remove_empty(tree: Path) -> None:
    """Remove a tree of directories; control groups hold no files that could be removed."""
    for path, _, _ in os.walk(tree, topdown=False):
        Path(path).rmdir()
