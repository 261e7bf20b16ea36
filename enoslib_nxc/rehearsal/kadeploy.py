"""Kadeploy's work on a node's disk: an environment's tarball on a file system, its kernel.

The disk has no partitions: the file system is on all of it, as /dev/vda.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc import shell
from enoslib_nxc.errors import CommandError
from enoslib_nxc.rehearsal.environments import Environment
from enoslib_nxc.rehearsal.testbed import DeploymentError, DeploymentOrder
from enoslib_nxc.rehearsal.web import PublicWeb

FETCH_SECONDS = 120.0
"""Without an answer of the image's server."""

WRITE_SECONDS = 300.0
"""For an image to be unpacked and written."""

DISK = 8 << 30
"""Bytes of a node's disk; a sparse file takes no more than is written."""

LINKS = 40
"""Symbolic links that are followed at most, as in Linux (MAXSYMLINKS)."""

_FLAGS: Mapping[str, str] = {"gzip": "-z", "bzip2": "-j", "xz": "-J", "zstd": "--zstd"}

_WRITE = """
set -eu
mkdir "$1"
tar -x "$2" --numeric-owner -p -f "$3" -C "$1"
if [ -s "$4" ]; then
  mkdir -p "$1/root/.ssh"
  chmod 700 "$1/root/.ssh"
  cat "$4" >> "$1/root/.ssh/authorized_keys"
  chmod 600 "$1/root/.ssh/authorized_keys"
fi
truncate -s "$5" "$6"
mkfs.ext4 -q -d "$1" "$6"
chmod -R u+rwX "$1"
"""
"""Arguments: tree, tar's flag, tarball, file of keys, bytes, disk. One script, since what
fakeroot pretends of owners holds for one process and its children."""


@dataclass(frozen=True)
class Installed:
    """An environment on a disk.

    Args:
        disk: file of the disk.
        kernel: file.
        initrd: file; None for none.
        params: of the kernel.
    """

    disk: Path
    kernel: Path
    initrd: Path | None
    params: str


class Kadeploy:
    """Makes disks, each kind once.

    Args:
        directory: where they go.
        web: where images and keys are fetched.
    """

    def __init__(self, directory: Path, web: PublicWeb) -> None:
        self._directory = directory
        self._web = web
        self._lock = threading.Lock()
        self._made: dict[str, Installed] = {}

    def install(self, name: str, order: DeploymentOrder) -> Installed:
        """Make a node's disk.

        Args:
            name: of the node.
            order: what to put on it.

        Raises:
            DeploymentError: the image or a key cannot be had, or is not what it should be.
        """
        try:
            with self._lock:  # the nodes of a deployment share what is made of its image
                made = self._of(order)
            disk = self._directory / f"disk-{name}"
            copy = ("cp", "--sparse=always", "--reflink=auto", str(made.disk), str(disk))
            shell.run(copy, timeout=WRITE_SECONDS)
        except CommandError as error:
            raise DeploymentError(f"{error.brief}: {error.details}") from error
        except OSError as error:
            raise DeploymentError(str(error)) from error
        return Installed(disk, made.kernel, made.initrd, made.params)

    def keys(self, order: DeploymentOrder) -> str:
        """Return root's keys as text, "" for none."""
        if order.key.startswith(("http://", "https://")):
            return self._web.get(order.key, FETCH_SECONDS).decode()
        return order.key

    def _of(self, order: DeploymentOrder) -> Installed:
        environment = order.environment
        if environment.postinstalls:
            raise DeploymentError("postinstalls are not imitated by the rehearsal")
        url, keys = environment.image.file, self.keys(order)
        headers = self._web.head(url, FETCH_SECONDS)
        marks = [url, headers.get("etag", ""), headers.get("content-length", ""), keys]
        text = "\n".join([*marks, environment.model_dump_json()])
        word = hashlib.sha256(text.encode()).hexdigest()[:16]
        if word not in self._made:
            place = self._directory / f"image-{word}"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            self._made[word] = self._write(environment, keys, place)
        return self._made[word]

    def _write(self, environment: Environment, keys: str, place: Path) -> Installed:
        tarball, tree, disk = place / "tarball", place / "tree", place / "disk"
        self._web.save(environment.image.file, tarball, FETCH_SECONDS)
        (place / "keys").write_text(f"{keys.strip()}\n" if keys.strip() else "")
        flag = _FLAGS[environment.image.compression]
        files = (tree, flag, tarball, place / "keys", DISK, disk)
        words = map(str, files)
        shell.run([*_as_root(), "sh", "-c", _WRITE, "sh", *words], timeout=WRITE_SECONDS)
        boot = environment.boot
        installed = Installed(
            disk,
            _taken(tree, boot.kernel, place / "kernel"),
            _taken(tree, boot.initrd, place / "initrd") if boot.initrd else None,
            boot.kernel_params,
        )
        shutil.rmtree(tree)
        tarball.unlink()
        return installed


def _as_root() -> list[str]:
    """Return what lets a tarball's owners be kept: nothing for root, fakeroot for others."""
    if os.geteuid() == 0:
        return []
    return [
        shell.require(
            "fakeroot", purpose="to write disks without being root", package="fakeroot"
        )
    ]


def _taken(tree: Path, path: str, there: Path) -> Path:
    """Copy a file out of a tree; links are followed inside the tree."""
    shutil.copyfile(inside(tree, path), there)
    return there


def inside(tree: Path, path: str) -> Path:
    """Return the file that a path means where a tree is the root file system.

    Args:
        tree: directory that stands for `/`.
        path: absolute path.

    Raises:
        DeploymentError: there is none.
    """
    rest = [part for part in path.split("/") if part]
    here: list[str] = []
    links = 0
    while rest:
        part = rest.pop(0)
        if part in (".", ".."):
            here = here[:-1] if part == ".." else here
            continue
        at = tree.joinpath(*here, part)
        if not at.is_symlink():
            here.append(part)
            continue
        links += 1
        target = str(at.readlink())
        rest = [p for p in target.split("/") if p] + rest
        here = [] if target.startswith("/") else here
        if links > LINKS:
            raise DeploymentError(f"{path} of the image: too many symbolic links")
    found = tree.joinpath(*here)
    if not found.is_file():
        raise DeploymentError(f"{path} is not in the image")
    return found
