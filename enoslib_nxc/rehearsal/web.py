"""The web as a rehearsed Grid'5000's servers see it: the public directories of its sites."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

from enoslib_nxc.rehearsal.environments import MAX_BYTES, Web
from enoslib_nxc.rehearsal.site import DOMAIN


class PublicWeb:
    """Fetches from `http://public.SITE.grid5000.fr`; there is nothing else.

    Args:
        ports: site -> loopback port of its frontend's HTTP.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = {f"public.{site}.{DOMAIN}": port for site, port in ports.items()}

    @property
    def web(self) -> Web:
        """What `Catalog` takes."""
        return Web(self.get, self.head)

    def get(self, url: str, timeout: float) -> bytes:
        """Return what a URL holds, at most `MAX_BYTES` of it.

        Args:
            url: where.
            timeout: seconds without an answer.

        Raises:
            OSError: it cannot be had.
        """
        with urllib.request.urlopen(self._request("GET", url), timeout=timeout) as answer:  # noqa: S310
            content: bytes = answer.read(MAX_BYTES)
            return content

    def head(self, url: str, timeout: float) -> Mapping[str, str]:
        """Return the headers of a URL, names in lower case; arguments as those of `get`."""
        with urllib.request.urlopen(self._request("HEAD", url), timeout=timeout) as answer:  # noqa: S310
            return {name.lower(): value for name, value in answer.headers.items()}

    def save(self, url: str, file: Path, timeout: float) -> None:
        """Write what a URL holds to a file; other arguments as those of `get`."""
        with (
            urllib.request.urlopen(self._request("GET", url), timeout=timeout) as answer,  # noqa: S310
            file.open("wb") as out,
        ):
            shutil.copyfileobj(answer, out)

    def _request(self, method: str, url: str) -> urllib.request.Request:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "http" or host not in self._ports:
            raise URLError(f"{host or url}: Name or service not known")
        here = parts._replace(netloc=f"127.0.0.1:{self._ports[host]}").geturl()
        return urllib.request.Request(here, headers={"Host": host}, method=method)  # noqa: S310
