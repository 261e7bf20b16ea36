"""A small HTTP server for what machines fetch while they boot, and only then.

It knows nothing but what was published to it, each under a path that cannot be guessed, and
answers the machines of one deployment only. It is bound to the one address by which this
computer reaches them.
"""

from __future__ import annotations

import secrets
import shutil
import socket
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from socketserver import TCPServer
from typing import BinaryIO
from urllib.parse import parse_qsl

Answer = Callable[[str, Mapping[str, str]], bytes]
"""Called with the address of who asks, and what (the query); raises ValueError to refuse."""

Content = bytes | Path | Answer


class _Server(ThreadingHTTPServer):
    """Bears that all machines come at once: Linux would drop the sixth that waits."""

    request_queue_size = 1024
    daemon_threads = True

    def server_bind(self) -> None:
        """Ask nobody for the name of this computer: a resolver may take seconds to say no."""
        TCPServer.server_bind(self)


class ContextServer:
    """Serves until it is closed; its threads end with the process.

    Args:
        address: where to listen, an address of this computer.
        clients: addresses that are answered.
    """

    def __init__(self, address: str, clients: Collection[str]) -> None:
        self._published: dict[str, Content] = {}
        self._server = _Server((address, 0), self._handler(frozenset(clients)))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def publish(self, name: str, content: Content) -> str:
        """Make something available.

        Args:
            name: last part of its path, for people.
            content: the bytes, or the file that has them, or what makes them when asked.

        Returns:
            Its URL.
        """
        path = f"/{secrets.token_hex(16)}/{name}"
        self._published[path] = content
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}{path}"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self, clients: frozenset[str]) -> type[BaseHTTPRequestHandler]:
        published = self._published

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.client_address[0] not in clients:
                    self.send_error(HTTPStatus.FORBIDDEN)
                    return
                path, _, query = self.path.partition("?")
                content = published.get(path)
                # a machine that turns away tries again by itself
                with suppress(ConnectionError):
                    if content is None:
                        self.send_error(HTTPStatus.NOT_FOUND)
                    elif isinstance(content, bytes | Path):
                        self._send(content)
                    else:
                        self._answer(content, dict(parse_qsl(query)))

            def _answer(self, content: Answer, asked: Mapping[str, str]) -> None:
                try:
                    self._send(content(self.client_address[0], asked))
                except ValueError:
                    self.send_error(HTTPStatus.BAD_REQUEST)

            def _send(self, content: bytes | Path) -> None:
                with _opened(content) as source:
                    size = source.seek(0, 2)
                    first = _first_byte(self.headers.get("Range", ""), size)
                    source.seek(first)
                    status = HTTPStatus.PARTIAL_CONTENT if first else HTTPStatus.OK
                    self.send_response(status)
                    self.send_header("Content-Length", str(size - first))
                    if first:
                        self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
                    self.end_headers()
                    shutil.copyfileobj(source, self.wfile)

            def log_message(self, *_words: object) -> None:
                """Nothing prints but a reporter."""

        return Handler


def _first_byte(asked: str, size: int) -> int:
    """Return from where a file is asked for ("bytes=5-"); of other parts all is sent."""
    unit, _, first = asked.partition("=")
    known = unit == "bytes" and first.endswith("-") and first[:-1].isdecimal()
    return int(first[:-1]) if known and int(first[:-1]) < size else 0


def _opened(content: bytes | Path) -> BinaryIO:
    return BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def address_towards(host: str) -> str:
    """Return the address of this computer from which it reaches a machine.

    Nothing is sent: connecting a datagram socket only asks the kernel for the route.

    Args:
        host: name or address of the machine.

    Raises:
        OSError: there is no way to it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        return str(probe.getsockname()[0])
