"""Machines that keep the system which they have, and yet are part of a deployment.

They know the names of its machines and let its key in (`playbooks/stock.sh`); nothing else of
theirs is touched, and both are taken back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from enoslib_nxc import node, parallel, reach, shell, ssh
from enoslib_nxc.errors import CommandError, PlatformError, UnreachableError
from enoslib_nxc.g5k import jumped
from enoslib_nxc.model import Deployment
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.state import Home
from enoslib_nxc.wait import Deadline

TIMEOUT = 60.0
"""Seconds for the script on one machine."""


@dataclass(frozen=True)
class Met:
    """A machine's own account (the output of `playbooks/stock.sh`).

    Args:
        access: how root came in.
        host_key: how it was verified.
        boot_id: changes with each boot.
        python: path of its Python, "" when there is none.
        keys: its host keys, "TYPE KEY" each.
        fixed: files that it cannot be told by, as they cannot be written.
    """

    access: Access
    host_key: HostKey
    boot_id: str
    python: str = ""
    keys: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """What a machine gets to know of a deployment.

    Args:
        hosts: lines for `/etc/hosts`.
        names: host names.
        known: lines for known_hosts: the host keys of the other machines.
        private: the deployment's private key, text; "" where ssh is left as it is.
        public: its public half, one line.
    """

    hosts: str
    names: tuple[str, ...]
    known: str = ""
    private: str = ""
    public: str = ""


def ways(deployment: Deployment, home: Home, host: str) -> list[tuple[Access, HostKey]]:
    """Return how root may come in, the likeliest way first.

    Args:
        deployment: the record.
        home: the deployment's directory.
        host: host name.
    """
    machine = deployment.machines[host]
    given, host_key = reach.entry(machine, home)
    ours = reach.access(deployment, home, host)
    if machine.reserved is None:
        return [(ours, host_key)]
    if machine.reserved.deploy:
        return [(ours, host_key), (given, host_key)]
    user = replace(given, user=deployment.login, root_by=("sudo-g5k",))
    return [(ours, host_key), (user, host_key)]


def meet(deployment: Deployment, home: Home, host: str) -> Met:
    """Find out how root comes in, and what is there; nothing is changed.

    Raises:
        UnreachableError: root does not come in.
        PlatformError: what it would have to be told by is read-only.
    """
    told = ""
    place = deployment.machines[host].ssh_host
    for access, host_key in ways(deployment, home, host):
        try:
            met = _run(deployment, access, host_key, {"ACTION": "look"})
        except CommandError as error:
            told = error.details
            continue
        if met.fixed:
            raise PlatformError(
                f"{host} ({place}) cannot be told the names of the others: "
                f"{', '.join(met.fixed)} is read-only there",
                resolution="make it writable (on NixOS: environment.etc.hosts.mode = "
                '"0644";), or leave this machine out',
            )
        return met
    raise UnreachableError(
        f"{host} ({place}) lets no root in: {jumped.reason(told)}", details=shell.tail(told)
    )


def join(deployment: Deployment, met: Met, told: Told) -> Met:
    """Have a machine know the deployment; nothing is changed where it does.

    Args:
        deployment: the record.
        met: the machine.
        told: what it gets to know.

    Raises:
        CommandError: something of it could not be written.
    """
    values = {
        "ACTION": "join",
        "HOSTS": told.hosts,
        "NAMES": " ".join(told.names),
        "KEY": told.private.strip(),
        "PUBLIC": told.public,
        "KNOWN": told.known,
    }
    return _run(deployment, met.access, met.host_key, values)


def leave(
    deployment: Deployment, home: Home, hosts: Iterable[str], timeout: float
) -> tuple[str, ...]:
    """Have machines that keep their own system forget the deployment.

    Args:
        deployment: the record.
        home: the deployment's directory.
        hosts: which; others than such, and those that were never told, are passed over.
        timeout: seconds for all.

    Returns:
        What people should know of those where that failed, one line each.
    """
    deadline = Deadline(timeout)
    machines = deployment.machines
    theirs = [h for h in hosts if machines[h].stock and machines[h].state != "planned"]

    def send(host: str) -> None:
        told = ""
        for access, host_key in ways(deployment, home, host):
            try:
                seconds = max(1.0, min(TIMEOUT, deadline.remaining()))
                _run(deployment, access, host_key, {"ACTION": "leave"}, seconds)
                return
            except CommandError as error:
                told = error.details or error.brief
        raise PlatformError(
            f"{host} ({machines[host].ssh_host}) keeps names and key of the deployment, in "
            f"lines marked enoslib-nxc {deployment.job_name}: {jumped.reason(told)}"
        )

    failed = parallel.each(theirs, send, cancel=deadline.cancel).failed
    return tuple(error.brief for error in failed.values())


def _run(
    deployment: Deployment,
    access: Access,
    host_key: HostKey,
    values: dict[str, str],
    timeout: float = TIMEOUT,
) -> Met:
    """Run the script; its values travel in its text, not on a command line."""
    about = {"NAME": deployment.job_name, "TOKEN": deployment.token}
    text = node.assignments({**about, **values}) + node.text("stock")
    return parse(ssh.script(access, text, timeout=timeout, host_key=host_key).stdout, access)


def parse(text: str, access: Access, host_key: HostKey = HostKey.PINNED) -> Met:
    """Read the output of `playbooks/stock.sh`.

    Args:
        text: the output.
        access: how root came in.
        host_key: how the machine is verified from now on: what it showed is on record.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        key, _, value = line.partition("=")
        found[key].append(value)
    (boot_id, *_), (python, *_) = found["boot_id"] or [""], found["python"] or [""]
    if not boot_id:
        raise CommandError(f"{access.name} gave no account of itself", details=text)
    return Met(access, host_key, boot_id, python, tuple(found["key"]), tuple(found["fixed"]))
