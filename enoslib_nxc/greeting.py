"""Whether an ssh server greets: a question that costs a machine next to nothing."""

from __future__ import annotations

import shlex
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace

from enoslib_nxc import shell, ssh
from enoslib_nxc.errors import DeadlineError
from enoslib_nxc.ssh import Access

CONFIGURATION_SECONDS = 10.0
"""For ssh to say what the user's configuration is."""

LOOK_SECONDS = 0.2
"""Between two looks at whether a greeting is still waited for."""


def greets(
    access: Access, timeout: float, *, given_up: Callable[[], bool] = lambda: False
) -> bool:
    """Tell whether an ssh server sends its greeting, as `greeted` does."""
    if access.gate:
        return _greets_behind(access, timeout)
    connection = greeted(access, timeout, given_up=given_up)
    if connection:
        connection.close()
    return connection is not None


def greeted(
    access: Access, timeout: float, *, given_up: Callable[[], bool] = lambda: False
) -> socket.socket | None:
    """Return a connection on which an ssh server has sent its greeting, which is not read.

    Cheap for the machine: no key exchange. QEMU's user network accepts a connection before
    the guest does, so an open port alone says nothing.

    Args:
        access: how the machine is reached; not behind a gate.
        timeout: seconds to wait for the greeting, on one connection.
        given_up: asked every `LOOK_SECONDS` whether nobody waits any more.

    Returns:
        None where it did not greet.
    """
    end = time.monotonic() + timeout
    with ExitStack() as kept, suppress(OSError):
        connection = kept.enter_context(
            socket.create_connection((access.address, access.port), timeout)
        )
        connection.settimeout(LOOK_SECONDS)
        while time.monotonic() < end and not given_up():
            with suppress(TimeoutError):
                if connection.recv(4, socket.MSG_PEEK) != b"SSH-":
                    return None
                connection.settimeout(None)
                kept.pop_all()
                return connection
    return None


def near(access: Access) -> Access | None:
    """Return an access whose address and port are the machine's own ssh server's.

    What the user's configuration says of the machine is asked of ssh (`-G`).

    Args:
        access: how the machine is reached.

    Returns:
        None where others are on the way, to which only ssh itself leads.
    """
    if access.gate or access.through:
        return None
    if access.via == ssh.DIRECT:
        return access
    words = ["ssh", *access.via, "-G", "-p", str(access.port), access.address]
    told = shell.run(words, timeout=CONFIGURATION_SECONDS, check=False).stdout
    known = dict(line.split(" ", 1) for line in told.splitlines() if " " in line)
    if {"proxyjump", "proxycommand"} & known.keys() or not known.get("port", "").isdigit():
        return None
    return replace(access, address=known["hostname"], port=int(known["port"]), via=ssh.DIRECT)


def _greets_behind(access: Access, timeout: float) -> bool:
    """Tell the same of a machine that `through` leads to, by that way."""
    command = next(word for word in access.via if word.startswith(ssh.PROXY))[len(ssh.PROXY) :]
    place = command.replace("[%h]:%p", f"{access.address}:{access.port}").replace("%%", "%")
    try:
        with ssh.turn(access, timeout) as left:
            # its input is empty: the server greets, and ends the connection
            return shell.run(shlex.split(place), timeout=left, check=False).stdout.startswith(
                "SSH-"
            )
    except DeadlineError:
        return False
