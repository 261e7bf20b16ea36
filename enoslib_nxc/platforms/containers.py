"""This machine as a platform for containers: a network of Docker's for each deployment."""

from __future__ import annotations

import secrets
import time
from ipaddress import IPv4Network

from enoslib_nxc import docker, routes
from enoslib_nxc import plan as plans
from enoslib_nxc.compose_file import DEPLOYMENT
from enoslib_nxc.config import Settings
from enoslib_nxc.docker import REMOVE_SECONDS, Docker
from enoslib_nxc.errors import PlatformError
from enoslib_nxc.events import Reporter
from enoslib_nxc.model import Container, Deployment, Machine, Plan
from enoslib_nxc.platforms import Grant, NoCalendar
from enoslib_nxc.state import Home

PAUSE_SECONDS = 0.5
"""Between two looks at what Docker has not removed yet."""


def named(token: str) -> str:
    """Return the name of a deployment's network, and of its project for compose."""
    return f"enoslib-nxc-{token}"


def daemon(deployment: Deployment) -> Docker | None:
    """Return the daemon that has a deployment's containers; None when it has no machines."""
    have = (m.container.daemon for m in deployment.machines.values() if m.container)
    return next(map(Docker, have), None)


class ContainerPlatform(NoCalendar):
    """Gives addresses and a network, from the Docker of this machine."""

    def check(self, settings: Settings) -> None:
        """Refuse a machine without Docker, or whose Docker is not for us."""
        docker.here().require()

    def acquire(
        self,
        settings: Settings,
        home: Home,
        plan: Plan,
        previous: Deployment | None,
        report: Reporter,
    ) -> Grant:
        """Give each host an address and the name of its container."""
        here = docker.here()
        before = daemon(previous) if previous else None
        if before and before != here:
            raise PlatformError(
                f"deployment {home.job_name} runs on docker's daemon at {before.daemon}, "
                f"not {here.daemon}",
                resolution=f"export DOCKER_HOST={before.daemon}; or destroy() it first",
            )
        network = _network(settings, previous)
        # containers on another network are all new
        held = previous.machines if previous and previous.networks == (str(network),) else {}
        new = {
            host: Machine(
                host=host,
                address=str(address),
                ssh_host=host,
                # another name each time, as others may have a deployment of this name
                container=Container(
                    name=f"{home.job_name}-{host}-{secrets.token_hex(3)}", daemon=here.daemon
                ),
            )
            for host, address in plans.addresses(plan, network).items()
        }
        machines = {host: held.get(host, machine) for host, machine in new.items()}
        return Grant(machines, (str(network),))

    def connect(self, deployment: Deployment) -> bool:
        """Make the network unless it is there, as it should be."""
        here = daemon(deployment)
        if here is None or self.connected(deployment):
            return False
        _clear(here, deployment.token, REMOVE_SECONDS, volumes=False)
        network = IPv4Network(deployment.networks[0])
        made = here.run(
            *("network", "create", "--driver", "bridge", "--subnet", str(network)),
            *("--gateway", str(network.network_address + plans.GATEWAY)),
            *("--label", f"{DEPLOYMENT}={deployment.token}", named(deployment.token)),
            check=False,
        )
        if made.returncode != 0:
            raise _no_network(network, made.stderr.strip())
        return True

    def connected(self, deployment: Deployment) -> bool:
        """Tell whether the network is there, with its addresses."""
        here = daemon(deployment)
        if here is None:
            return False
        form = "{{range .IPAM.Config}}{{.Subnet}}{{end}}"
        words = ("network", "inspect", "--format", form, named(deployment.token))
        return here.run(*words, check=False).stdout.strip() == deployment.networks[0]

    def release(self, deployment: Deployment, home: Home, timeout: float) -> tuple[str, ...]:
        """Remove the containers, the network and the volumes of a deployment.

        The image stays: it is known by its content, and other deployments may use it.
        """
        here = daemon(deployment)
        if here is not None:
            here.require()
            _clear(here, deployment.token, timeout, volumes=True)
        return ()


def _network(settings: Settings, previous: Deployment | None) -> IPv4Network:
    """Return the network that is asked for, else the one that is there, else a new one."""
    if settings.docker.network:
        return settings.docker.network
    if previous and previous.networks:
        return IPv4Network(previous.networks[0])
    return routes.free_network(routes.current(), key="docker.network")


def _clear(here: Docker, token: str, timeout: float, *, volumes: bool) -> None:
    """Remove what is labelled with a token, until there is nothing more.

    A daemon that was told to start something by a process that was killed since may still
    be about it.
    """
    end = time.monotonic() + timeout
    kinds = ("network", "volume") if volumes else ("network",)
    while True:
        here.remove(here.listed("ps", token, "--all"))
        left = {kind: here.listed(f"{kind} ls", token) for kind in kinds}
        told = [
            here.run(kind, "rm", *names, check=False).stderr.strip()
            for kind, names in left.items()
            if names
        ]
        if not (told or here.listed("ps", token, "--all")):
            return
        if time.monotonic() > end:
            raise PlatformError(
                f"docker did not remove all of {named(token)} within {timeout:g} s",
                details="\n".join(filter(None, told)),
            )
        time.sleep(PAUSE_SECONDS if any(told) else 0)


def _no_network(network: IPv4Network, told: str) -> PlatformError:
    if "overlaps" in told:
        return PlatformError(
            f"docker has another network that overlaps {network}",
            details=told,
            resolution="docker network ls shows them; set docker.network to another /24, or "
            "leave it out",
        )
    return PlatformError(f"docker could not make network {network}", details=told)
