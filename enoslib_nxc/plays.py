"""Playbooks of the user's own, run by EnOSlib's Ansible before and after machines boot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc import inventory
from enoslib_nxc.config_sections import Playbooks
from enoslib_nxc.errors import BootError, ConfigError
from enoslib_nxc.names import ROLE_VARIABLE
from enoslib_nxc.ssh import Access


@dataclass(frozen=True)
class Player:
    """A machine that a playbook runs on.

    Args:
        access: how it is reached.
        groups: its groups in the inventory: role and tags.
        boot_id: that of the system that is reached.
        python: path of its Python, "" for Ansible to find it.
        role: the role whose system it runs, "" before it does.
    """

    access: Access
    groups: tuple[str, ...]
    boot_id: str
    python: str = ""
    role: str = ""


def check(playbooks: Playbooks) -> None:
    """Refuse playbooks that are not there, before anything is built.

    Raises:
        ConfigError: naming them.
    """
    for key, wanted in (("before", playbooks.before), ("after", playbooks.after)):
        missing = [str(file) for file in wanted if not file.is_file()]
        if missing:
            raise ConfigError(
                f"playbooks.{key}: {', '.join(missing)} does not exist"
                if len(missing) == 1
                else f"playbooks.{key}: {', '.join(missing)} do not exist",
                resolution="paths are relative to the directory that the program runs in",
            )


def play(playbooks: Sequence[Path], players: Mapping[str, Player]) -> None:
    """Run playbooks on machines, one after the other; nothing happens without machines.

    Args:
        playbooks: the files.
        players: host -> how it is reached.

    Raises:
        BootError: a playbook failed, with the hosts that it failed on.
    """
    if not (playbooks and players):
        return
    # Ansible takes a second to import, which only those who use it should wait for
    from enoslib.api import run_ansible
    from enoslib.errors import EnosFailedHostsError, EnosUnreachableHostsError
    from enoslib.objects import Host, Roles

    roles = Roles()
    for host, player in players.items():
        access = player.access
        extra = inventory.variables(access, player.boot_id)
        if player.python:
            extra["ansible_python_interpreter"] = player.python
        if player.role:
            extra[ROLE_VARIABLE] = player.role
        key = str(access.key) if access.key else None
        made = Host(access.address, alias=host, user=access.user, keyfile=key, extra=extra)
        roles.add_one(made, list(player.groups))
    for file in playbooks:
        try:
            run_ansible([str(file)], roles=roles)
        except (EnosFailedHostsError, EnosUnreachableHostsError) as error:
            hosts = sorted({str(result.host) for result in error.hosts})
            raise BootError(
                f"playbook {file} failed on {', '.join(hosts)}",
                details="\n".join(f"{result.host}: {_told(result)}" for result in error.hosts),
            ) from error


def _told(result: object) -> str:
    """Return what a failed task says, in one line of a bearable length."""
    payload = getattr(result, "payload", {})
    told = " ".join(
        str(payload[key]).strip() for key in ("msg", "stderr") if payload.get(key)
    ) or str(payload)
    task = getattr(result, "task", "")
    return " ".join(f"{task}: {told}".split())[:500]
