"""The API: a table of routes, who may call them, and how they fail; no sockets here."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from enoslib_nxc.rehearsal import deployment_routes as deploying
from enoslib_nxc.rehearsal import job_routes as jobs
from enoslib_nxc.rehearsal import reference_routes as reference
from enoslib_nxc.rehearsal.call import Call
from enoslib_nxc.rehearsal.replies import RefusalError, Reply
from enoslib_nxc.rehearsal.service import SiteService

VERSION = "/stable"
"""Path under which the API is (python-grid5000, DEFAULT_BASE_URL)."""


@dataclass(frozen=True)
class Route:
    """A row of the table.

    Args:
        method: HTTP method.
        pattern: path; `{name}` is one segment.
        handler: what answers.
    """

    method: str
    pattern: str
    handler: Callable[[Call], Reply]

    def match(self, path: str) -> Mapping[str, str] | None:
        """Return the segments that stand for names, None when the path is another."""
        regex = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.pattern)
        found = re.fullmatch(regex, path)
        return found.groupdict() if found else None


ROUTES: Sequence[Route] = (
    Route("GET", "/sites", reference.sites),
    Route("GET", "/sites/{site}", reference.site),
    Route("GET", "/sites/{site}/clusters", reference.clusters),
    Route("GET", "/sites/{site}/clusters/{cluster}", reference.cluster),
    Route("GET", "/sites/{site}/clusters/{cluster}/status", reference.cluster_status),
    Route("GET", "/sites/{site}/clusters/{cluster}/nodes", reference.nodes),
    Route("GET", "/sites/{site}/clusters/{cluster}/nodes/{node}", reference.node),
    Route("GET", "/sites/{site}/servers", reference.servers),
    Route("GET", "/sites/{site}/servers/{server}", reference.server),
    Route("GET", "/sites/{site}/jobs", jobs.jobs),
    Route("POST", "/sites/{site}/jobs", jobs.submit),
    Route("GET", "/sites/{site}/jobs/{job}", jobs.job),
    Route("DELETE", "/sites/{site}/jobs/{job}", jobs.delete),
    Route("GET", "/sites/{site}/jobs/{job}/walltime", jobs.walltime_status),
    Route("POST", "/sites/{site}/jobs/{job}/walltime", jobs.change_walltime),
    Route("GET", "/sites/{site}/deployments", deploying.deployments),
    Route("POST", "/sites/{site}/deployments", deploying.deploy),
    Route("GET", "/sites/{site}/deployments/{deployment}", deploying.deployment),
    Route("DELETE", "/sites/{site}/deployments/{deployment}", deploying.cancel),
    Route("GET", "/sites/{site}/vlans", deploying.vlans),
    Route("GET", "/sites/{site}/vlans/nodes/{node}", deploying.vlan_of),
    Route("GET", "/sites/{site}/vlans/{vlan}", deploying.vlan),
    Route("GET", "/sites/{site}/vlans/{vlan}/nodes", deploying.vlan_nodes),
    Route("POST", "/sites/{site}/vlans/{vlan}/nodes", deploying.move),
)


class Api:
    """Answers requests.

    Args:
        sites: name -> site.
        passwords: login -> password of those who may call.
    """

    def __init__(self, sites: Mapping[str, SiteService], passwords: Mapping[str, str]) -> None:
        self._sites = sites
        self._passwords = passwords

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Reply:
        """Answer a request.

        Args:
            method: HTTP method.
            target: path and query.
            headers: names in lower case.
            body: content.

        Raises:
            RefusalError: the request is refused.
        """
        user = self._user(headers.get("authorization", ""))
        parts = urlsplit(target)
        if not parts.path.startswith(f"{VERSION}/"):
            raise RefusalError(404, "Not Found")
        path = parts.path.removeprefix(VERSION).rstrip("/")
        route, names = _find(method, path)
        call = Call(
            user=user,
            names={name: unquote(value) for name, value in names.items()},
            query=dict(parse_qsl(parts.query)),
            path=f"{VERSION}{path}",
            content_type=headers.get("content-type", ""),
            body=body,
            sites=self._sites,
        )
        return route.handler(call)

    def _user(self, authorization: str) -> str:
        kind, _, code = authorization.partition(" ")
        try:
            login, _, password = base64.b64decode(code, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            login = password = ""
        known = self._passwords.get(login)
        right = known is not None and hmac.compare_digest(known.encode(), password.encode())
        if kind.lower() != "basic" or not right:
            raise RefusalError(401, "Authorization Required")
        return login


def _find(method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    fitting = [(route, names) for route in ROUTES if (names := route.match(path)) is not None]
    if not fitting:
        raise RefusalError(404, "Not Found")
    for route, names in fitting:
        if route.method == method:
            return route, names
    raise RefusalError(405, "Method Not Allowed")


def encode(reply: Reply) -> bytes:
    """Return the body of an answer."""
    return reply.raw.encode() if reply.body is None else json.dumps(reply.body).encode()
