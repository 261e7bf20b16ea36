"""Nodes of the rehearsed Grid'5000 that cannot take the system, or go back to their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from enoslib_nxc import state
from enoslib_nxc.errors import BootError
from enoslib_nxc.events import Event
from enoslib_nxc.g5k import jobs
from enoslib_nxc.provider import NixOSCompose
from tests.system import lab
from tests.system.grid import SITE, Grid
from tests.system.test_g5k_life import made

JOB = "refusals"

HUNGRY = r"""
kib=$(sed -n "s/^MemAvailable: *\([0-9]*\) kB/\1/p" /proc/meminfo)
mount -o remount,size=90% /dev/shm && fallocate -l $((kib - 81920))KiB /dev/shm/fill
"""
"""Leaves 80 MiB."""

FULL = """
for place in /var/tmp /tmp; do mount -t tmpfs -o size=1m tmpfs $place || exit; done
for place in /dev/shm /run; do mount -o remount,size=16m $place || exit; done
"""
"""The image has more."""

ROOMY = """
for place in /var/tmp /tmp; do umount $place || exit; done
for place in /dev/shm /run; do mount -o remount,size=50% $place || exit; done
"""


@pytest.fixture(autouse=True)
def _given_back(shared_grid: Grid) -> Iterator[None]:
    yield
    made(JOB, "g5k-ramdisk").destroy()
    shared_grid.settle()


def _node_of(provider: NixOSCompose, host: str) -> str:
    assert provider.deployment
    reserved = provider.deployment.machines[host].reserved
    assert reserved
    return reserved.node


def _at(point: str, action: Callable[[], object]) -> Callable[[Event], None]:
    """Return a reporter that does something at a point of `init()`."""

    def at(event: Event) -> None:
        if lab.point(event) == point:
            action()

    return at


def _as_root(grid: Grid, node: str, script: str) -> str:
    """Run a script on a node in its standard environment, as its user can."""
    return grid.ssh(node, f"sudo-g5k sh -c '{script}'").stdout


@pytest.mark.full
def test_nodes_without_memory_or_room_are_refused_before_any_is_left(shared_grid: Grid) -> None:
    """One's memory is taken, another's file systems are full: both are named, none is left."""
    provider = made(JOB, "g5k-ramdisk")
    boots: dict[str, str] = {}

    def spoil() -> None:
        for host, script in (
            ("agent", HUNGRY),
            ("server", FULL),
        ):
            node = _node_of(provider, host)
            _as_root(shared_grid, node, script)
            boots[node] = shared_grid.ssh(node, "cat /proc/sys/kernel/random/boot_id").stdout

    with pytest.raises(BootError) as caught:
        provider.init(reporter=_at("boot started", spoil))
    assert caught.value.brief == "2 of 2 machines cannot be booted: server, agent"
    told = dict(line.split(": ", 1) for line in caught.value.details.splitlines())
    assert "MiB of memory available, an image of " in told["agent"]
    assert "it has no room for " in told["server"]
    assert " MiB in any of /var/tmp, /tmp, /dev/shm, /run" in told["server"]
    for node, boot_id in boots.items():
        now = shared_grid.ssh(node, "cat /proc/sys/kernel/random/boot_id").stdout
        assert now == boot_id
    # the job is kept: once there is room, its nodes are booted
    assert len(jobs.find(JOB, [SITE])) == 1
    _as_root(shared_grid, _node_of(provider, "agent"), "rm /dev/shm/fill")
    _as_root(shared_grid, _node_of(provider, "server"), ROOMY)
    roles, _ = made(JOB, "g5k-ramdisk").init()
    assert len(roles.all()) == 2
    assert len(jobs.find(JOB, [SITE])) == 1


@pytest.mark.full
def test_a_node_that_comes_back_with_the_system_on_its_disk(shared_grid: Grid) -> None:
    """Reset on its way, it starts its own system, where the key is that was let in before."""
    provider = made(JOB, "g5k-ramdisk", deadlines={"boot": 240}, retries={"boot": 0})

    def reset() -> None:
        name = _node_of(provider, "agent")
        home = state.find(JOB)
        assert home
        key = home.key.with_name(f"{home.key.name}.pub").read_text().strip()
        node = shared_grid.rehearsal.api.sites[SITE].nodes[name]
        rehearsal = shared_grid.rehearsal
        rehearsal.guests.start(rehearsal.fleet._standard(node, key=key))

    with pytest.raises(BootError) as caught:
        provider.init(reporter=_at("boot done agent start", reset))
    assert caught.value.brief == "1 of 2 machines did not come up: agent"
    assert caught.value.details == "agent came back with the system on its disk"
    # nothing was lost by that: the next init() boots it, and leaves the other alone
    before = lab.boot_id(provider, "server")
    again = made(JOB, "g5k-ramdisk")
    roles, _ = again.init()
    assert len(roles.all()) == 2
    assert lab.boot_id(again, "server") == before
