"""The compose file of a deployment, made of the one that NXC built: pure.

NXC's has a service for each role (`nix/flavours/docker/generate_docker_compose.nix` of NixOS
Compose 0.7.11); ours a service for each host, a copy of its role's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from enoslib_nxc.built import StoreMap
from enoslib_nxc.errors import ArtifactError
from enoslib_nxc.names import DIGEST_VARIABLE

Words: TypeAlias = dict[str, object]
"""A mapping of a compose file."""

DEPLOYMENT = "enoslib-nxc.deployment"
"""Label: the deployment's token."""

HOST = "enoslib-nxc.host"
"""Label of a container: its host name."""

SERVICE = "enoslib-nxc.service"
"""Label of a container: digest of the service that it was made from."""

STORE = "/nix/store"
CGROUPS = "/sys/fs/cgroup"

SHARED = "/tmp/shared"  # noqa: S108
"""Directory of the host's that NXC shares with all containers, whosever they are."""

SHARED_VOLUME = "nxc-tmp-shared"
"""The volume of the deployment that takes its place."""


class Service(BaseModel):
    """A service as NXC writes it; keys that do not matter here are handed on."""

    model_config = ConfigDict(extra="allow")

    command: list[str] = Field(min_length=1)
    environment: dict[str, str] = Field(default_factory=dict)
    volumes: list[str | Words] = Field(default_factory=list)
    ports: list[int | str | Words] = Field(default_factory=list)


class ComposeFile(BaseModel):
    """NXC's compose file."""

    model_config = ConfigDict(extra="ignore")

    services: dict[str, Service]
    volumes: dict[str, Words | None] = Field(default_factory=dict)


@dataclass(frozen=True)
class Replica:
    """One host, as a service of its own.

    Args:
        host: host name.
        role: the role whose service it is a copy of.
        container: name of its container.
        address: IPv4 address on the deployment's network.
        digest: of its identity.
        told: directory that is its /etc/nxc.
    """

    host: str
    role: str
    container: str
    address: str
    digest: str
    told: Path


@dataclass(frozen=True)
class Site:
    """What the services of a deployment share.

    Args:
        token: the deployment's.
        network: name of its network.
        image: the image, by a name that nobody else uses.
        store: where the files of store paths are.
    """

    token: str
    network: str
    image: str
    store: StoreMap


def parse(content: bytes, *, source: Path) -> ComposeFile:
    """Read the compose file that NXC built.

    Args:
        content: its text.
        source: the file, for messages.

    Raises:
        ArtifactError: it is none.
    """
    try:
        return ComposeFile.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(word) for word in first["loc"])
        raise ArtifactError(
            f"{source} is not a compose file of NXC: {where or 'its text'}",
            details=first["msg"],
            resolution="build it anew",
        ) from error


def services(made: ComposeFile, replicas: Iterable[Replica], site: Site) -> dict[str, Words]:
    """Return the services of a deployment, by host name.

    Each has a digest of itself for a label, but for the identity that its host is told.
    """
    found = {}
    for replica in replicas:
        given = made.services[replica.role]
        service = _service(given, replica, site)
        digest = hashlib.sha256(json.dumps(service, sort_keys=True).encode()).hexdigest()
        environment = {**given.environment, DIGEST_VARIABLE: replica.digest}
        labels = {DEPLOYMENT: site.token, HOST: replica.host, SERVICE: digest[:16]}
        found[replica.host] = {**service, "environment": environment, "labels": labels}
    return found


def mark(service: Words) -> str:
    """Return the digest of a service that `services` gave."""
    labels = service["labels"]
    return str(labels[SERVICE]) if isinstance(labels, dict) else ""


def text(
    made: ComposeFile, found: Mapping[str, Words], site: Site, *, legacy: bool, cgroups: int
) -> str:
    """Return the compose file of a deployment: JSON, which is YAML too.

    Args:
        made: NXC's.
        found: what `services` gave.
        site: what they share.
        legacy: whether it is for docker-compose v1.
        cgroups: version of control groups that the daemon uses.
    """
    if legacy:
        found = {host: _for_v1(service, cgroups) for host, service in found.items()}
    label = {"labels": {DEPLOYMENT: site.token}}
    volumes = {
        name: {**(given or {}), **label}
        for name, given in {**made.volumes, SHARED_VOLUME: None}.items()
    }
    tree = {
        "services": dict(found),
        "volumes": volumes,
        "networks": {"default": {"external": True, "name": site.network}},
    }
    return json.dumps(tree, indent=1)


def published(service: Service) -> list[int]:
    """Return this machine's TCP ports that a service publishes; ranges are left out."""
    found = []
    for entry in service.ports:
        if isinstance(entry, dict):
            udp, port = entry.get("protocol") == "udp", str(entry.get("published", ""))
        else:
            words, _, protocol = str(entry).partition("/")
            parts = words.split(":")
            udp, port = protocol == "udp", parts[-2] if len(parts) > 1 else ""
        if port.isdigit() and not udp:
            found.append(int(port))
    return found


def _service(given: Service, replica: Replica, site: Site) -> Words:
    told = {"type": "bind", "source": _literal(replica.told), "target": "/etc/nxc"}
    return {
        **given.model_dump(),
        "image": site.image,
        "hostname": replica.host,
        "container_name": replica.container,
        "volumes": [*(_volume(entry, site.store) for entry in given.volumes), told],
        "networks": {"default": {"ipv4_address": replica.address, "aliases": [replica.host]}},
    }


def _volume(entry: str | Words, store: StoreMap) -> str | Words:
    """Return a volume as it is on this machine."""
    if isinstance(entry, dict):
        source = str(entry.get("source", ""))
        return {**entry, "source": _literal(store.real(source))} if _stored(source) else entry
    source, _, rest = entry.partition(":")
    if source == SHARED:
        return f"{SHARED_VOLUME}:{rest}"
    if not _stored(source):
        return entry
    target, _, mode = rest.partition(":")
    real = _literal(store.real(source))
    return {"type": "bind", "source": real, "target": target, "read_only": "ro" in mode}


def _stored(source: str) -> bool:
    return source == STORE or source.startswith(f"{STORE}/")


def _literal(path: Path) -> str:
    """Return a path as a compose file's value, where $ begins a variable."""
    return str(path).replace("$", "$$")


def _for_v1(service: Words, cgroups: int) -> Words:
    """Return a service for docker-compose v1, which has no key `cgroup`.

    With control groups v2, containers then have a name space of them: systemd must not see
    the host's instead.
    """
    kept = {key: value for key, value in service.items() if key != "cgroup"}
    volumes = kept["volumes"]
    if cgroups == 2 and isinstance(volumes, list):
        kept["volumes"] = [
            entry for entry in volumes if not str(entry).startswith(f"{CGROUPS}:")
        ]
    return kept
