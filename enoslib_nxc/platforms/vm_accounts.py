"""What the hosts of virtual machines have, asked of all, and which of them can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from enoslib_nxc import parallel
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import NxcError, PlatformError
from enoslib_nxc.events import Event, Phase, Reporter, Status
from enoslib_nxc.model import Deployment, Machine
from enoslib_nxc.platforms import lent, vm_host
from enoslib_nxc.platforms.placement import Offer, extra_mib
from enoslib_nxc.platforms.vm_host import Account
from enoslib_nxc.state import Home


def accounts(
    settings: Settings,
    home: Home,
    offered: Mapping[str, Machine],
    previous: Deployment | None,
    report: Reporter,
) -> dict[str, Account]:
    """Ask all hosts what they have.

    Args:
        settings: the configuration.
        home: the deployment's directory.
        offered: the hosts, by name.
        previous: the record as it stands.
        report: where events go.

    Returns:
        Name -> account, of those that answer.

    Raises:
        PlatformError: some do not answer, and `min` does not allow for that; or some cannot
            run virtual machines.
    """
    token = previous.token if previous else ""
    asked = parallel.each(offered, lambda name: vm_host.ask(offered[name], token, home))
    if asked.failed:
        known = home.entry_hosts
        error = lent.unusable(
            "VM hosts", offered, asked.failed, key="vm.host_keys", known=known
        )
        on = {name: machines_on(previous, name) for name in asked.failed}
        lost = [f"{host} on {name}" for name in on for host in on[name]]
        if not (asked.done and _bounded(settings)):
            raise _with_machines(error, lost)
        text = f"{error.brief}; others take what was there: {', '.join(lost) or 'nothing'}"
        report(Event(Phase.ACQUIRE, Status.PROGRESS, "", text))
    faults = {name: "; ".join(found.faults()) for name, found in asked.done.items()}
    wrong = [f"{name}: {fault}" for name, fault in faults.items() if fault]
    places = Counter(found.address for found in asked.done.values() if found.address)
    wrong += [
        f"{name}: another host has its address too, {found.address}"
        for name, found in asked.done.items()
        if places[found.address] > 1
    ]
    if wrong:
        raise PlatformError(
            f"{len(wrong)} of {len(offered)} VM hosts cannot run virtual machines",
            details="\n".join(wrong),
            resolution="mend them, or leave them out",
        )
    return asked.done


def _with_machines(error: PlatformError, lost: list[str]) -> PlatformError:
    """Return an error about hosts, with the machines that they had."""
    if not lost:
        return error
    return PlatformError(
        f"{error.brief}; machines that were there: {', '.join(lost)}",
        details=error.details,
        resolution=error.resolution
        or "bring them back; or leave them out, or give min: then others take their machines",
    )


def _bounded(settings: Settings) -> bool:
    """Tell whether the configuration allows for machines that are lost."""
    return settings.min is not None or any(r.min is not None for r in settings.roles.values())


def machines_on(deployment: Deployment | None, name: str) -> list[str]:
    """Return the machines that a host has, by the record.

    Args:
        deployment: the record; None where there is none.
        name: of the host.
    """
    machines = deployment.machines.values() if deployment else ()
    return [m.host for m in machines if m.hosted and m.hosted.name == name]


def told(error: NxcError) -> str:
    """Return what an error says, but for what to do."""
    return "\n".join(filter(None, [error.brief, error.details]))


def offer(settings: Settings, name: str, account: Account) -> Offer:
    """Return what a host has for machines.

    Args:
        settings: the configuration.
        name: of the host.
        account: its own.
    """
    # whether KVM works is found by trying, once there is a kernel: then it is asked again
    kvm = settings.vm.accel != "tcg" and account.kvm
    return Offer(name, account.memory, account.cores, extra_mib("kvm" if kvm else "tcg"))
