"""HTTP servers on loopback that answer as they are told to: an API on a bad day."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Answer = Callable[["Handler"], None]


@dataclass
class Faulty:
    """A server at work.

    Args:
        url: its address.
        asked: methods and paths, in the order of the requests.
    """

    url: str
    asked: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    body: bytes

    def answer(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        faulty = self.server.faulty
        faulty.asked.append(f"{self.command} {self.path}")
        answers = self.server.answers
        answers[min(len(faulty.asked), len(answers)) - 1](self)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815

    def say(self, status: int, text: str, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    faulty: Faulty
    answers: Sequence[Answer]

    def handle_error(self, *_args: object) -> None:
        """Clients that went away are no news."""


def says(status: int, text: str, kind: str = "text/plain; charset=utf-8") -> Answer:
    """Answer with a status and a text."""
    return lambda handler: handler.say(status, text, kind)


def json(text: str) -> Answer:
    """Answer well."""
    return says(200, text, "application/json; charset=utf-8")


def after(seconds: float, answer: Answer) -> Answer:
    """Answer late; not any more once the test is over."""

    def late(handler: Handler) -> None:
        if not handler.server.faulty.over.wait(seconds):
            answer(handler)

    return late


def passes_on(uri: str) -> Answer:
    """Let another server answer."""

    def relay(handler: Handler) -> None:
        parts = urlsplit(uri)
        other = HTTPConnection(str(parts.hostname), parts.port or 80, timeout=30)
        body = handler.body or None
        other.request(handler.command, handler.path, body, dict(handler.headers))
        answer = other.getresponse()
        text = answer.read().decode()
        other.close()
        handler.say(answer.status, text, answer.headers["Content-Type"])

    return relay


def hang_up(handler: Handler) -> None:
    """Close the connection instead of an answer."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(*answers: Answer) -> Iterator[Faulty]:
    """Answer the first request with the first answer, and so on; the last one stays."""
    server = _Server(("127.0.0.1", 0), Handler)
    server.answers = answers
    server.faulty = Faulty(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.faulty
    finally:
        server.faulty.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
