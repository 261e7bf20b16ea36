"""As ssh's ProxyCommand: gets an open connection from a socket, and gives it to ssh.

Its argument is the path of the socket; ssh takes the connection from standard output
(ProxyUseFdpass, ssh_config(5)). It is run as a program: nothing but Python's `socket` is read.
"""

import socket
import sys


def main() -> None:
    """Pass one connection on."""
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(sys.argv[1])
        _, connections, _, _ = socket.recv_fds(door, 1, 1)
    with socket.socket(fileno=1) as to_ssh:
        socket.send_fds(to_ssh, [b"\0"], connections)


if __name__ == "__main__":
    main()
