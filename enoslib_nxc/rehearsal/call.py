"""A request that was let in, and the shapes of its answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from enoslib_nxc.rehearsal.replies import (
    Json,
    JsonObject,
    RefusalError,
    Reply,
    collection,
    links,
)
from enoslib_nxc.rehearsal.service import SiteService

PAGE, MAX_PAGE = 50, 500
"""Items of a list, unless `limit` says otherwise, and at most (g5k-api, LIMIT, LIMIT_MAX)."""


@dataclass(frozen=True)
class Call:
    """A request that was let in.

    Args:
        user: who calls.
        names: the path's variable segments.
        query: parameters.
        path: the path, version included.
        content_type: the body's type.
        body: content.
        sites: all sites.
    """

    user: str
    names: Mapping[str, str]
    query: Mapping[str, str]
    path: str
    content_type: str
    body: bytes
    sites: Mapping[str, SiteService]

    @property
    def service(self) -> SiteService:
        """The site that it is about, up to date.

        Raises:
            RefusalError: 404.
        """
        service = self.sites.get(self.names["site"])
        if service is None:
            raise self.absent()
        service.tick()
        return service

    @property
    def site_path(self) -> str:
        """Path of the site that it is about."""
        version = self.path.split("/")[1]
        return f"/{version}/sites/{self.names['site']}"

    def absent(self) -> RefusalError:
        """Return g5k-api's refusal of a path of the reference data."""
        path = self.path[self.path.index("/sites") :]
        return RefusalError(404, f"Cannot find resource {path}")

    def json(self) -> Json:
        """Return the body.

        Raises:
            RefusalError: 400 or 415.
        """
        if self.content_type.split(";")[0].strip() != "application/json":
            kind = self.content_type
            raise RefusalError(415, f"Content-Type '{kind}' is not supported")
        try:
            body: Json = json.loads(self.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise RefusalError(400, "Bad Request") from error
        return body

    def json_object(self) -> JsonObject:
        """Return the body, which must be an object."""
        body = self.json()
        if not isinstance(body, dict):
            raise RefusalError(400, "Bad Request")
        return body

    def page(self, items: Sequence[Json]) -> Reply:
        """Return the part of a list that was asked for."""
        offset = max(self._number("offset", 0), 0)
        limit = min(self._number("limit", PAGE), MAX_PAGE)
        page = items[offset : offset + max(limit, 0)]
        return Reply(200, collection(page, total=len(items), offset=offset, path=self.path))

    def _number(self, name: str, default: int) -> int:
        text = self.query.get(name, "")
        return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else default

    def whole(self, items: Sequence[JsonObject]) -> Reply:
        """Return a list of the reference data, which comes whole."""
        linked = [{**i, "links": links(f"{self.path}/{i['uid']}")} for i in items]
        return Reply(200, collection(linked, total=len(items), offset=0, path=self.path))

    def item(self, item: JsonObject) -> Reply:
        """Return one thing."""
        return Reply(200, {**item, "links": links(self.path)})
