"""A file to many hosts in a chain: each takes it from the one before, and passes it on.

Whoever comes while the chain is open takes from the last one that came. So the source sends
one copy, and all have it about as soon as one would. What hosts do is in `playbooks/relay.py`;
here is who is before whom, which they ask the server that they fetch from.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from enoslib_nxc.context_server import ContextServer
from enoslib_nxc.files import File

LEAST_BYTES = 256 << 20
"""What a chain has to spare the source: a file, to all hosts but one. A link of 1 Gbit/s takes
two seconds for it. In a chain all bytes pass each host twice, and Python has to start there:
slow hosts lose more by that (four emulated ones 20 s, with 65 MiB)."""


@dataclass(frozen=True)
class Link:
    """A host in a chain.

    Args:
        number: by which it is known to the server.
        address: where it listens.
        port: the same.
        secret: that its successor shows.
        depth: hosts before it.
    """

    number: int
    address: str
    port: int
    secret: str
    depth: int


class Chain:
    """Who takes one file from whom.

    Args:
        size: of the file, in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taking = threading.Lock()
        self._last: Link | None = None
        self._joined = 0

    def answer(self, client: str, asked: Mapping[str, str]) -> bytes:
        """Answer a host, in JSON.

        Args:
            client: its address.
            asked: `port`, where it listens, to join the chain; or `leave`, its number, once it
                has the file and nobody has come to it.

        Raises:
            ValueError: it asked something else.
        """
        try:
            if "leave" in asked:
                told: dict[str, object] = {"followed": self.leave(int(asked["leave"]))}
            else:
                told = self.join(client, int(asked["port"]))
        except KeyError as error:
            raise ValueError(f"{error} is missing") from error
        return json.dumps(told).encode()

    def join(self, address: str, port: int) -> dict[str, object]:
        """Make a host the last one; return what it needs to know.

        Args:
            address: where it listens.
            port: the same.
        """
        with self._taking:
            before = self._last
            depth = before.depth + 1 if before else 0
            self._joined += 1
            new = Link(self._joined, address, port, secrets.token_hex(16), depth)
            self._last = new
        told = before and {
            "address": before.address,
            "port": before.port,
            "secret": before.secret,
        }
        return {
            "number": new.number,
            "secret": new.secret,
            "depth": depth,
            "before": told,
            "size": self._size,
        }

    def leave(self, number: int) -> bool:
        """Have no more hosts come to one; return whether one does already.

        Args:
            number: of the one that wants to leave.
        """
        with self._taking:
            if self._last is None or self._last.number != number:
                return True
            self._last = None
            return False


def spared(file: File, hosts: int) -> int:
    """Return the bytes that the source need not send if hosts are a chain.

    Args:
        file: that all of them need.
        hosts: how many they are.
    """
    return file.path.stat().st_size * (hosts - 1)


def chained(file: File, server: ContextServer) -> File:
    """Return a file with the place where hosts ask whom to take it from.

    Args:
        file: which; the server has it.
        server: the server.
    """
    chain = Chain(file.path.stat().st_size)
    return replace(file, chain=server.publish("chain", chain.answer))
