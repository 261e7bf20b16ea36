"""Which host runs which virtual machine; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from enoslib_nxc.errors import PlatformError
from enoslib_nxc.model import Node

OVERHEAD_MIB = 64
"""Memory of a QEMU process beside its guest's."""

TRANSLATED_MIB = 128
"""Memory for translated code under TCG. QEMU's own default let a guest of 384 MiB grow to
over 700; with this bound it stays below 600, and is as fast (boot, tar and Python measured)."""


def extra_mib(accel: Literal["kvm", "tcg"]) -> int:
    """Return the MiB that a QEMU takes beside its guest's memory.

    Args:
        accel: what it runs with.
    """
    return OVERHEAD_MIB + (TRANSLATED_MIB if accel == "tcg" else 0)


@dataclass(frozen=True)
class Offer:
    """What a host has for the machines of one deployment, those that it runs included.

    Args:
        name: of the host.
        memory: MiB.
        cores: of its processors.
        extra: MiB that a machine takes there beside its own memory.
    """

    name: str
    memory: int
    cores: int
    extra: int = 0


@dataclass
class _Load:
    """What of an offer is taken."""

    offer: Offer
    memory: int = 0
    cores: int = 0

    def with_node(self, node: Node) -> _Load:
        memory = self.memory + node.memory + self.offer.extra
        return _Load(self.offer, memory, self.cores + node.cores)

    @property
    def share(self) -> float:
        """The larger one of its shares: of memory or of cores."""
        return max(self.memory / max(1, self.offer.memory), self.cores / self.offer.cores)


def place(
    nodes: Sequence[Node], offers: Sequence[Offer], kept: Mapping[str, str]
) -> dict[str, str]:
    """Give each machine a host: the one that is least loaded once it has it.

    So hosts that are alike take turns, in their order, and larger ones more often. Cores may
    be shared by machines, memory may not.

    Args:
        nodes: all hosts of the plan.
        offers: what hosts of virtual machines have.
        kept: host name -> where it is already, and stays.

    Returns:
        Host name -> name of the host that runs it, in the order of the plan.

    Raises:
        PlatformError: memory does not suffice; with the numbers of each host.
    """
    loads = {offer.name: _Load(offer) for offer in offers}
    for node in nodes:
        if node.host in kept:
            loads[kept[node.host]] = loads[kept[node.host]].with_node(node)
    places = dict(kept)
    new = [node for node in nodes if node.host not in kept]
    # what is large finds room first; otherwise in their order
    for node in sorted(new, key=lambda node: -node.memory):
        after = {name: load.with_node(node) for name, load in loads.items()}
        fitting = [name for name, load in after.items() if load.memory <= load.offer.memory]
        if not fitting:
            raise _full(node, len(nodes), loads.values())
        best = min(fitting, key=lambda name: after[name].share)
        loads[best], places[node.host] = after[best], best
    return {node.host: places[node.host] for node in nodes}


def _full(node: Node, machines: int, loads: Iterable[_Load]) -> PlatformError:
    told = [
        f"{load.offer.name}: {load.memory} of {load.offer.memory} MiB are taken, "
        f"{node.host} needs {node.memory + load.offer.extra}"
        for load in loads
    ]
    return PlatformError(
        f"not enough memory on {_hosts(len(told))} for {machines} machines: "
        f"{node.host} finds no room",
        details="\n".join(told),
        resolution="give more hosts, lower vm.memory, or give the roles fewer machines",
    )


def _hosts(number: int) -> str:
    return "1 host" if number == 1 else f"{number} hosts"
