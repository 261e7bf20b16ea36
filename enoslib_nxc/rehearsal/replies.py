"""What the service answers: JSON, or one line of text and a status."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
"""Any JSON value."""

JsonObject: TypeAlias = Mapping[str, Json]
"""A JSON object."""

OURS = "(Grid'5000 would let this pass; the rehearsal does not)"
"""Ends the text of every refusal that is the rehearsal's own, not the real service's."""

FORBIDDEN = "You are not authorized to access this resource"
"""g5k-api, application_controller.rb: the text of a 403 without a reason of its own."""


@dataclass(frozen=True)
class Reply:
    """An answer.

    Args:
        status: HTTP status.
        body: JSON value; None for none.
        headers: further headers.
        raw: the body as it is, said to be JSON; in place of `body`.
    """

    status: int
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: str = ""


class RefusalError(Exception):
    """A request is refused: g5k-api answers with a status and a line of plain text.

    Args:
        status: HTTP status.
        text: the body.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def collection(items: Sequence[Json], *, total: int, offset: int, path: str) -> JsonObject:
    """Return a list as g5k-api wraps it.

    Args:
        items: this page.
        total: items in all.
        offset: index of the first one of this page.
        path: the collection's own path.
    """
    return {"total": total, "offset": offset, "items": items, "links": links(path)}


def links(path: str) -> Sequence[JsonObject]:
    """Return the links `self` and `parent` of a resource."""
    kind = "application/vnd.grid5000.item+json"
    parent = path.rsplit("/", 1)[0] or "/"
    return [
        {"rel": "self", "href": path, "type": kind},
        {"rel": "parent", "href": parent, "type": kind},
    ]


def through_oarapi(url: str, status: int, title: str, message: str) -> RefusalError:
    """Return the refusal that passes on what OAR's own REST API answered.

    g5k-api (application_helper.rb, continue_if!) puts the other service's body, which is
    JSON (OAR, API.pm, ERROR), behind a sentence of its own.

    Args:
        url: address of OAR's API.
        status: its HTTP status.
        title: its short text.
        message: what the OAR command printed.
    """
    body = json.dumps({"code": status, "message": message, "title": title}, indent=3)
    return RefusalError(status, f"Request to {url} failed with status {status}: {body}\n")
