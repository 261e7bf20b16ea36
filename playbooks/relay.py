"""Takes a file from the host before this one in a chain, and passes it on while it arrives.

The server that a deployment has for its hosts says who is before it: nobody for the first,
which takes the file from the server itself. So does one whose predecessor is lost, from where
it stands. One successor is served, which shows the secret that the server gave both; then
nobody is listened to any more. The file gets its name when its digest is right.

In its environment: CHAIN (URL where to ask), URL (of the file), FILE (its path here), PART (the
same while it arrives), SHA256 and SECONDS (until all is over). Says in one line whether the
server had to help. Ends when nobody reads that any more. Python 3.6, standard library only.
"""

import hashlib
import hmac
import json
import os
import select
import socket
import sys
import threading
import urllib.parse
from typing import Any, BinaryIO, Callable, Dict

PATIENCE = 10.0
"""Seconds without any progress, until another is given up."""

CONNECT_SECONDS = 5.0

DEPTH_SECONDS = 1.0
"""More patience for each host before: one that is lost is missed first by the next to it, which
then has the rest from elsewhere before those behind it run out of patience too."""

CHUNK = 1 << 17

LEAST = 1 << 15
"""Bytes that are taken at once from the predecessor, but at the end: fewer turns, less work."""

UNDER_WAY = 1 << 15
"""Bytes (Linux doubles it) on the way to the successor: a burst of more is lost on slow links,
and what a link loses of its time all those behind it lose too."""


class Arriving:
    """A file that grows, and may be read meanwhile."""

    def __init__(self, path: str, size: int) -> None:
        self.path, self.size, self.received, self.over = path, size, 0, False
        self.digest = hashlib.sha256()
        self._news = threading.Condition()
        self._file = open(path, "wb")

    def take(self, read_into: Callable[[memoryview], int]) -> None:
        """Write what comes until all is there; raise OSError if it ends before."""
        view = memoryview(bytearray(CHUNK))
        while self.received < self.size:
            count = read_into(view[: self.size - self.received])
            if not count:
                raise OSError("it ended early")
            self._file.write(view[:count])
            self._file.flush()
            self.digest.update(view[:count])
            with self._news:
                self.received += count
                self._news.notify_all()

    def end(self) -> None:
        """Nothing comes any more."""
        with self._news:
            self.over = True
            self._news.notify_all()

    def beyond(self, sent: int) -> int:
        """Wait for more than was sent, and return how much that is; 0 if nothing comes."""
        with self._news:
            self._news.wait_for(lambda: self.received > sent or self.over)
            return self.received - sent


class Successor(threading.Thread):
    """Serves the one host that knows the secret."""

    def __init__(self, listener: socket.socket, arriving: Arriving, secret: str) -> None:
        super().__init__(daemon=True)
        self._listener, self._arriving, self._secret = listener, arriving, secret.encode()
        self.came = False

    def run(self) -> None:
        """Wait for it, and send all that is there, and what is still to come."""
        with open(self._arriving.path, "rb") as file, self._accepted() as connection:
            connection.setblocking(False)
            writable = select.poll()
            writable.register(connection, select.POLLOUT)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNDER_WAY)
            sent = 0
            while sent < self._arriving.size:
                count = self._arriving.beyond(sent)
                if not count:
                    return
                try:
                    sent += os.sendfile(connection.fileno(), file.fileno(), sent, count)
                except BlockingIOError:
                    if not writable.poll(PATIENCE * 1000):
                        return
                except OSError:
                    return  # it has the rest from elsewhere

    def _accepted(self) -> socket.socket:
        with self._listener:
            while True:
                connection = self._listener.accept()[0]
                try:
                    connection.settimeout(CONNECT_SECONDS)
                    told = connection.recv(len(self._secret), socket.MSG_WAITALL)
                except OSError:
                    told = b""
                if hmac.compare_digest(told, self._secret):
                    self.came = True
                    return connection
                connection.close()


def from_predecessor(arriving: Arriving, before: Dict[str, Any], patience: float) -> None:
    """Take the file from the host before this one."""
    address = (before["address"], before["port"])
    with socket.create_connection(address, CONNECT_SECONDS) as connection:
        connection.sendall(before["secret"].encode())
        connection.settimeout(patience)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, LEAST)
        arriving.take(connection.recv_into)


def from_server(arriving: Arriving, url: str) -> None:
    """Take what is missing from the server."""
    with opened(url, arriving.received) as answer:
        arriving.take(answer.readinto)  # type: ignore[attr-defined]


def ask(**words: object) -> Dict[str, Any]:
    """Ask the server about the chain."""
    url = os.environ["CHAIN"] + "?" + urllib.parse.urlencode(words)
    with opened(url) as answer:
        found: Dict[str, Any] = json.loads(answer.read().decode())
        return found


def opened(url: str, first: int = 0) -> BinaryIO:
    """Fetch a URL from a byte on; the modules for HTTP take longer to be read than this."""
    server = urllib.parse.urlsplit(url)
    with socket.create_connection((server.hostname, server.port or 80), PATIENCE) as connection:
        asked = server.path + ("?" + server.query if server.query else "")
        part = "Range: bytes=%d-\r\n" % first if first else ""
        connection.sendall(("GET %s HTTP/1.0\r\n%s\r\n" % (asked, part)).encode())
        answer = connection.makefile("rb")
    status = answer.readline().split()[1:2]
    if status != [b"206" if first else b"200"]:
        raise OSError("the server answered %s" % b"".join(status).decode())
    while answer.readline().strip():
        pass
    return answer


def listen() -> socket.socket:
    """Listen where this host is reached from the server, and others like it."""
    server = urllib.parse.urlsplit(os.environ["CHAIN"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((server.hostname, server.port))
        address = probe.getsockname()[0]
    listener = socket.socket()
    listener.bind((address, 0))
    listener.listen(4)
    return listener


def take(arriving: Arriving, told: Dict[str, Any]) -> str:
    """Take the file; return why the server had to help, "" if nobody else was to."""
    why = ""
    if told["before"]:
        try:
            from_predecessor(arriving, told["before"], PATIENCE + DEPTH_SECONDS * told["depth"])
        except OSError as error:
            at = arriving.received * 100 // max(1, arriving.size)
            why = "%s at %d %%: %s" % (told["before"]["address"], at, error)
    if arriving.received < arriving.size:
        from_server(arriving, os.environ["URL"])
    return why


def keep_up(successor: Successor, number: int) -> None:
    """Stay as long as the successor needs this host, if there is one."""
    if not ask(leave=number)["followed"] and not successor.came:
        return
    # one that is on its way comes at once, or has turned to the server
    successor.join(PATIENCE)
    if successor.came:
        successor.join()


def relay() -> str:
    """Have the file here, and at the successor; return what is to be said."""
    part = os.environ["PART"]
    listener = listen()
    told = ask(port=listener.getsockname()[1])
    arriving = Arriving(part, told["size"])
    successor = Successor(listener, arriving, told["secret"])
    successor.start()
    try:
        why = take(arriving, told)
    finally:
        arriving.end()
    if arriving.digest.hexdigest() != os.environ["SHA256"]:
        raise OSError("what arrived is not what was sent")
    os.replace(part, os.environ["FILE"])
    keep_up(successor, told["number"])
    return why


def give_up(why: str) -> None:
    """Leave nothing, and end."""
    for end in (
        lambda: os.unlink(os.environ["PART"]),
        lambda: os.write(2, why.encode() + b"\n"),
    ):
        try:
            end()
        except OSError:
            pass  # it is not there; nobody reads it
    os._exit(1)


def watch() -> None:
    """End when nobody reads what this says, or the time is over."""
    poll = select.poll()
    poll.register(1, 0)
    gone = poll.poll(float(os.environ["SECONDS"]) * 1000)
    give_up("nobody waits any more" if gone else "it was not there in time")


if __name__ == "__main__":
    os.umask(0o077)
    threading.Thread(target=watch, daemon=True).start()
    try:
        said = relay()
    except (OSError, ValueError) as failed:
        give_up(str(failed))
    else:
        sys.stdout.write(said.replace("\n", " ") + "\n")
        sys.stdout.flush()
        os._exit(0)
