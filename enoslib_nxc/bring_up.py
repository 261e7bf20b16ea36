"""Making the machines run what they should: compare, boot what differs, wait, set up trust.

What runs is asked of the machines themselves, so that any earlier end (Ctrl-C, SIGKILL at
any point) is picked up from what is really there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from enoslib_nxc import multiplexing, parallel, status
from enoslib_nxc.boots import Boot, Checked, Run
from enoslib_nxc.boots.failures import failure
from enoslib_nxc.errors import BootError, NxcError
from enoslib_nxc.events import Event, Phase, Status, step
from enoslib_nxc.model import Identity, Machine
from enoslib_nxc.provision import Keys, provision, set_up
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline


@dataclass(frozen=True)
class BringUp:
    """Brings the machines of one run to what they should be.

    Args:
        boot: how machines are started.
        keys: what they trust.
        reach: gives the access to a machine; a method of the deployment's side.
        deadline: until when machines are waited for; Ctrl-C lets it pass.
    """

    boot: Boot
    keys: Keys
    reach: Callable[[Run, str], Access]
    deadline: Deadline

    def __call__(
        self, run: Run, wanted: Mapping[str, Identity], *, fresh: Iterable[str] = ()
    ) -> Run:
        """Boot what differs and wait until all machines are as wanted.

        Args:
            run: the run; its machines are acquired.
            wanted: host -> what it should run.
            fresh: hosts to boot whatever they run.

        Returns:
            The run, with every machine "up" or, within `min`, "lost".

        Raises:
            BootError: too many machines did not come up; the details name each.
            NxcError: what the preflight refused.
        """
        forced = set(fresh)
        began = time.monotonic()
        reports = self._settled(run, wanted, forced)
        self.deadline.extend(time.monotonic() - began)
        pending = [host for host in wanted if host not in reports]
        if not pending:
            with step(run.report, Phase.BOOT, "boot machines") as boot:
                boot.noop(f"all {len(wanted)} machines run what they should")
            return self._provision(run, reports, met=False)
        with step(run.report, Phase.BOOT, f"boot {_names(pending)}"):
            run, arrived, failed = self._boot(run, wanted, pending, forced)
            run = accept_losses(run, self.boot, failed)
        return self._provision(run, {**reports, **arrived}, met=bool(arrived))

    def _settled(
        self, run: Run, wanted: Mapping[str, Identity], forced: set[str]
    ) -> dict[str, Report]:
        """Return the reports of machines that already run what they should."""
        alive = self.boot.alive(run.deployment, run.home) - forced
        known = [host for host in wanted if host in alive and run.machine(host).state == "up"]

        def ask(host: str) -> Report:
            boot_id = run.machine(host).boot_id
            access = multiplexing.lasting(self.reach(run, host), run.deployment, boot_id)
            report = status.ask(access, HostKey.PINNED)
            other = status.differences(wanted[host], report.identity)
            if other:
                raise BootError(f"{host}: {'; '.join(other)}")
            return report

        outcome = parallel.each(known, ask)
        for host, error in outcome.failed.items():
            reason = f"to be started: {error.brief}"
            run.report(Event(Phase.BOOT, Status.PROGRESS, host, reason))
        return outcome.done

    def _boot(
        self, run: Run, wanted: Mapping[str, Identity], pending: list[str], forced: set[str]
    ) -> tuple[Run, dict[str, Report], dict[str, NxcError]]:
        """Start and await machines, with the retries of the configuration."""
        arrived: dict[str, Report] = {}
        failed: dict[str, NxcError] = {}
        waiting = self._under_way(run, wanted, pending, forced)
        deadline = self.deadline
        for attempt in range(run.settings.retries.boot + 1):
            start = [host for host in pending if host not in waiting or attempt]
            run, refused = self._start(run, wanted, start, deadline, failed)
            outcome = parallel.each(
                [host for host in pending if host not in refused],
                lambda host, run=run: self._await(run, wanted[host], deadline),  # type: ignore[misc]
                cancel=deadline.cancel,
            )
            arrived.update(outcome.done)
            failed = {**outcome.failed, **refused}
            run = run.having(*(_up(run.machine(h), r) for h, r in outcome.done.items()))
            pending = list(failed)
            if not pending or deadline.passed:
                break
        return run, arrived, failed

    def _under_way(
        self, run: Run, wanted: Mapping[str, Identity], pending: list[str], forced: set[str]
    ) -> set[str]:
        """Return machines that an interrupted run started rightly: they only need waiting."""
        alive = self.boot.alive(run.deployment, run.home) - forced
        return {
            host
            for host in pending
            if host in alive
            and run.machine(host).state == "started"
            and run.machine(host).identity == wanted[host]
        }

    def _start(
        self,
        run: Run,
        wanted: Mapping[str, Identity],
        hosts: list[str],
        deadline: Deadline,
        before: Mapping[str, NxcError],
    ) -> tuple[Run, dict[str, NxcError]]:
        """Start machines side by side; what is started is on record before it is.

        Of those that have failed before, that is told where they cannot even be tried again.
        The deadline is for machines under way: what is done before does not count.
        """
        if not hosts:
            return run, {}
        began = time.monotonic()
        checked = self._check(run, {h: wanted[h] for h in hosts}, tried=bool(before))
        deadline.extend(time.monotonic() - began)
        run, refused = checked.run, {h: before.get(h, e) for h, e in checked.refused.items()}
        if refused and not before and not _enough(run, set(refused)):
            raise failure("cannot be booted", refused, run, self.boot, then="")
        hosts = [host for host in hosts if host not in refused]
        run = run.having(*(_started(run.machine(host), wanted[host]) for host in hosts))

        def start(host: str) -> None:
            with step(run.report, Phase.BOOT, "start", subject=host):
                self.boot.start(run, host, deadline)

        failed = parallel.each(hosts, start, cancel=deadline.cancel).failed
        return run, {**refused, **failed}

    def _check(self, run: Run, wanted: Mapping[str, Identity], *, tried: bool) -> Checked:
        """Look whether machines can start; where they were tried before, nothing is raised."""
        try:
            return self.boot.check(run, wanted)
        except NxcError as error:
            if not tried:
                raise
            return Checked(run, dict.fromkeys(wanted, error))

    def _await(self, run: Run, wanted: Identity, deadline: Deadline) -> Report:
        """Wait until a machine answers, and is what it should be."""
        host = wanted.host
        with step(run.report, Phase.BOOT, "come up", subject=host):
            way = self.reach(run, host)
            access = multiplexing.briefly(way, run.deployment)
            report = self.boot.arrive(run, access, deadline)
            other = status.differences(wanted, report.identity)
            if other:
                raise BootError(f"{host} came up, but {'; '.join(other)}")
        report = self._set_up(run, access, report)
        later = multiplexing.lasting(way, run.deployment, report.boot_id)
        if later.control:
            multiplexing.rename(access, later)
        else:
            multiplexing.leave(access)
        return report

    def _set_up(self, run: Run, access: Access, report: Report) -> Report:
        """Set a machine up on the connection on which it was met; what fails is tried later."""
        with (
            suppress(NxcError),
            step(run.report, Phase.PROVISION, "set up", subject=report.identity.host),
        ):
            return set_up(run, access, report, self.keys)
        return report

    def _provision(self, run: Run, reports: Mapping[str, Report], *, met: bool) -> Run:
        """Set up what is up."""
        provision(run, reports, self.keys, reach=self.reach, boot=self.boot, met=met)
        return run


def _started(machine: Machine, identity: Identity) -> Machine:
    return machine.model_copy(update={"state": "started", "identity": identity, "python": ""})


def _up(machine: Machine, report: Report) -> Machine:
    return machine.model_copy(
        update={"state": "up", "boot_id": report.boot_id, "python": report.python}
    )


def _names(hosts: list[str]) -> str:
    return ", ".join(hosts) if len(hosts) <= 4 else f"{len(hosts)} machines"


def accept_losses(run: Run, boot: Boot, failed: Mapping[str, NxcError]) -> Run:
    """Go on without the machines that did not come up, as far as `min` allows.

    Args:
        run: the run.
        boot: ends what may be left of them.
        failed: host -> why.

    Returns:
        The run, with them on record as lost.

    Raises:
        BootError: it does not allow it.
    """
    if not failed:
        return run
    if not _enough(run, set(failed)):
        raise failure("did not come up", failed, run, boot)
    boot.stop(run, list(failed))
    with step(run.report, Phase.BOOT, f"go on without {_names(list(failed))}") as losses:
        losses.status = Status.FAILED
        losses.message = "; ".join(error.brief for error in failed.values())
    lost = [run.machine(host).model_copy(update={"state": "lost"}) for host in failed]
    return run.having(*lost)


def _enough(run: Run, failed: set[str]) -> bool:
    """Tell whether `min`, of the whole and of each role, is met without the failed hosts."""
    nodes = run.deployment.plan.nodes
    left = [planned for planned in nodes if planned.host not in failed]
    settings = run.settings
    bounded = settings.min is not None or any(
        r.min is not None for r in settings.roles.values()
    )
    if not bounded or len(left) < (settings.min or 1):
        return False
    for role, wish in settings.roles.items():
        planned = [one for one in nodes if one.role == role]
        if wish.min is None and settings.min is None and any(n.host in failed for n in planned):
            return False
        if len([one for one in left if one.role == role]) < (wish.min or 0):
            return False
    return True
