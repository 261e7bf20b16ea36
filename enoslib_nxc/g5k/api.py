"""Asking the Grid'5000 API: with a timeout, again where that does no harm, in plain words.

Which requests are repeated is decided by their HTTP method, one by one (urllib3's `Retry`):
those that change nothing, or the same thing twice, after a 5xx or a lost answer; all where
there was no connection. A POST whose answer got lost may have been accepted: it is never
repeated, and its `ApiError` is `unsure`.
"""

from __future__ import annotations

import getpass
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from enoslib.infra.enos_g5k import g5k_api_utils
from grid5000 import DEFAULT_BASE_URL, Grid5000
from grid5000.exceptions import Grid5000Error
from requests import PreparedRequest, Response, exceptions
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError, ReadTimeoutError
from urllib3.util.retry import Retry

from enoslib_nxc.errors import PlatformError
from enoslib_nxc.g5k import credentials

T = TypeVar("T")

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and to wait for more of an answer, unless the user's file has a
`timeout`. g5k-api itself waits 10 s for an environment description, and for oarsub."""

RETRY = Retry(
    total=4,
    connect=3,
    read=1,  # an answer that does not come has cost a whole timeout
    status=3,
    other=0,
    backoff_factor=0.5,
    status_forcelist=(500, 502, 503, 504),
    raise_on_status=False,  # the last answer tells more than that there were too many
)
"""Further attempts of one request, after 0, 1, 2 and 4 s."""

TEXT_LIMIT = 2000
"""Characters of an answer that an error shows: a proxy's page may have more."""

_lock = threading.Lock()


class ApiError(PlatformError):
    """The API refused, failed, or could not be reached.

    Args:
        brief: what could not be done, and why.
        details: what the API said.
        resolution: what to do.
        status: HTTP status, None when there was no answer.
        passing: whether the same may work in a while: 5xx, no answer, no connection.
        unsure: whether what was asked may have been done nevertheless.
    """

    def __init__(
        self,
        brief: str,
        *,
        details: str = "",
        resolution: str = "",
        status: int | None = None,
        passing: bool = False,
        unsure: bool = False,
    ) -> None:
        super().__init__(brief, details=details, resolution=resolution)
        self.status = status
        self.passing = passing
        self.unsure = unsure


class _Adapter(HTTPAdapter):
    """Refuses pages that are not the API's: python-grid5000 hands them on as resources."""

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        """Send a request and look at what the answer is said to be."""
        answer = super().send(request, *args, **options)
        kind = answer.headers.get("Content-Type", "")
        if answer.ok and request.method == "GET" and "json" not in kind:
            raise exceptions.InvalidJSONError(f"{kind or 'no type'}: {answer.text}")
        return answer


def client() -> Grid5000:
    """Return EnOSlib's client of the API, with timeouts and retries of ours.

    EnOSlib keeps one for the whole process. It is made anew when the user's file is another
    than it was (a rehearsal has ended, another begun).

    Raises:
        ConfigError: there are no usable credentials.
    """
    wanted = credentials.read()
    with _lock:
        kept = g5k_api_utils._api_client
        if kept is not None and _differs(kept, wanted):
            forget()
        made: Grid5000 = g5k_api_utils.get_api_client()
        if made.timeout is None:
            made.timeout = TIMEOUT
        if not isinstance(made.session.get_adapter(made._uri), _Adapter):
            for scheme in ("http://", "https://"):
                made.session.mount(scheme, _Adapter(max_retries=RETRY))
    return made


def _differs(kept: Grid5000, wanted: credentials.Credentials) -> bool:
    uri = wanted.uri or DEFAULT_BASE_URL
    return (kept._uri, kept.username, kept.password) != (uri, wanted.username, wanted.password)


def forget() -> None:
    """Drop what EnOSlib keeps of the API in this process: its client and cached answers."""
    g5k_api_utils._api_client = None
    for kept in vars(g5k_api_utils).values():
        clear = getattr(kept, "cache_clear", None)
        if callable(clear):
            clear()


def login() -> str:
    """Return the Grid'5000 login; that of this process where the file names none."""
    return client().username or getpass.getuser()


def address() -> str:
    """Return the address of the API; without `uri` in the user's file it is the real one."""
    return str(client()._uri)


def remarks() -> tuple[str, ...]:
    """Return what a user should be told of the credentials, though they can be used."""
    exposed = credentials.read().exposed
    return (f"others can read your password: chmod 600 {exposed}",) if exposed else ()


def call(what: str, function: Callable[[], T], *, idempotent: bool = True) -> T:
    """Run calls of python-grid5000, or of EnOSlib to the API.

    Args:
        what: what is asked, after "cannot": "list the jobs of lille".
        function: the calls.
        idempotent: whether they could be made twice. When not, and the answer is lost, the
            error is `unsure`: look before asking again.

    Raises:
        ApiError: what was asked, what the API said, what to do.
    """
    try:
        return function()
    except Grid5000Error as error:
        raise _refused(what, error, idempotent=idempotent) from error
    except exceptions.RequestException as error:
        raise _unanswered(what, error, idempotent=idempotent) from error


_ADVICE = {
    401: f"check username and password in ~/{credentials.FILE}",
    403: "check that the job and the nodes are yours, and that your account may do this",
    404: "check the site, the name or the number; jobs and deployments do not stay for ever",
}


def _refused(what: str, error: Grid5000Error, *, idempotent: bool) -> ApiError:
    status = error.response_code
    broken = status is not None and status >= 500
    advice = "try again in a while" if broken or status is None else ""
    return ApiError(
        f"cannot {what}: the Grid'5000 API {_answered(status)}",
        details=_text(error.error_message),
        resolution=_ADVICE.get(status or 0, advice),
        status=status,
        passing=broken or status == 429,
        # a gateway that gave up waiting does not know what became of it
        unsure=not idempotent and status in (None, 502, 504),
    )


def _answered(status: int | None) -> str:
    words = {
        None: "gave an answer that is not JSON",
        401: "does not accept the login or password (401)",
        403: "does not allow it (403)",
        404: "does not know it (404)",
    }
    return words.get(status) or (
        f"failed ({status})" if status and status >= 500 else f"refused ({status})"
    )


@dataclass(frozen=True)
class _Loss:
    """How a request came to have no answer of the API's.

    Args:
        told: after "the Grid'5000 API".
        sent: whether the request may have got there.
        passing: whether the same may work in a while.
    """

    told: str
    sent: bool = True
    passing: bool = True


# the first that fits: a class is after its subclasses
_LOSSES: tuple[tuple[type[Exception], _Loss], ...] = (
    (exceptions.InvalidJSONError, _Loss("gave an answer that is not JSON", passing=False)),
    (
        exceptions.SSLError,
        _Loss("shows a certificate that is not trusted", sent=False, passing=False),
    ),
    (exceptions.ProxyError, _Loss("cannot be reached through the proxy", sent=False)),
    (exceptions.ConnectTimeout, _Loss("cannot be reached in time", sent=False)),
    (NewConnectionError, _Loss("cannot be reached", sent=False)),
    (exceptions.Timeout, _Loss("did not answer in time")),
    (ReadTimeoutError, _Loss("did not answer in time")),
    (exceptions.ConnectionError, _Loss("broke off the connection")),
    (exceptions.ChunkedEncodingError, _Loss("broke off the connection")),
    (exceptions.RequestException, _Loss("cannot be asked", sent=False, passing=False)),
)


def _unanswered(what: str, error: exceptions.RequestException, *, idempotent: bool) -> ApiError:
    """Return the error of a request without an answer, or with one that is not the API's."""
    # requests wraps urllib3's MaxRetryError, which has the reason of the last attempt
    cause = getattr(error.args[0] if error.args else None, "reason", None) or error
    loss = next(
        loss for kind, loss in _LOSSES if isinstance(error, kind) or isinstance(cause, kind)
    )
    advice = f"check the network, and uri in ~/{credentials.FILE} ({address()})"
    if loss.sent and loss.passing:
        advice = f"try again in a while, or give a longer timeout (s) in ~/{credentials.FILE}"
    return ApiError(
        f"cannot {what}: the Grid'5000 API {loss.told}",
        details=_text(str(cause)),
        resolution=advice,
        passing=loss.passing,
        unsure=loss.sent and not idempotent,
    )


def _text(message: object) -> str:
    """Return what the API said, or what happened, short enough to read."""
    text = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
    text = text.strip()
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]} ..."
