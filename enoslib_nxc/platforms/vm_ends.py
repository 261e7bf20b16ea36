"""Ending what a deployment has on hosts of virtual machines: all of it, or what is unused."""

from __future__ import annotations

from collections.abc import Mapping

from enoslib_nxc import parallel
from enoslib_nxc.errors import NxcError, PlatformError
from enoslib_nxc.model import Deployment, Machine
from enoslib_nxc.platforms import Grant, vm_accounts, vm_host
from enoslib_nxc.platforms.vm_host import Account
from enoslib_nxc.state import Home

CLEAR_SECONDS = 60.0
"""For a host that is not in use any more to end what it has."""


def all_of(deployment: Deployment, home: Home, timeout: float) -> None:
    """End all of a deployment on every host that has something of it, side by side.

    Args:
        deployment: the record.
        home: its directory.
        timeout: seconds for each.

    Raises:
        PlatformError: naming the hosts where it could not be ended; elsewhere it was.
    """
    failed = _cleared(vm_host.named(deployment), deployment.token, home, timeout)
    if not failed:
        return
    on = {name: vm_accounts.machines_on(deployment, name) for name in failed}
    named = ", ".join(f"{name} ({' '.join(on[name]) or 'no machines'})" for name in failed)
    raise PlatformError(
        f"what runs of deployment {deployment.job_name} could not be ended on {named}",
        details="\n".join(vm_accounts.told(error) for error in failed.values()),
        resolution="all else has ended; destroy() it again when these hosts answer, "
        f"or remove {home.path} if they never will",
    )


def of_earlier(
    home: Home,
    previous: Deployment | None,
    grant: Grant,
    accounts: Mapping[str, Account],
) -> tuple[Machine, ...]:
    """End what an earlier `init()` started, and this one has no use for.

    Machines that now are elsewhere, or nowhere, end: a host that was given up may be back with
    them. A host without machines is cleared.

    Args:
        home: the deployment's directory.
        previous: the record as it stood.
        grant: what there will be.
        accounts: what hosts have, of those that answer.

    Returns:
        Hosts that do not answer, and so may still have something: to be kept on record.

    Raises:
        PlatformError: machines that are elsewhere now do not end.
    """
    if previous is None:
        return ()
    token = previous.token
    used = {host.host: host for host in grant.vm_hosts}
    seats = {host: m.hosted.name for host, m in grant.machines.items() if m.hosted}
    strays = {
        name: [host for host in accounts[name].machines if seats.get(host) != name]
        for name in used
    }

    def end(name: str) -> None:
        place = vm_host.place(used[name], token, home)
        vm_host.end(place, token, strays[name], CLEAR_SECONDS)

    stubborn = parallel.each([name for name in used if strays[name]], end).failed
    for error in stubborn.values():
        raise PlatformError(error.brief, details=error.details)
    left = {n: host for n, host in vm_host.named(previous).items() if n not in used}
    return tuple(left[name] for name in _cleared(left, token, home, CLEAR_SECONDS))


def _cleared(
    hosts: Mapping[str, Machine], token: str, home: Home, timeout: float
) -> dict[str, NxcError]:
    """Clear hosts; return those that were not, with the reason."""

    def clear(name: str) -> None:
        vm_host.clear(vm_host.place(hosts[name], token, home), token, timeout)

    return parallel.each(hosts, clear).failed
