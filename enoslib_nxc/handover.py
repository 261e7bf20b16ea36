"""An open connection to an ssh server, handed over to the ssh that is to use it.

Whoever waited until a server greets has a connection. If ssh opened another one, the machine
would start a second process for it: a second of an emulated guest's time. ssh can be given an
open one by its ProxyCommand (ProxyUseFdpass, ssh_config(5)): `take_over.py`, which
asks the process that waited for it, on a socket that only this user reaches.
"""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread

from enoslib_nxc import multiplexing, ssh
from enoslib_nxc.model import Deployment
from enoslib_nxc.ssh import Access

PROGRAM = Path(__file__).with_name("take_over.py")
"""What ssh calls to get it."""


@contextmanager
def taken(
    access: Access, connection: socket.socket | None, deployment: Deployment
) -> Iterator[Access]:
    """Have the first ssh to a machine take over an open connection.

    Args:
        access: how the machine is reached; its commands share a connection.
        connection: on which the machine's ssh server has greeted, and nothing was read; None
            where there is none. It is closed here.
        deployment: of the machine. Where it is large, each ssh opens its own connection: here,
            the program that hands one over costs more than a machine saves.

    Yields:
        The access for that ssh; `access` itself where there is nothing to take over.
    """
    if connection is None:
        yield access
        return
    with connection:
        if not (access.control and sys.executable and multiplexing.few(deployment)):
            yield access
            return
        door = access.control.with_name(f"{access.control.name}-door")
        listener = _listening(door)
        if listener is None:
            yield access
            return
        with _offered(connection, listener, door):
            yield replace(access, via=(*_options(door), *access.via))


def _options(door: Path) -> tuple[str, ...]:
    words = shlex.join([sys.executable, "-I", "-S", str(PROGRAM), str(door)])
    command = words.replace("%", "%%")
    return ("-o", f"{ssh.PROXY}{command}", "-o", "ProxyUseFdpass=yes")


def _listening(door: Path) -> socket.socket | None:
    """Listen on a socket; None where there can be none: then ssh opens its own connection."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(door))
        listener.listen(1)
    except OSError:
        listener.close()
        return None
    return listener


@contextmanager
def _offered(connection: socket.socket, listener: socket.socket, door: Path) -> Iterator[None]:
    """Give the connection to the first that comes to a socket."""
    with listener:
        thread = Thread(target=_give, args=(listener, connection), daemon=True)
        thread.start()
        try:
            yield
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # nobody came: wakes the thread
            thread.join()
            door.unlink(missing_ok=True)


def _give(listener: socket.socket, connection: socket.socket) -> None:
    with suppress(OSError):
        taker = listener.accept()[0]
        with taker:
            socket.send_fds(taker, [b"\0"], [connection.fileno()])
