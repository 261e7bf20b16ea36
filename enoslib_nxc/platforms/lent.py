"""Hosts of another EnOSlib provider: how each is reached, and when they are given back."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from enoslib.infra.provider import Provider
from enoslib.objects import Host, Roles

from enoslib_nxc.errors import ConfigError, NxcError, PlatformError, told_beside
from enoslib_nxc.model import Deployment, Entry, Machine

Given: TypeAlias = Provider | Roles | Iterable[Host] | None
"""What `NixOSCompose(conf, hosts=...)` and `vm_hosts=` take."""


def hosts(given: Given, *, word: str) -> Iterator[Host]:
    """Return the hosts as given, each once; a provider is asked for its own.

    Args:
        given: as the user gave it.
        word: what the user gave it as, for errors.

    Raises:
        ConfigError: something else is among them.
    """
    if isinstance(given, Provider):
        given = given.init()[0]
    if isinstance(given, Mapping | Roles):
        # EnOSlib keeps a role's hosts in a set, and sorts them to give one by number
        given = [host for role in given for host in sorted(given[role])]
    found = list(given or ())
    wrong = [host for host in found if not isinstance(host, Host)]
    if wrong:
        raise ConfigError(
            f"{word}: {wrong[0]!r} is not a host of EnOSlib",
            resolution="give an EnOSlib provider, its Roles, or a list of its hosts",
        )
    return iter({(host.address, host.port): host for host in found}.values())


def machines(hosts: Iterable[Host], *, first_contact: bool, reboot: bool) -> Iterator[Machine]:
    """Return how each host is reached: EnOSlib's fields, and Ansible's where they win.

    Args:
        hosts: as EnOSlib has them.
        first_contact: whether the key that each shows first is taken.
        reboot: whether they are rebooted when they are given back.
    """
    for host in hosts:
        extra = host.extra
        key = extra.get("ansible_ssh_private_key_file") or host.keyfile
        yield Machine(
            host=host.alias,
            address="",
            ssh_host=str(extra.get("ansible_host") or host.address),
            ssh_port=int(extra.get("ansible_port") or host.port or 22),
            ssh_options=_way(extra),
            entry=Entry(
                user=str(extra.get("ansible_user") or host.user or "root"),
                key=Path(key).expanduser() if key else None,
                first_contact=first_contact,
                reboot=reboot,
            ),
        )


def _way(extra: Mapping[str, object]) -> tuple[str, ...]:
    """Return the ssh options of a host, its jumps (EnOSlib's `gateway`) among them.

    As in EnOSlib's inventory, `ansible_ssh_common_args` stands for all of them.
    """
    if "ansible_ssh_common_args" in extra:
        return tuple(shlex.split(str(extra["ansible_ssh_common_args"])))
    jumps = []
    for name in ("gateway", "internal_gateway"):
        if extra.get(name):
            user, port = extra.get(f"{name}_user"), extra.get(f"{name}_port")
            jumps.append(
                (f"{user}@" if user else "") + str(extra[name]) + (f":{port}" if port else "")
            )
    return ("-J", ",".join(jumps)) if jumps else ()


@contextmanager
def taken(given: Given, previous: Deployment | None) -> Iterator[bool]:
    """Have the hosts; what a provider made only for a body that fails is destroyed.

    Args:
        given: as the user gave it.
        previous: the record as it stands.

    Yields:
        Whether a provider made them at our wish, now or before.
    """
    made = isinstance(given, Provider) and not given.is_created()
    try:
        yield made or (previous is not None and any(p.ours_to_end for p in previous.parts))
    except BaseException as error:
        if made and isinstance(given, Provider):
            try:
                given.destroy()
            except Exception as second:  # whatever that provider raises
                name = type(given).__name__
                told_beside(error, second, f"hosts of {name} could not be given back")
        raise


def give_back(given: Given, deployment: Deployment) -> None:
    """Have the provider destroy what it made at our wish.

    Args:
        given: as the user gave it.
        deployment: the record.
    """
    if isinstance(given, Provider) and any(part.ours_to_end for part in deployment.parts):
        given.destroy()


def unusable(
    what: str,
    asked: Mapping[str, Machine],
    failed: Mapping[str, NxcError],
    *,
    key: str,
    known: Path,
) -> PlatformError:
    """Return one error that names all that could not be used.

    Args:
        what: they are, "machines".
        asked: name -> machine, of all that were asked.
        failed: name -> why.
        key: of the configuration, which says how their host keys are verified.
        known: file of the keys that were taken at first contact.
    """
    places = ", ".join(f"{name} ({asked[name].ssh_host})" for name in failed)
    told = ("\n".join(filter(None, [e.brief, e.details])) for e in failed.values())
    strange = [name for name in failed if "verification failed" in str(failed[name])]
    met = any(e.first_contact for name in strange if (e := asked[name].entry))
    resolution = f"reach each by ssh once; or set {key} to first-contact"
    if met:
        resolution = (
            "they show other host keys than at first contact: if they were installed anew, "
            f"remove their lines from {known}"
        )
    return PlatformError(
        f"{len(failed)} of {len(asked)} {what} cannot be used: {places}",
        details="\n".join(told),
        resolution=resolution if strange else "",
    )
