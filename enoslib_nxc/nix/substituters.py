"""Leaves out the substituters whose host name does not resolve.

Nix asks each binary cache five times with growing pauses, 4.5 s per build on a machine
that is offline. A cache whose name does not resolve can serve nothing, so it is left out of
this one run; every other one stays, and nothing is written down. `download-attempts`
would do the same, but take the retries away from a network that is merely bad.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from urllib.parse import urlsplit

from enoslib_nxc.errors import CommandError
from enoslib_nxc.nix.site import Site

RESOLVE_TIMEOUT = 2.0
"""Seconds for all look-ups; a name without answer by then counts as known."""

NOT_FOUND = 2
"""Exit status of getent(1) for a name that is not known."""

Resolve = Callable[[str], bool]


def resolves(host: str) -> bool:
    """Tell whether a host name has an address; True unless the resolver denies it."""
    try:
        socket.getaddrinfo(host, None)
    except socket.gaierror:
        return False
    return True


def resolves_on(site: Site) -> Resolve:
    """Return what tells whether a host name has an address on another machine."""

    def resolve(host: str) -> bool:
        try:
            asked = site.run(["getent", "ahosts", host], timeout=RESOLVE_TIMEOUT, check=False)
        except CommandError:
            return True
        return asked.returncode != NOT_FOUND

    return resolve


def options(urls: Iterable[str], *, resolve: Resolve = resolves) -> tuple[str, ...]:
    """Return the words that leave dead substituters out, () when all can stay.

    Args:
        urls: the substituters in force.
        resolve: tells whether a host name has an address.
    """
    urls = tuple(urls)
    hosts = {host for url in urls if (host := _host(url))}
    dead = _dead(hosts, resolve) if hosts else set()
    if not dead:
        return ()
    alive = [url for url in urls if _host(url) not in dead]
    return ("--option", "substituters", " ".join(alive))


def _dead(hosts: set[str], resolve: Resolve) -> set[str]:
    pool = ThreadPoolExecutor(max_workers=len(hosts))
    asked = {pool.submit(resolve, host): host for host in hosts}
    done, _ = wait(asked, timeout=RESOLVE_TIMEOUT)
    pool.shutdown(wait=False)
    return {asked[answer] for answer in done if not answer.result()}


def _host(url: str) -> str:
    """Return the host of an http(s) cache; "" for what Nix reaches in other ways."""
    parts = urlsplit(url)
    return parts.hostname or "" if parts.scheme in ("http", "https") else ""
