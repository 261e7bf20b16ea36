"""What a machine says of itself over ssh, and whether that is what it should run."""

from __future__ import annotations

from dataclasses import dataclass

from enoslib_nxc import node, ssh
from enoslib_nxc.errors import CommandError
from enoslib_nxc.model import Identity
from enoslib_nxc.ssh import Access, HostKey

STATUS_TIMEOUT = 45.0
"""Seconds for one question to a machine: a handshake under emulation takes a few at worst."""


@dataclass(frozen=True)
class Report:
    """A machine's own account (the output of `playbooks/status.sh`).

    Args:
        boot_id: changes with each boot, of a container with each start.
        identity: what it runs; its digest is "" where it was not booted by us.
        hosts: sha256 of its `/etc/nxc/deployment-hosts`, "" when absent.
        python: path of its Python, "" when there is none.
        trusted: digest of the trust that was set up since its boot, "" when it was not.
    """

    boot_id: str
    identity: Identity
    hosts: str
    python: str
    trusted: str


def parse(text: str) -> Report:
    """Read the output of `playbooks/status.sh`."""
    lines = (line.partition("=") for line in text.splitlines())
    values = {key: value for key, _, value in lines}
    return Report(
        boot_id=values.get("boot_id", ""),
        identity=Identity(
            host=values.get("host", ""),
            role=values.get("role", ""),
            toplevel=values.get("toplevel", ""),
            digest=values.get("digest", ""),
        ),
        hosts=values.get("hosts", ""),
        python=values.get("python", ""),
        trusted=values.get("trusted", ""),
    )


def ask(access: Access, host_key: HostKey, timeout: float = STATUS_TIMEOUT) -> Report:
    """Ask a machine what it runs.

    Args:
        access: how it is reached.
        host_key: whether its key must be known already.
        timeout: seconds.

    Raises:
        CommandError: it did not answer, or refused.
    """
    result = ssh.script(access, node.text("status"), timeout=timeout, host_key=host_key)
    report = parse(result.stdout)
    if not report.boot_id:
        raise CommandError(f"{access.name} gave no account of itself", details=result.stdout)
    return report


def differences(expected: Identity, found: Identity) -> list[str]:
    """Say in which parts a machine is not what it should be; empty when it is."""
    parts = {
        "host name": (expected.host, found.host),
        "role": (expected.role, found.role),
        "system": (expected.toplevel, found.toplevel),
        "parameters": (expected.digest, found.digest),
    }
    return [
        f"{name} is {have or 'not set'}, not {want}"
        for name, (want, have) in parts.items()
        if want != have
    ]
