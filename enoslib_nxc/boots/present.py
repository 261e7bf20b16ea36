"""What a machine runs before it is booted by kexec: how it is reached, and what it has."""

from __future__ import annotations

from dataclasses import dataclass, replace

from enoslib_nxc import multiplexing, node, pins, reach, shell, ssh, survey
from enoslib_nxc.boots.arrival import PATIENCE
from enoslib_nxc.errors import CommandError, PlatformError, UnreachableError
from enoslib_nxc.g5k import jumped
from enoslib_nxc.model import Deployment, Machine
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.state import Home
from enoslib_nxc.survey import Survey

LET_IN_SECONDS = 60.0
"""For a node to let us in as root."""


@dataclass(frozen=True)
class Present:
    """What a machine runs before it is booted.

    Args:
        access: how that system is reached.
        host_key: how it is verified.
        survey: its account.
        directory: where it has room for kernel and initrd.
    """

    access: Access
    host_key: HostKey
    survey: Survey
    directory: str = ""


def able(deployment: Deployment, home: Home, host: str) -> Present:
    """Find out how a machine is reached now, and refuse one that cannot boot the image.

    Raises:
        UnreachableError: it cannot be reached.
        PlatformError: it cannot boot it.
    """
    found = look(deployment, home, host)
    artifacts = deployment.artifacts
    files = [artifacts.store.real(path) for path in (artifacts.kernel, artifacts.initrd)]
    kernel, initrd = (file.stat().st_size for file in files)
    machine = artifacts.system.partition("-")[0]
    faults = found.survey.faults(machine=machine, kernel=kernel, initrd=initrd)
    if faults:
        raise PlatformError(f"{host}: {'; '.join(faults)}")
    room = found.survey.room((kernel + initrd) >> 10)
    return replace(found, directory=room.path if room else "")


def look(deployment: Deployment, home: Home, host: str) -> Present:
    """Find out how a machine is reached now, as root, and what it has.

    Raises:
        UnreachableError: it cannot be reached.
    """
    machine = deployment.machines[host]
    known = ways(deployment, home, host)
    told = ""

    def asked(way: Access, host_key: HostKey) -> Present:
        access = multiplexing.shared(way, deployment)
        told = survey.recall(way) or survey.ask(access, host_key)
        return Present(access, host_key, told)

    for access, host_key in known:
        try:
            return asked(access, host_key)
        except CommandError as error:
            told = error.details
    if machine.reserved and not machine.reserved.deploy:
        access, host_key = known[-1]
        try:
            _let_in(deployment, home, machine)
            return asked(access, host_key)
        except CommandError as error:
            told = error.details
    raise UnreachableError(
        f"{host} cannot be reached by ssh: {jumped.reason(told)}", details=shell.tail(told)
    )


def ways(deployment: Deployment, home: Home, host: str) -> list[tuple[Access, HostKey]]:
    """Return how root may come in: as we booted a machine, if we did, and as it was given."""
    machine = deployment.machines[host]
    ours = [(reach.own(deployment, home, host), HostKey.PINNED)]
    access, host_key = reach.entry(machine, home)
    given = [(access, host_key)]
    if machine.reserved:
        # we were let in with the deployment's key; a job of the user's may have theirs
        let_in = [(replace(access, key=home.key), host_key)]
        given = [*let_in, *given] if machine.reserved.deploy else let_in
    return [*(ours if pins.pinned(home.known_hosts, host) else []), *given]


def remains(deployment: Deployment, home: Home, host: str) -> str:
    """Return what the system that was to be left says; "" when it does not answer."""
    for access, host_key in ways(deployment, home, host):
        try:
            words = node.text("remains")
            knock = replace(access, patience=PATIENCE)
            told = ssh.script(knock, words, timeout=PATIENCE * 2, host_key=host_key).stdout
        except CommandError:
            continue
        if f"boot_id={deployment.machines[host].boot_id}" in told.splitlines():
            return told
    return ""


def _let_in(deployment: Deployment, home: Home, machine: Machine) -> None:
    """Have root of a node let the deployment's key in, by sudo-g5k as the job's user.

    Raises:
        CommandError: the user cannot come in, or this is no standard environment.
    """
    access, host_key = reach.entry(machine, home)
    user = replace(access, user=deployment.login)
    key = home.key.with_name(f"{home.key.name}.pub").read_text().strip()
    words = node.assignments({"KEY": key}) + node.text("root")
    ssh.script(user, words, timeout=LET_IN_SECONDS, host_key=host_key)
