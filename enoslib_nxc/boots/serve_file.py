"""Serve one file over one connection on standard input and output.

QEMU starts it for each connection that a guest opens (`guestfwd ... cmd:`), so nothing
listens anywhere, and only that guest can ask. It imports nothing of the package: it must
start quickly while several machines boot.
"""

import sys
from pathlib import Path


def main() -> None:
    """Answer any request with the file named on the command line."""
    for line in sys.stdin.buffer:
        if line in (b"\r\n", b"\n"):
            break
    body = Path(sys.argv[1]).read_bytes()
    head = f"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    sys.stdout.buffer.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
