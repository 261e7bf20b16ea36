"""The places that one experiment is transposed to, and how a machine ends at each of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import pytest

from enoslib_nxc import docker, pins, procs, reach, ssh, state, status
from enoslib_nxc.errors import CommandError
from enoslib_nxc.g5k import jobs
from enoslib_nxc.model import Deployment, Machine
from enoslib_nxc.platforms import places
from enoslib_nxc.provider import NixOSCompose
from enoslib_nxc.state import Home
from tests.contract.live import Left
from tests.system import contained, lab, vm_hosts
from tests.system.grid import Grid

RESET_SECONDS = 120
"""For a machine to go, or to come up, with others under emulation."""


class End(Protocol):
    """Ends a machine."""

    def __call__(self, made: NixOSCompose, host: str, given: object) -> None:
        """End the machine of a host.

        Args:
            made: its provider.
            host: host name.
            given: what the place needed.
        """


@dataclass(frozen=True)
class Place:
    """Somewhere to run the experiment.

    Args:
        name: of the row, for people.
        flavour: word that the configuration is transposed by.
        end: how a machine ends there.
        agents: how many fit beside the server.
        needs: fixture without which it is not there, "" for none; it may give the composition,
            the provider of the hosts, or a list of hosts for virtual machines.
        left: what may be left of a deployment there.
        marks: pytest's.
    """

    name: str
    flavour: str
    end: End
    agents: int = 2
    needs: str = ""
    left: Left = lambda _record: []
    marks: Sequence[pytest.MarkDecorator] = (pytest.mark.full,)


def _killed_qemu(made: NixOSCompose, host: str, given: object) -> None:
    assert made.deployment
    running = procs.tagged(f"enoslib-nxc:{made.deployment.token}:{host}")
    assert running
    assert not procs.end(running, 10)


def _killed_container(made: NixOSCompose, host: str, given: object) -> None:
    assert made.deployment
    container = made.deployment.machines[host].container
    assert container
    docker.here().run("kill", container.name)


def _killed_nspawn(made: NixOSCompose, host: str, given: object) -> None:
    assert made.deployment
    for process in places.running(made.deployment)[host]:
        process.kill()
    lab.until(lambda: not made.is_created(), 10)


def _reset_lent(made: NixOSCompose, host: str, given: object) -> None:
    """It runs what it was lent with."""
    machine, home = _reset(made, host)
    _until_answering(lambda: status.ask(*reach.entry(machine, home)))


def _reset_node(made: NixOSCompose, host: str, given: object) -> None:
    """It runs its site's standard environment, where the user may come in."""
    machine, _ = _reset(made, host)
    assert isinstance(given, Grid)
    assert machine.reserved
    node = machine.reserved.node
    lab.until(lambda: given.ssh(node, "true", check=False).returncode == 0, RESET_SECONDS)


def _reset_installed(made: NixOSCompose, host: str, given: object) -> None:
    """It runs our system again, from its disk."""
    _reset(made, host)
    _until_answering(lambda: lab.boot_id(made, host))


def _reset(made: NixOSCompose, host: str) -> tuple[Machine, Home]:
    """Have a machine lose its power for a moment, and return it."""
    home = state.find(made.settings.job_name)
    assert home
    assert made.deployment
    machine = made.deployment.machines[host]
    before = lab.boot_id(made, host)
    lab.on(made, host, "systemd-run --on-active=1 sh -c 'echo b > /proc/sysrq-trigger'")

    def gone() -> bool:
        with suppress(CommandError):
            # a connection made meanwhile may wait until it is back, and then succeed
            return lab.boot_id(made, host) != before
        return True

    lab.until(gone, RESET_SECONDS)
    # these make keys at each boot, where others have them on a disk
    pins.pin(home.entry_hosts, machine.reserved.node if machine.reserved else host)
    return machine, home


def _until_answering(ask: Callable[[], object]) -> None:
    def answers() -> bool:
        with suppress(CommandError):
            return bool(ask())
        return False

    lab.until(answers, RESET_SECONDS)


def lender() -> NixOSCompose:
    """Return the provider of two guests that stand for hosts of any kind."""
    wish = {"vm": {"memory": 512}, "kernel_params": "lender"}
    return lab.provider("transposed-lender", {"agent": 2}, **wish)


def _jobs(record: Deployment) -> list[str]:
    ended = ("error", "terminated")
    found = jobs.states(record.jobs).items()
    return [f"job {job.uid}: {told}" for job, told in found if told not in ended]


def _containers(record: Deployment) -> list[str]:
    return contained.left(record.token)


def _on_vm_hosts(record: Deployment) -> list[str]:
    """Ask them on the ways of the record, whose directory has gone."""
    home = Home(state.state_root() / record.job_name)
    found = []
    for host in record.part.vm_hosts:
        access, host_key = reach.vm_host(host, home)
        text = vm_hosts.what_is_left(record.token)
        told = ssh.script(access, text, timeout=30, host_key=host_key).stdout
        found += [f"{host.host}: {line}" for line in told.splitlines()]
    return found


def _on_grid(flavour: str) -> Place:
    end = _reset_installed if flavour == "g5k-image" else _reset_node
    return Place(flavour, flavour, end, 1, "shared_grid", left=_jobs)


PLACES = (
    Place("docker", "docker", _killed_container, 2, "docker_daemon", _containers, ()),
    Place(
        *("nspawn", "nspawn", _killed_nspawn),
        marks=[pytest.mark.skipif(os.getuid() != 0, reason="systemd-nspawn needs root")],
    ),
    Place("vm", "vm", _killed_qemu),
    Place("vm-ramdisk", "vm-ramdisk", _killed_qemu),
    Place("vm-paused", "vm-paused", _killed_qemu, needs="paused"),
    Place("hosts", "vm-ramdisk", _reset_lent, 1, "lent"),
    Place(
        *("vm-hosts", "vm-ramdisk", _killed_qemu),
        needs="two_vm_hosts",
        left=_on_vm_hosts,
        marks=[
            pytest.mark.full,
            pytest.mark.skipif(os.getuid() != 0, reason="its network namespaces need root"),
        ],
    ),
    *map(_on_grid, ("g5k-ramdisk", "g5k-nfs-store", "g5k-image")),
)
"""Here, in the order of the table in docs/transposition.md."""
