"""Kadeploy's environments: descriptions by http(s) URL, checked; and those known by name."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from enoslib_nxc.rehearsal.replies import OURS, RefusalError

TIMEOUT = 10.0
"""Seconds that g5k-api waits for a description (deployment.rb, launch_workflow!)."""

MAX_BYTES = 1 << 20
"""A description is a page of YAML; more is something else."""

_FROZEN = ConfigDict(extra="forbid", frozen=True, strict=True)
_Path = Annotated[str, Field(pattern="^/")]
_Compression = Literal["gzip", "bzip2", "xz", "zstd"]


class Image(BaseModel):
    """`image` of a description."""

    model_config = _FROZEN

    file: str
    kind: Literal["tar"]
    compression: _Compression


class Boot(BaseModel):
    """`boot` of a description; paths are inside the image."""

    model_config = _FROZEN

    kernel: _Path
    initrd: _Path | None = None
    kernel_params: str = ""


class Postinstall(BaseModel):
    """One of `postinstalls` of a description."""

    model_config = _FROZEN

    archive: str
    compression: _Compression
    script: str = "none"


class Environment(BaseModel):
    """An environment: the keys of Kadeploy (environment.rb, load_from_desc) for Linux."""

    model_config = _FROZEN

    name: str
    os: Literal["linux"]
    image: Image
    boot: Boot
    filesystem: Annotated[str, Field(min_length=1)]
    version: int = 1
    arch: str | None = None
    alias: str | None = None
    description: str = ""
    author: str = ""
    visibility: Literal["public", "private", "shared"] = "private"
    destructive: bool = False
    postinstalls: tuple[Postinstall, ...] = Field(default=(), strict=False)
    partition_type: int = 0
    multipart: Literal[False] = False


@dataclass(frozen=True)
class Web:
    """How files are fetched.

    Args:
        get: URL and seconds -> content.
        head: URL and seconds -> header names in lower case and their values.
    """

    get: Callable[[str, float], bytes]
    head: Callable[[str, float], Mapping[str, str]]


def _request(method: str, url: str) -> urllib.request.Request:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url} is not an http or https address")
    return urllib.request.Request(url, method=method)  # noqa: S310 (checked above)


def http_get(url: str, timeout: float) -> bytes:
    """Return what an http(s) URL holds, at most `MAX_BYTES` of it."""
    with urllib.request.urlopen(_request("GET", url), timeout=timeout) as answer:  # noqa: S310
        content: bytes = answer.read(MAX_BYTES)
        return content


def http_head(url: str, timeout: float) -> Mapping[str, str]:
    """Return the headers of an http(s) URL, names in lower case."""
    with urllib.request.urlopen(_request("HEAD", url), timeout=timeout) as answer:  # noqa: S310
        return {name.lower(): value for name, value in answer.headers.items()}


HTTP = Web(http_get, http_head)


@dataclass(frozen=True)
class Catalog:
    """What a site's Kadeploy knows.

    Args:
        named: environments by name; `debian12-min`, or `mine@alice` for what a user shared.
        server_root: directory that stands for the Kadeploy server's file system, for
            `server://` images; None for no such files.
        web: how files are fetched.
    """

    named: Mapping[str, Environment]
    server_root: Path | None = None
    web: Web = HTTP

    def find(self, wanted: str, version: int | None) -> Environment:
        """Return the environment that a deployment names.

        Args:
            wanted: a name, `name@user`, or the http(s) URL of a description.
            version: version asked for; None for any.

        Raises:
            RefusalError: with the texts of g5k-api (deployment.rb) or Kadeploy.
        """
        if re.search(r"\s", wanted):
            # Ruby's URI refuses blanks: that is how a description given inline ends
            raise launch_fault(500, f'bad URI (is not URI?): "{wanted[:60]}"')
        scheme = urlsplit(wanted).scheme
        if not scheme:
            return self._by_name(wanted, version)
        if scheme not in ("http", "https"):
            raise _fetch_fault(f"{scheme} protocol not supported yet")
        environment = read_description(self._fetch(wanted))
        for file in (environment.image.file, *(p.archive for p in environment.postinstalls)):
            self._check_file(file)
        return environment

    def _by_name(self, wanted: str, version: int | None) -> Environment:
        found = self.named.get(wanted)
        if found is None or version not in (None, found.version):
            name, _, user = wanted.partition("@")
            # in g5k-api's deployments_controller_spec.rb all but the name are empty
            text = f"the environment {name}:{version or ''}::{user} does not exist"
            raise launch_fault(400, f"Invalid environment specification -- {text}")
        return found

    def _fetch(self, url: str) -> str:
        try:
            return self.web.get(url, TIMEOUT).decode()
        except (OSError, ValueError) as error:
            raise _fetch_fault(f"{type(error).__name__}, {error}") from error

    def _check_file(self, file: str) -> None:
        """Check a file as Kadeploy does: fetchfile.rb, checksum."""
        parts = urlsplit(file)
        if parts.scheme == "server":
            here = self.server_root and self.server_root / parts.path.lstrip("/")
            if not here or not here.is_file():
                raise _file_fault(f"Unable to grab the file {parts.path}")
        elif parts.scheme in ("http", "https"):
            self._check_headers(file)
        else:
            kind = parts.scheme or "local"
            raise _file_fault(f"Unable to grab the file '{file}', unknown protocol {kind}")

    def _check_headers(self, url: str) -> None:
        try:
            headers = self.web.head(url, TIMEOUT)
        except urllib.error.HTTPError as error:
            text = f"Unable to get the checksum of {url} (http error #{error.code})"
            raise _file_fault(text) from error
        except OSError as error:
            raise _file_fault(f"Unable to get the checksum of {url} ({error})") from error
        wanted = {"etag": "checksum", "last-modified": "mtime", "content-length": "size"}
        for header, what in wanted.items():
            if not headers.get(header):
                # Kadeploy takes the header's first value without looking whether it is there
                reason = "undefined method `[]' for nil:NilClass"
                raise _file_fault(f"Unable to get the {what} of {url} ({reason})")


def read_description(text: str) -> Environment:
    """Read an environment description.

    Args:
        text: YAML.

    Raises:
        RefusalError: 400 with Kadeploy's text for the first mistake.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _fetch_fault(f"{type(error).__name__}, {error}") from error
    if not isinstance(data, dict):
        raise _fetch_fault("the description is not a mapping")
    try:
        return Environment.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = "/".join(str(part) for part in first["loc"])
        told = _told(first["type"], first["msg"], str(first["input"])[:60])
        text = f"Error[environment description] {told} [field: {place}]"
        raise launch_fault(400, f"Invalid environment specification -- {text}") from error


def _told(kind: str, message: str, value: str) -> str:
    """Return Kadeploy's words for a mistake (configparser.rb)."""
    if kind == "missing":
        return "The field is mandatory"
    if kind == "extra_forbidden":
        return f"Unused field {OURS}"
    if kind == "literal_error":
        return f"Invalid value '{value}': {message}"
    types = {
        "string_type": "String",
        "int_type": "Integer",
        "bool_type": "[TrueClass,FalseClass]",
    }
    if kind in types:
        return f"The field should have the type {types[kind]}"
    return f"Invalid value '{value}': {message}"


def launch_fault(status: int, text: str) -> RefusalError:
    """Return the refusal of a deployment that g5k-api could not launch."""
    return RefusalError(status, f"Cannot launch deployment: {text}")


def _fetch_fault(text: str) -> RefusalError:
    return launch_fault(500, f"Error fetching the image description file: {text}")


def _file_fault(text: str) -> RefusalError:
    return launch_fault(400, f"Invalid file -- {text}")
