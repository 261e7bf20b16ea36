"""How the machines of a deployment are reached from here."""

from __future__ import annotations

from dataclasses import replace

from enoslib_nxc.model import Container, Deployment, Entry, Machine
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.state import Home

VM_HOST_SECONDS = 15
"""For a connection to a host of virtual machines, which runs already."""


def access(deployment: Deployment, home: Home, host: str) -> Access:
    """Return how a user's ssh reaches a machine.

    Args:
        deployment: the record.
        home: the deployment's directory.
        host: host name.
    """
    machine = deployment.machines[host]
    if machine.container:
        return _inside(host, machine.container, deployment.ssh_user)
    if machine.stock:
        return _as_it_is(machine, home)
    return Access(
        name=host,
        address=machine.ssh_host,
        port=machine.ssh_port,
        user=deployment.ssh_user,
        key=deployment.ssh_key,
        known_hosts=home.known_hosts,
        via=machine.ssh_options,
        gate=machine.hosted.name if machine.hosted else "",
    )


def _as_it_is(machine: Machine, home: Home) -> Access:
    """Return how a machine that keeps its own system is reached, once it knows our key.

    Nodes of Grid'5000 as root with the deployment's key; those of another provider as it has
    them, whatever root may do there.
    """
    given, _ = entry(machine, home)
    if machine.reserved:
        return replace(given, key=home.key)
    return given if given.user == "root" else replace(given, root_by=("sudo", "-n"))


def vm_host(host: Machine, home: Home) -> tuple[Access, HostKey]:
    """Return how a host of virtual machines is reached.

    Args:
        host: as another provider gave it.
        home: the deployment's directory.
    """
    access, host_key = entry(host, home)
    return replace(access, gate=host.host, patience=VM_HOST_SECONDS), host_key


def _inside(host: str, container: Container, user: str) -> Access:
    """Return how a container is entered: NXC's images for Docker have no ssh server."""
    docker = f"--host={container.daemon}"
    return Access(
        name=host,
        address=container.name,
        port=0,
        user=user,
        key=None,
        known_hosts=None,
        through=("docker", docker, "exec", "-i", "-u", user, container.name),
        ansible={
            "ansible_connection": "community.docker.docker",
            "ansible_docker_extra_args": docker,
        },
    )


def own(deployment: Deployment, home: Home, host: str) -> Access:
    """Return the same with the deployment's own key.

    Every machine that we booted trusts it from its boot on: so another `ssh.key` needs none.
    One that keeps its own system is reached as ever.
    """
    usual = access(deployment, home, host)
    stays = usual.through or deployment.machines[host].stock
    return usual if stays else replace(usual, key=home.key)


def entry(machine: Machine, home: Home) -> tuple[Access, HostKey]:
    """Return how the system that another provider put on a machine is reached.

    Args:
        machine: one of another provider.
        home: the deployment's directory.
    """
    before = machine.entry or Entry(user="root")
    access = Access(
        # a node's keys are its own, whichever host of ours it was before
        name=machine.reserved.node if machine.reserved else machine.host,
        address=machine.ssh_host,
        port=machine.ssh_port,
        user=before.user,
        key=before.key,
        known_hosts=home.entry_hosts if before.first_contact else None,
        via=machine.ssh_options,
    )
    return access, HostKey.FIRST_CONTACT if before.first_contact else HostKey.PINNED
