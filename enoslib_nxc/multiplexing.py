"""Connections that the commands to one machine share, so that keys are exchanged once.

It is OpenSSH's own way of it (ControlMaster, ssh_config(5)). Where many machines are brought
up, key exchanges are most of the work. A shared connection leads to one boot of a machine:
its socket has a name of its own, and is never used for what comes after. Those to machines
that are up stay open for a while, for whoever calls `init()` again.
"""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from enoslib_nxc import parallel, shell
from enoslib_nxc.errors import NxcError
from enoslib_nxc.model import Deployment
from enoslib_nxc.ssh import Access

OLDEST = (8, 5)
"""OpenSSH whose connection in the background lets go of standard error: before, whoever reads
that would wait for its end."""

FEW = 64
"""Machines with a connection that stays open: each takes some megabytes here."""

WORKING, LASTING = "ssh-", "boot-"
"""Beginnings of the names of sockets: of those that end with a run, and of those that stay."""

END_SECONDS = 10.0
"""For one connection to end."""


def runtime_dir(token: str) -> Path:
    """Return the directory of a deployment's sockets.

    In /tmp whatever TMPDIR says: a unix socket's path has 107 characters at most, and
    another process must find the same place. Its name cannot be guessed beforehand.
    """
    return Path("/tmp") / f"enoslib-nxc-{token}"  # noqa: S108


def shared(access: Access, deployment: Deployment) -> Access:
    """Return an access whose commands share one connection, which the first of them opens.

    It ends with `leave` or `end`, or a minute after the last command.

    Args:
        access: how a machine is reached, as long as it runs what it runs now.
        deployment: its own; where it has more than `FEW` machines, each command has its own
            connection still.
    """
    return briefly(access, deployment) if few(deployment) else access


def few(deployment: Deployment) -> bool:
    """Tell whether a deployment has `FEW` machines at most."""
    return len(deployment.plan.nodes) <= FEW


def briefly(access: Access, deployment: Deployment) -> Access:
    """Return the same, whatever number of machines there are, for commands in a row.

    Args:
        access: how a machine is reached; one that is shared already stays as it is.
        deployment: its own.
    """
    if access.control or not _available() or access.through:
        return access
    directory = runtime_dir(deployment.token)
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return access
    return replace(access, control=directory / f"{WORKING}{secrets.token_hex(6)}")


def lasting(access: Access, deployment: Deployment, boot_id: str) -> Access:
    """Return an access by a connection to one boot, which may be open since an earlier run.

    It stays open for a minute after the last command, or until `end`.

    Args:
        access: how a machine is reached.
        deployment: its own; where it has more than `FEW` machines, none stays open.
        boot_id: of the boot.
    """
    own = shared(access, deployment)
    if own.control is None or not boot_id:
        return access
    # whoever comes by another key, or another way, shows it: an open connection asks nobody
    changed = access.key.stat().st_mtime_ns if access.key and access.key.exists() else 0
    told = repr((access, boot_id, changed))
    name = f"{_lasting(access.name)}{_digest(told)}"
    return replace(own, control=own.control.with_name(name))


def rename(trial: Access, access: Access) -> None:
    """Have an access use the connection that another one opened, if there is one."""
    if trial.control and access.control:
        with suppress(OSError):
            trial.control.rename(access.control)


def leave(access: Access) -> None:
    """End the shared connection of an access, if there is one."""
    if access.control:
        _end(access.control)


def settle(token: str) -> None:
    """End the shared connections of a deployment, but for those that stay open."""
    _end_all(token, WORKING)
    _leave_nothing(token)


def forget(deployment: Deployment, host: str) -> None:
    """End the connections to a machine that stay open: another key may open it from now on.

    Args:
        deployment: its own.
        host: host name.
    """
    _end_all(deployment.token, _lasting(host))


def end(token: str) -> None:
    """End all shared connections of a deployment; nothing of them is left."""
    _end_all(token, WORKING)
    _end_all(token, LASTING)
    _leave_nothing(token)


def _lasting(host: str) -> str:
    """Return the beginning of the names of a machine's sockets that stay, which is short."""
    return f"{LASTING}{_digest(host)}-"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _end_all(token: str, beginning: str) -> None:
    directory = runtime_dir(token)
    sockets = {str(path): path for path in directory.glob(f"{beginning}*")}
    parallel.each(sockets, lambda name: _end(sockets[name]))
    for path in sockets.values():
        path.unlink(missing_ok=True)  # of one that was killed


def _leave_nothing(token: str) -> None:
    with suppress(OSError):
        runtime_dir(token).rmdir()  # there may be a switch in it


def _end(socket: Path) -> None:
    if not socket.exists():
        return
    # the name of the host is not looked at
    words = ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "host"]
    try:
        shell.run(words, timeout=END_SECONDS, check=False)
    except NxcError:
        return  # it ends by itself


@functools.cache
def _available() -> bool:
    """Tell whether this computer's ssh can do it."""
    try:
        told = shell.run(["ssh", "-V"], timeout=END_SECONDS, check=False).stderr
    except NxcError:
        return False
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", told)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST
