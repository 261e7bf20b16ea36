"""Addresses of nodes under the names that they have now, asked inside Grid'5000."""

from __future__ import annotations

import socket
from collections.abc import Collection

from enoslib_nxc import ssh
from enoslib_nxc.errors import PlatformError
from enoslib_nxc.ssh import Access

SECONDS = 60.0
"""For the frontend's answer."""

QUESTION = """
for name; do
    echo "$name $(getent ahostsv4 "$name" | { read -r address rest; echo "$address"; })"
done
"""


def resolve(names: Collection[str], frontend: Access | None) -> dict[str, str]:
    """Return the IPv4 address of each name.

    Nodes find themselves in deployment.json by the address that their site's DHCP gives
    them, and its DNS knows the same; under kavlan that of the translated name.

    Args:
        names: FQDNs.
        frontend: who is asked; None to ask from here, which is inside.

    Raises:
        PlatformError: a name has no address.
        CommandError: the frontend cannot be reached.
    """
    if frontend is None:
        found = {name: address for name in names if (address := _local(name))}
    else:
        told = ssh.script(frontend, QUESTION, *names, timeout=SECONDS).stdout
        pairs = (line.split() for line in told.splitlines())
        found = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    missing = [name for name in names if name not in found]
    if missing:
        raise PlatformError(
            f"no address is known for {', '.join(missing)}",
            resolution="check the names on the frontend: getent hosts NAME",
        )
    return found


def _local(name: str) -> str:
    try:
        return str(socket.getaddrinfo(name, None, socket.AF_INET)[0][4][0])
    except OSError:
        return ""
