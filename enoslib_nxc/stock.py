"""Making machines that keep their own system part of a deployment, beside those that boot."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from enoslib_nxc import own_system, parallel, pins, reach
from enoslib_nxc.boots import Boot, Run
from enoslib_nxc.boots.failures import failure
from enoslib_nxc.boots.stock import StockBoot
from enoslib_nxc.bring_up import accept_losses
from enoslib_nxc.errors import BootError, CommandError
from enoslib_nxc.events import Phase, step
from enoslib_nxc.model import Deployment, Identity, Machine
from enoslib_nxc.own_system import Met, Told
from enoslib_nxc.provision import Keys, play
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report


def enter(
    run: Run, boot: StockBoot, hosts: Collection[str], *, anew: Collection[str] = ()
) -> dict[str, Met]:
    """Find out how each machine is entered; nothing is changed on any.

    Args:
        run: the run.
        boot: of their flavour.
        hosts: the machines.
        anew: those that are deployed anew, where they are nodes of a deploy job.

    Returns:
        host -> what it says of itself; within `min` those that let root in.

    Raises:
        BootError: too many do not; the details name each.
    """
    with step(run.report, Phase.BOOT, "machines in their own system") as entering:
        met = boot.met(run, hosts, anew=anew)
        accept_losses(run, boot, met.failed)
        entering.message = f"{len(met.done)} are left as they are"
        known = all(run.machine(host).state == "up" for host in hosts)
        if known and not anew and not met.failed:
            entering.noop(entering.message)
    return met.done


def join(run: Run, boot: Boot, met: Mapping[str, Met], keys: Keys, known: str) -> Run:
    """Have machines know names and key of the deployment.

    What is told to a machine is on record before it is, so that all of it is taken back.

    Args:
        run: the run.
        boot: of their flavour.
        met: host -> how it is entered.
        keys: of the deployment; with `ssh.trust: nxc` they stay away.
        known: lines for known_hosts.

    Raises:
        BootError: some could not be told; the details name each.
    """
    pinned = run.settings.ssh.trust == "pin"
    told = Told(
        hosts=run.context.hosts,
        names=tuple(line.split()[1] for line in run.context.hosts.splitlines()),
        known=known.strip(),
        private=keys.private if pinned else "",
        public=keys.public if pinned else "",
    )
    run = run.having(*(_started(run.machine(host)) for host in met))

    def tell(host: str) -> Met:
        try:
            return own_system.join(run.deployment, met[host], told)
        except CommandError as error:
            raise BootError(f"{host}: {error.brief}", details=error.details) from error

    with step(run.report, Phase.PROVISION, "names and key, on machines as they are"):
        outcome = parallel.each(met, tell)
        if outcome.failed:
            raise failure("could not be set up", outcome.failed, run, boot)
    run = run.having(*(_up(run.machine(host), found) for host, found in outcome.done.items()))
    reports = {host: _report(host, found) for host, found in outcome.done.items()}
    play(run, reports, lambda run, host: reach.access(run.deployment, run.home, host))
    return run


def known_hosts(
    deployment: Deployment, home: Home, met: Mapping[str, Mapping[str, Met]]
) -> str:
    """Return lines for known_hosts: the host keys of all machines, by name and address.

    Args:
        deployment: the record.
        home: the deployment's directory; it has the pinned keys of those that we booted.
        met: flavour -> host -> what a machine that keeps its system says of itself.
    """
    address = {host: machine.address for host, machine in deployment.machines.items()}
    lines = [
        f"{host},{address[host]} {key}\n"
        for machines in met.values()
        for host, found in machines.items()
        for key in found.keys
    ]
    booted = (m.host for m in deployment.machines.values() if m.state == "up" and not m.stock)
    lines += [pins.renamed(home.known_hosts, h, f"{h},{address[h]}") for h in booted]
    return "".join(lines)


def _started(machine: Machine) -> Machine:
    return machine if machine.state == "up" else machine.model_copy(update={"state": "started"})


def _up(machine: Machine, met: Met) -> Machine:
    update = {"state": "up", "boot_id": met.boot_id, "python": met.python}
    return machine.model_copy(update=update)


def _report(host: str, met: Met) -> Report:
    identity = Identity(host=host, role="", toplevel="", digest="")
    return Report(met.boot_id, identity, hosts="", python=met.python, trusted="")
