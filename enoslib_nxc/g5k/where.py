"""Where this program runs, seen from Grid'5000, and how it reaches a site from there."""

from __future__ import annotations

import getpass
import re
import socket
from enum import Enum

from enoslib_nxc.config_g5k import G5k
from enoslib_nxc.ssh import Access

DOMAIN = "grid5000.fr"
"""Names of Grid'5000 end with it (EnOSlib's rule, `enos_g5k/utils.py`)."""

ACCESS = "access.grid5000.fr"
"""The way in from outside (Grid'5000 wiki, "SSH")."""

_NODE = re.compile(r"-\d+$")
"""Nodes are CLUSTER-NUMBER.SITE.grid5000.fr; frontends carry the site's name only."""

FIRST_CONTACT = ("-o", "StrictHostKeyChecking=accept-new")
"""A frontend never met is entered into the user's own known_hosts, as by hand."""


class Where(str, Enum):
    """On which side of Grid'5000's gateway this program runs."""

    OUTSIDE = "outside"
    FRONTEND = "frontend"
    NODE = "node"


def where() -> Where:
    """Tell where this program runs, by the name of this computer."""
    name = socket.getfqdn()
    if not _is_inside(name):
        return Where.OUTSIDE
    return Where.NODE if _NODE.search(name.partition(".")[0]) else Where.FRONTEND


def site() -> str:
    """Return the site that this program runs on, "" outside Grid'5000."""
    name = socket.getfqdn()
    return name.removesuffix(DOMAIN).rstrip(".").rpartition(".")[2] if _is_inside(name) else ""


def jump(settings: G5k, login: str) -> tuple[str, ...]:
    """Return the ssh options that lead to machines of Grid'5000, () where none is needed.

    The user's own ssh configuration applies: it says with which key the gateway is entered.

    Args:
        settings: the configuration.
        login: of Grid'5000.
    """
    own = ("-F", str(settings.ssh_config)) if settings.ssh_config else ()
    gateway = settings.gateway
    if gateway == "auto":
        gateway = ACCESS if where() is Where.OUTSIDE else "no"
    if gateway == "no":
        return own
    return (*own, "-J", gateway if "@" in gateway or not login else f"{login}@{gateway}")


def frontend(settings: G5k, site_name: str, login: str) -> Access | None:
    """Return how the user's home on a site is reached; None where it is mounted here.

    Args:
        settings: the configuration.
        site_name: the site.
        login: of Grid'5000.
    """
    if site() == site_name and getpass.getuser() == login:
        return None
    name = settings.frontend.replace("{site}", site_name)
    return Access(
        name=name,
        address=name,
        port=22,
        user=login,
        key=None,
        known_hosts=None,
        via=(*jump(settings, login), *FIRST_CONTACT),
    )


def public_url(settings: G5k, site_name: str, login: str) -> str:
    """Return where the directory `public` of the user's home is served.

    Args:
        settings: the configuration.
        site_name: the site.
        login: of Grid'5000.
    """
    url = settings.public_url.replace("{site}", site_name).replace("{login}", login)
    return url.rstrip("/")


def _is_inside(name: str) -> bool:
    return name.endswith(DOMAIN)
