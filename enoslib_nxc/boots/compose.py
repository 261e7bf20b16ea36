"""Containers under Docker, started by compose: flavour docker.

NXC's images for Docker hold nothing: a role's system comes by the machine's /nix/store, and
its init becomes systemd. What stage 1 writes on other flavours (/etc/nxc) is a directory of
the deployment's here.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from enoslib_nxc import compose_file, docker, shell, ssh, status
from enoslib_nxc.boots import Checked, Run, console
from enoslib_nxc.boots.images import loaded, tag_of
from enoslib_nxc.compose_file import ComposeFile, Replica, Site, Words
from enoslib_nxc.config import Settings
from enoslib_nxc.data import Scalar
from enoslib_nxc.docker import Docker, Found
from enoslib_nxc.errors import BootError, CommandError, PlatformError
from enoslib_nxc.model import Deployment, Identity, Machine, Node
from enoslib_nxc.platforms.containers import daemon, named
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline

UP_SECONDS = 120.0
"""For compose to start one container."""

LOG_LINES = "20"
"""Lines of a container's output that an error shows, as `shell.tail` does."""

PAUSE_SECONDS = 0.2
"""Between two looks at a container that is starting."""

STARTED = ("starting", "running", "degraded")
"""States of systemd (systemctl(1), is-system-running) from basic.target on: where other
flavours' machines begin to answer on ssh."""


class ComposeBoot:
    """Starts roles as containers."""

    def require(self) -> None:
        """Refuse a machine without compose."""
        docker.here().compose()

    def shape(self, settings: Settings, node: Node, machine: Machine) -> dict[str, Scalar]:
        """Return its address; the rest of its service is compared by `alive`."""
        return {"address": machine.address}

    def check(self, run: Run, wanted: Mapping[str, Identity]) -> Checked:
        """Load the image, refuse ports that are taken, write the compose file."""
        here = _daemon(run.deployment)
        made = _read(run.deployment)
        loaded(here, run.deployment.artifacts)
        _check_ports(run.deployment, made, wanted, here.containers(run.deployment.token))
        told = {m.host: m.identity for m in run.deployment.machines.values()} | dict(wanted)
        digests = {host: identity.digest for host, identity in told.items() if identity}
        found = _services(run.deployment, run.home, made, digests)
        text = compose_file.text(
            made,
            found,
            _site(run.deployment),
            legacy=docker.legacy(here.compose()[0]),
            cgroups=here.cgroups(),
        )
        _file(run.home).write_text(text)
        return Checked(run)

    def start(self, run: Run, host: str, deadline: Deadline) -> None:
        """Start one container; one that ran in its place is removed."""
        self.stop(run, [host])
        _tell(run, host)
        here = _daemon(run.deployment)
        project = ("--project-name", named(run.deployment.token), "--file", _file(run.home))
        up = ("up", "--detach", "--no-deps", host)
        try:
            shell.run([*here.compose(), *project, *up], timeout=UP_SECONDS)
        except CommandError as error:
            raise PlatformError(
                f"{host}: its container cannot be started", details=error.details
            ) from error

    def stop(self, run: Run, hosts: list[str]) -> None:
        """Remove containers."""
        here = daemon(run.deployment)
        if here and hosts:
            found = here.containers(run.deployment.token)
            here.remove([one.id for one in found if one.host in hosts])

    def alive(self, deployment: Deployment, home: Home) -> set[str]:
        """Return the hosts whose container runs, made from the service as it is now."""
        here = daemon(deployment)
        running = (
            [one for one in here.containers(deployment.token) if one.running] if here else ()
        )
        if not running:
            return set()
        services = _services(deployment, home, _read(deployment), {})
        marks = {host: compose_file.mark(service) for host, service in services.items()}
        return {one.host for one in running if marks.get(one.host) == one.service}

    def arrive(self, run: Run, access: Access, deadline: Deadline) -> Report:
        """Wait until a container's systemd is under way; one that ended is told at once."""
        while not deadline.passed:
            one = _container(run, access.name)
            if not (one and one.running):
                raise BootError(f"{access.name} did not come up: {_end(one)}")
            asked = ssh.argv(access, "systemctl", "is-system-running")
            seconds = max(1.0, min(status.STATUS_TIMEOUT, deadline.remaining()))
            if shell.run(asked, timeout=seconds, check=False).stdout.strip() in STARTED:
                return status.ask(access, HostKey.PINNED, seconds)
            time.sleep(PAUSE_SECONDS)
        raise BootError(f"{access.name}: its systemd did not start in {deadline.seconds:g} s")

    def log(self, run: Run, host: str) -> str:
        """Return the last lines that a container wrote."""
        one = _container(run, host)
        if one is None:
            return ""
        here = _daemon(run.deployment)
        written = here.run("logs", "--tail", LOG_LINES, one.id, check=False)
        text = _plain(written.stdout + written.stderr)
        return f"last lines of docker logs {one.name}:\n{text}" if text else ""

    def close(self) -> None:
        """Nothing serves."""


def _daemon(deployment: Deployment) -> Docker:
    return daemon(deployment) or docker.here()


def _file(home: Home) -> Path:
    return home.path / "docker-compose.json"


def _directory(home: Home, host: str) -> Path:
    """Return what is a container's /etc/nxc."""
    return home.path / "etc-nxc" / host


def _tell(run: Run, host: str) -> None:
    """Write what stage 1 writes on other flavours (its formats: `shared/stage-1-cmds.nix`)."""
    directory = _directory(run.home, host)
    directory.mkdir(parents=True, exist_ok=True)
    role = next(node.role for node in run.deployment.plan.nodes if node.host == host)
    files = {
        "role": role,
        "hostname": host,
        "ip_addr": run.machine(host).address,
        "deployment-hosts": run.context.hosts,
        "deployment.json": run.context.text,
    }
    for name, text in files.items():
        (directory / name).unlink(missing_ok=True)  # it may be root's, from the container
        (directory / name).write_text(f"{text}\n")


def _read(deployment: Deployment) -> ComposeFile:
    artifacts = deployment.artifacts
    file = artifacts.store.real(artifacts.compose_file)
    return compose_file.parse(file.read_bytes(), source=file)


def _site(deployment: Deployment) -> Site:
    return Site(
        token=deployment.token,
        network=named(deployment.token),
        image=tag_of(deployment.artifacts),
        store=deployment.artifacts.store,
    )


def _services(
    deployment: Deployment, home: Home, made: ComposeFile, digests: Mapping[str, str]
) -> dict[str, Words]:
    """Return the services of the hosts that have a machine."""
    machines = deployment.machines
    replicas = [
        Replica(
            host=node.host,
            role=node.role,
            container=container.name,
            address=machines[node.host].address,
            digest=digests.get(node.host, ""),
            told=_directory(home, node.host),
        )
        for node in deployment.plan.nodes
        if node.host in machines and (container := machines[node.host].container)
    ]
    return compose_file.services(made, replicas, _site(deployment))


def _check_ports(
    deployment: Deployment, made: ComposeFile, wanted: Iterable[str], running: list[Found]
) -> None:
    """Refuse ports of this machine that two hosts want, or that something else has."""
    wants = {
        node.host: compose_file.published(made.services[node.role])
        for node in deployment.plan.nodes
    }
    owners: dict[int, str] = {}
    for host, ports in wants.items():
        for port in ports:
            other = owners.setdefault(port, host)
            if other != host:
                raise PlatformError(
                    f"dockerPorts: port {port} of this machine is for both {other} and {host}",
                    resolution="a role that publishes ports can have one host; others reach "
                    "its hosts by their names without publishing anything",
                )
    ours = {port for one in running if one.running for port in wants.get(one.host, [])}
    for host in wanted:
        for port in sorted(set(wants.get(host, [])) - ours):
            _require_free(port, host)


def _require_free(port: int, host: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise PlatformError(
                f"dockerPorts: port {port} of this machine, for {host}, cannot be had: "
                f"{error.strerror}",
                resolution="end what listens there, or give the role another port",
            ) from error


def _container(run: Run, host: str) -> Found | None:
    found = _daemon(run.deployment).containers(run.deployment.token)
    return next((one for one in found if one.host == host), None)


def _end(one: Found | None) -> str:
    if one is None:
        return "its container is gone"
    reason = f" ({one.trouble})" if one.trouble else ""
    return f"its container ended with status {one.exit_code}{reason}"


def _plain(text: str) -> str:
    """Return a text for a terminal without what is not text."""
    return shell.tail(console.plain(text).replace("\r", ""))
