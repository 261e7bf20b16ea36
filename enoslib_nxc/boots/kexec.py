"""Machines that run some Linux already: the built system takes its place by kexec.

Until `kexec -e` all can be tried again. After it nothing can be done from here for a
machine that does not come back: it is lost, and `min` decides.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from enoslib_nxc import context, multiplexing, parallel, plays, shell
from enoslib_nxc.boots import Checked, Run
from enoslib_nxc.boots import deployed as deployed_first
from enoslib_nxc.boots.delivery import Delivery
from enoslib_nxc.boots.present import Present, able, remains
from enoslib_nxc.boots.returning import returned
from enoslib_nxc.boots.serving import Serving
from enoslib_nxc.boots.staged import StagedDelivery
from enoslib_nxc.config import Settings
from enoslib_nxc.data import Scalar
from enoslib_nxc.errors import (
    BootError,
    CommandError,
    NxcError,
    PlatformError,
    UnreachableError,
)
from enoslib_nxc.events import Phase, step
from enoslib_nxc.g5k import nfs_store
from enoslib_nxc.g5k.release import reboot
from enoslib_nxc.model import Deployment, Identity, Machine, Node
from enoslib_nxc.parallel import Outcomes
from enoslib_nxc.plays import Player
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report
from enoslib_nxc.transfer import Place
from enoslib_nxc.wait import Deadline

SCRIPT_SECONDS = 120.0
"""For loading the image."""


class KexecBoot:
    """Loads the built kernel and initrd into running machines, and jumps into them."""

    def __init__(self) -> None:
        self._present: dict[str, Present] = {}
        self._delivery: Delivery | None = None
        self._lost: dict[str, NxcError] = {}
        self._left: dict[str, float] = {}

    def require(self) -> None:
        """Refuse a machine without ssh."""
        shell.require("ssh", purpose="to reach the machines", package="openssh-client")

    def shape(self, settings: Settings, node: Node, machine: Machine) -> dict[str, Scalar]:
        """Return its address, how it gets it, and where its store is, if that was said."""
        shape: dict[str, Scalar] = {"address": machine.address, "ip": _ip(settings, machine)}
        store = settings.g5k.nfs_store
        return {**shape, "store": store} if machine.reserved and store else shape

    def check(self, run: Run, wanted: Mapping[str, Identity]) -> Checked:
        """Ask every machine whether it can, before anything is done to any."""
        outcome = self._able(run, wanted)
        self._present.update(outcome.done)
        places = {host: self._place(run, host) for host in outcome.done}
        lines = [_line(run, run.machine(host), wanted[host]) for host in wanted]
        reserved = any(run.machine(host).reserved for host in wanted)
        self._delivery = self._delivery or (StagedDelivery() if reserved else Serving())
        self._delivery.prepare(run, places, inline=all(map(context.fits, lines)))
        for host in places:
            _check_line(_line(run, run.machine(host), wanted[host], self._delivery.context_url))
        seen = [
            run.machine(host).model_copy(update={"boot_id": found.survey.boot_id})
            for host, found in outcome.done.items()
        ]
        run = run.having(*seen)
        self._play(run, outcome.done)
        return Checked(run, outcome.failed)

    def start(self, run: Run, host: str, deadline: Deadline) -> None:
        """Push kernel and initrd to one machine, load them, and leave for them."""
        machine = run.machine(host)
        if machine.identity is None or self._delivery is None:
            raise BootError(f"{host} was not told what to run")
        now = self._present[host]
        access = multiplexing.briefly(now.access, run.deployment)
        self._present[host] = replace(now, access=access)
        place = self._place(run, host)
        line = _line(run, machine, machine.identity, self._delivery.context_url)
        kernel, initrd = self._delivery.bring(run, host, place, deadline)
        load = {
            "ABRUPT": "yes" if machine.reserved and not machine.reserved.deploy else "no",
            "DIRECTORY": place.directory,
            "KERNEL": kernel,
            "INITRD": initrd,
            "COMMAND_LINE": line,
        }
        try:
            place.run("kexec", load, timeout=SCRIPT_SECONDS)
        except CommandError as error:
            raise BootError(
                f"{host}: kexec failed; it still runs its old system",
                details=shell.tail(error.details.partition("\n")[2]),
            ) from error
        self._left[host] = time.monotonic()
        multiplexing.leave(access)

    def stop(self, run: Run, hosts: list[str]) -> None:
        """Send machines back to their own systems, those that answer."""
        reboot(run.deployment, run.home, hosts, run.settings.deadlines.destroy)

    def alive(self, deployment: Deployment, home: Home) -> set[str]:
        """Return the hosts that are up, or have left their old system."""
        machines = deployment.machines.values()
        started = [machine.host for machine in machines if machine.state == "started"]

        def left(host: str) -> bool:
            return not remains(deployment, home, host)

        gone = parallel.each(started, left).done
        return {m.host for m in machines if m.state == "up"} | {h for h in gone if gone[h]}

    def arrive(self, run: Run, access: Access, deadline: Deadline) -> Report:
        """Wait until a machine answers from another boot, and pin the key that it shows.

        One that can be reset leaves time for that.
        """
        soon = deadline
        if deployed_first.resettable(run.machine(access.name)):
            share = deadline.seconds / (run.settings.retries.boot + 1)
            soon = Deadline(min(deadline.remaining(), share))
        try:
            return returned(run, access, deadline, soon, left=self._left.get(access.name))
        except BootError as error:
            self._lost[access.name] = error
            raise

    def log(self, run: Run, host: str) -> str:
        """Return "": its console is not ours to read."""
        return ""

    def close(self) -> None:
        """End what served the machines while they booted."""
        if self._delivery:
            self._delivery.close()

    def _able(self, run: Run, hosts: Iterable[str]) -> Outcomes[Present]:
        """Look at machines; those of a deploy job that do not answer are deployed first.

        Not those that were up, where nothing of their site answers.
        """

        def look(host: str) -> Present:
            return able(run.deployment, run.home, host)

        found = deployed_first.reached(run, hosts, look)
        for host, error in found.failed.items():
            if isinstance(error, UnreachableError):
                found.failed[host] = self._lost.get(host, error)
        return found

    def _play(self, run: Run, present: Mapping[str, Present]) -> None:
        """Run the user's playbooks in the systems that are about to be left."""
        files = run.settings.playbooks.before
        if not files:
            return
        groups = {n.host: (n.role, *n.tags) for n in run.deployment.plan.nodes}
        players = {
            host: Player(found.access, groups[host], found.survey.boot_id)
            for host, found in present.items()
        }
        with step(run.report, Phase.BOOT, "playbooks before the boot"):
            plays.play(files, players)

    def _place(self, run: Run, host: str) -> Place:
        """Return a directory of ours on the machine as it is now."""
        now = self._present[host]
        name = f"enoslib-nxc-{run.deployment.token}"
        return Place(now.access, now.host_key, f"{now.directory}/{name}")


def _ip(settings: Settings, machine: Machine) -> str:
    """Return the kernel parameter that keeps its address, "" where DHCP gives it."""
    keep = settings.kexec.keep_address
    entry = machine.entry
    if entry is None or keep == "no" or (keep == "auto" and entry.leased):
        return ""
    return entry.ip


def _line(run: Run, machine: Machine, identity: Identity, url: str = "") -> str:
    """Return the kernel's command line; the deployment JSON is in it unless it has a URL."""
    kept = machine.entry.words if machine.entry else ""
    deploy = context.by_url(url) if url else context.inline(run.context)
    words = [kept, _ip(run.settings, machine), _store(run, machine), run.settings.kernel_params]
    return context.command_line(identity, *words, deploy)


def _store(run: Run, machine: Machine) -> str:
    """Return the kernel parameter that has stage 1 mount a store, "" where it needs none."""
    if run.deployment.flavour != nfs_store.FLAVOUR or machine.reserved is None:
        return ""
    site, login = machine.reserved.site, run.deployment.login
    return f"nfs_store={nfs_store.place_of(run.settings.g5k, site, login)}"


def _check_line(line: str) -> None:
    if not context.fits(line):
        raise PlatformError(
            f"the kernel command line has {len(line)} characters, "
            f"the limit is {context.COMMAND_LINE_LIMIT}",
            resolution="shorten kernel_params",
        )
