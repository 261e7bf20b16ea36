"""What the tests of flavour docker share: a provider, and what Docker says of it."""

from __future__ import annotations

import socket
from pathlib import Path

from enoslib_nxc import docker
from enoslib_nxc.provider import NixOSCompose
from tests.system import lab

QUICK = {"deadlines": {"boot": 120, "destroy": 60}, "retries": {"boot": 0}}


def provider(job: str, composition: Path, roles: object, **more: object) -> NixOSCompose:
    """Return a provider of containers."""
    wish = {"flavour": "docker", "composition": str(composition), **QUICK, **more}
    return lab.provider(job, roles, **wish)


def left(token: str) -> list[str]:
    """Return what Docker still has of a deployment."""
    here = docker.here()
    kinds = (("ps", "--all"), ("network ls",), ("volume ls",))
    return [one for kind, *more in kinds for one in here.listed(kind, token, *more)]


def started(made: NixOSCompose) -> dict[str, tuple[str, str]]:
    """Return Docker's own view of when each container began."""
    assert made.deployment
    found = docker.here().containers(made.deployment.token)
    return {one.host: (one.id, one.started) for one in found if one.running}


def anew(before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]]) -> set[str]:
    """Return the hosts whose container is another one, or was started again."""
    return {host for host in after if after[host] != before.get(host)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def publish(composition: Path, role: str, port: int) -> None:
    """Let a role of a composition publish iperf3's port."""
    file = composition / "composition.nix"
    ports = f'dockerPorts.{role} = [ "{port}:5201" ];\n\n  testScript ='
    file.write_text(file.read_text().replace("testScript =", ports))
