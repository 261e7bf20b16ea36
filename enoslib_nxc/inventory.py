"""What Ansible, and so EnOSlib, is told of how a machine is reached."""

from __future__ import annotations

import shlex

from enoslib_nxc import ssh
from enoslib_nxc.ssh import Access

RETRIES = 3
"""Attempts of Ansible's to connect where many machines share a way: it opens as many
connections as it has forks, and an ssh server drops some of those (MaxStartups)."""


def variables(access: Access, boot_id: str = "") -> dict[str, str | int | bool]:
    """Return the Ansible variables by which EnOSlib reaches a machine.

    EnOSlib sets a host's `extra` last, so these win over its own, which do not check host
    keys. Pipelining spares a copy of each module, and compression costs a loopback or a
    cluster network more than it saves.

    Args:
        access: how it is reached.
        boot_id: that of the system to be reached; a connection that Ansible shares with an
            earlier one is not used.
    """
    if access.through:
        return {
            "ansible_host": access.address,
            "ansible_pipelining": True,
            **access.ansible,
        }
    identity = ["-o", "IdentitiesOnly=yes"] if access.key else []
    shared = {"ansible_control_path": f"%(directory)s/%%r-{boot_id[:13]}"} if boot_id else {}
    root = {"ansible_become": True} if access.root_by else {}
    retries = {"ansible_ssh_retries": RETRIES} if access.gate else {}
    return {
        **shared,
        **root,
        **retries,
        "ansible_host": access.address,
        "ansible_port": access.port,
        "ansible_ssh_common_args": shlex.join([*ssh.options(access), *identity]),
        "ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=60s",
        "ansible_pipelining": True,
    }
