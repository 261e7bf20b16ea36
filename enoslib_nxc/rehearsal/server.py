"""The service on loopback: a port, a password, and the file by which clients find them."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import cast

import yaml

from enoslib_nxc.errors import ConfigError
from enoslib_nxc.rehearsal.api import VERSION, Api, encode
from enoslib_nxc.rehearsal.replies import RefusalError
from enoslib_nxc.rehearsal.service import Settings, SiteService
from enoslib_nxc.rehearsal.site import SiteSpec
from enoslib_nxc.rehearsal.testbed import MemoryTestbed

CLIENT_FILE = ".python-grid5000.yaml"
"""Where EnOSlib looks for the API's address, in $HOME (EnOSlib, get_api_client)."""

MAX_BODY = 1 << 20
"""Bytes of a request's body."""

CLIENT_TIMEOUT = 30
"""Seconds that clients wait; python-grid5000 waits for ever otherwise."""

IDLE = 0.5
"""Seconds between two looks at the clock when nothing is due, which an injected one needs."""

TEXT, JSON = "text/plain; charset=utf-8", "application/json; charset=utf-8"

POLL = 0.05
"""Seconds after which the server sees that it is to stop."""

Log = Callable[[str, str, int], None]
"""Told of each answer: method, path and query, status."""


class Rehearsal:
    """A Grid'5000 API on this machine, from enter to exit.

    Args:
        specs: its sites.
        home: directory that gets the clients' file; theirs must be $HOME.
        login: the user.
        others: further users.
        settings: testbed, clock and the like; a testbed without machines by default.
        log: told of each answer.
    """

    def __init__(
        self,
        specs: Sequence[SiteSpec],
        home: Path,
        *,
        login: str = "rehearsal",
        others: Sequence[str] = (),
        settings: Settings | None = None,
        log: Log | None = None,
    ) -> None:
        settings = settings or Settings(MemoryTestbed(), time.time)
        self.login = login
        self.passwords: Mapping[str, str] = {
            user: secrets.token_urlsafe(24) for user in (login, *others)
        }
        self.sites: Mapping[str, SiteService] = {
            spec.site: SiteService(spec, settings, first=1_000_001 + 1_000_000 * rank)
            for rank, spec in enumerate(specs)
        }
        self._client_file = home / CLIENT_FILE
        self._clock = settings.clock
        self._log = log or (lambda _method, _target, _status: None)
        self._over = threading.Event()

    @property
    def uri(self) -> str:
        """Address of the API; there is one from enter to exit."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}{VERSION}"

    def __enter__(self) -> Rehearsal:
        api = Api(self.sites, self.passwords)
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, api, self._log))
        try:
            self._write_client_file()
        except OSError as error:
            self._server.server_close()
            reason = "exists" if isinstance(error, FileExistsError) else str(error.strerror)
            raise ConfigError(
                f"{self._client_file} cannot be made: {reason.lower()}",
                resolution="rehearse in a HOME of its own",
            ) from error
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(POLL,), daemon=True),
            threading.Thread(target=self._tick, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self._server.server_close()
        self._client_file.unlink(missing_ok=True)

    def _write_client_file(self) -> None:
        content = {
            "uri": self.uri,
            "username": self.login,
            "password": self.passwords[self.login],
            "timeout": CLIENT_TIMEOUT,
        }
        # never over a file that is there: it may be the one for the real Grid'5000
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self._client_file, flags, 0o600), "w") as file:
            yaml.safe_dump(content, file)

    def _tick(self) -> None:
        while not self._over.is_set():
            due = [at for site in self.sites.values() if (at := site.tick()) is not None]
            wait = min(due) - self._clock() if due else IDLE
            self._over.wait(min(max(wait, 0.02), IDLE))


class _Server(ThreadingHTTPServer):
    """Ends the connections that clients keep open, which the standard one does not."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: Callable[..., _Handler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        self._open.discard(cast("socket.socket", request))
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._open):
            with suppress(OSError):  # it ended by itself meanwhile
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def __init__(self, api: Api, log: Log, *args: object) -> None:
        self._api = api
        self._log = log
        super().__init__(*args)  # type: ignore[arg-type]

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            reply = self._api.answer(self.command, self.path, headers, self._body())
        except RefusalError as error:
            extra = (
                {"WWW-Authenticate": 'Basic realm="rehearsal"'} if error.status == 401 else {}
            )
            self._send(error.status, TEXT, error.text.encode(errors="replace"), extra)
        except Exception:
            self._send(500, TEXT, b"Internal Server Error", {})
            raise  # a defect of ours: the server shows it
        else:
            body = encode(reply)
            # an empty answer is text: clients would read it as JSON
            self._send(reply.status, JSON if body else TEXT, body, reply.headers)

    do_GET = do_POST = do_DELETE = do_PUT = _answer  # noqa: N815 (http.server's names)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            raise RefusalError(413, "Payload Too Large")
        return self.rfile.read(int(length))

    def _send(self, status: int, kind: str, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self._log(self.command, self.path, status)

    def log_message(self, *_args: object) -> None:
        """Print nothing: `log` is told."""
