"""A Docker daemon of the tests' own, all in one directory; nothing of it outlives them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from enoslib_nxc import shell
from tests.system import lab

CGROUPS = "enoslib-nxc-tests"
"""Control group that all of its containers are in."""

# No rules for packets, no bridge but those that are asked for: what a container may do too.
FLAGS = (
    *("--iptables=false", "--ip-masq=false", "--ip-forward=false", "--bridge=none"),
    *("--cgroup-parent", CGROUPS),
)

CAP_SYS_RESOURCE = 24
"""Its number (linux/capability.h)."""

# A privileged container gets all capabilities. Some sandboxes have root without one, and runc
# cannot give what it has not: this stands before it, and leaves that one out.
RUNTIME = f"""#!{sys.executable} -IS
import json, os, sys
words = sys.argv[1:]
for option, inside in (("--bundle", True), ("--process", False)):
    if option in words:
        path = words[words.index(option) + 1] + ("/config.json" if inside else "")
        with open(path) as file:
            spec = json.load(file)
        sets = (spec["process"] if inside else spec).get("capabilities") or {{}}
        for kind, names in sets.items():
            sets[kind] = [name for name in names or [] if name != "CAP_SYS_RESOURCE"]
        with open(path, "w") as file:
            json.dump(spec, file)
os.execvp("runc", ["runc", *words])
"""


@contextmanager
def running() -> Iterator[str]:
    """Start a daemon, or take the user's where only root can start one.

    Yields:
        Its address, for DOCKER_HOST.
    """
    if os.geteuid() != 0:
        there = shell.which("docker") is not None
        if not there or shell.run(["docker", "info"], timeout=30, check=False).returncode:
            pytest.skip("only root can start a Docker daemon, and there is none for this user")
        yield os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        return
    if shell.which("dockerd") is None:
        pytest.skip("scripts/setup.sh could not install Docker")
    directory = Path(tempfile.mkdtemp(prefix="nxc-dockerd-", dir="/tmp"))  # sockets: short
    try:
        with (directory / "log").open("w") as log:
            process = subprocess.Popen(_command(directory), stdout=log, stderr=log)
        address = f"unix://{directory}/sock"
        try:
            lab.until(lambda: _answers(process, address, directory / "log"))
            yield address
        finally:
            process.terminate()
            process.wait(60)
    finally:
        _clean(directory)


def _command(directory: Path) -> list[str]:
    (directory / "daemon.json").write_text(json.dumps({}))  # not that of this machine
    words = [
        *("dockerd", "--host", f"unix://{directory}/sock", "--pidfile", f"{directory}/pid"),
        *("--config-file", f"{directory}/daemon.json"),
        *("--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec"),
    ]
    if not _bounding_set() >> CAP_SYS_RESOURCE & 1:
        runtime = directory / "runc"
        runtime.write_text(RUNTIME)
        runtime.chmod(0o755)
        words += ["--add-runtime", f"lesser={runtime}", "--default-runtime", "lesser"]
    return [*words, *FLAGS]


def _bounding_set() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("CapBnd")), 16)


def _answers(process: subprocess.Popen[bytes], address: str, log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-2000:]
    words = ["docker", "--host", address, "version"]
    return shell.run(words, timeout=30, check=False).returncode == 0


def _clean(directory: Path) -> None:
    """Remove what a daemon leaves: mounts, empty control groups, files."""
    for part in sorted(psutil.disk_partitions(all=True), key=lambda p: -len(p.mountpoint)):
        if part.mountpoint.startswith(f"{directory}/"):
            shell.run(["umount", "--lazy", part.mountpoint], timeout=30, check=False)
    for group in [
        *Path("/sys/fs/cgroup").glob(f"*/{CGROUPS}"),
        Path("/sys/fs/cgroup", CGROUPS),
    ]:
        for inner in sorted(group.rglob("*/"), key=lambda p: -len(p.parts)):
            with suppress(OSError):
                inner.rmdir()
        with suppress(OSError):
            group.rmdir()
    shutil.rmtree(directory)
