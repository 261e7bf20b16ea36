"""Setting up machines that are up: trust, host names, the user's own playbooks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from enoslib_nxc import multiplexing, node, parallel, plays, ssh
from enoslib_nxc.boots import Boot, Run
from enoslib_nxc.boots.failures import failure
from enoslib_nxc.events import Phase, step
from enoslib_nxc.plays import Player
from enoslib_nxc.ssh import Access
from enoslib_nxc.status import Report

SETUP_TIMEOUT = 60.0
"""Seconds for one of the node scripts."""


@dataclass(frozen=True)
class Keys:
    """The keys of a deployment.

    Args:
        authorized: public keys that may log in as root.
        private: the deployment's private key, text; machines reach each other with it.
        public: its public half, one line.
    """

    authorized: tuple[str, ...]
    private: str
    public: str

    @property
    def digest(self) -> str:
        """Changes when the keys on the machines have to."""
        text = "\n".join([*self.authorized, self.public])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def provision(
    run: Run,
    reports: Mapping[str, Report],
    keys: Keys,
    *,
    reach: Callable[[Run, str], Access],
    boot: Boot,
    met: bool = False,
) -> None:
    """Bring trust and host names of every machine up to date, without a boot.

    Args:
        run: the run.
        reports: host -> what its machine says of itself.
        keys: of the deployment.
        reach: gives the access to a machine.
        boot: has what machines wrote last.
        met: whether some were set up as they arrived (`set_up`).

    Raises:
        BootError: some could not be set up; the details name each.
    """
    todo = [host for host, report in reports.items() if _lacks(run, report, keys)]
    with step(run.report, Phase.PROVISION, "trust and host names") as provisioning:
        if not (todo or met):
            provisioning.noop("trust and host names are up to date")
        failed = parallel.each(
            todo, lambda host: set_up(run, reach(run, host), reports[host], keys)
        ).failed
        if failed:
            raise failure("could not be set up", failed, run, boot)
    play(run, reports, reach)


def set_up(run: Run, access: Access, report: Report, keys: Keys) -> Report:
    """Bring trust and host names of one machine up to date.

    Args:
        run: the run.
        access: how the machine is reached.
        report: what it says of itself.
        keys: of the deployment.

    Returns:
        What it would say now.

    Raises:
        CommandError: it could not be set up.
    """
    lacks = _lacks(run, report, keys)
    if "trust" in lacks:
        _run_script(access, "trust", _trust_values(keys))
        multiplexing.forget(run.deployment, access.name)
    if "hosts" in lacks:
        values = {"HOSTS": run.context.hosts, "DEPLOYMENT": run.context.text}
        _run_script(access, "hosts", values)
    trusted = keys.digest if "trust" in lacks else report.trusted
    return replace(report, trusted=trusted, hosts=run.context.hosts_digest)


def _lacks(run: Run, report: Report, keys: Keys) -> set[str]:
    """Return which of the scripts "trust" and "hosts" a machine has need of."""
    trust = run.settings.ssh.trust == "pin" and report.trusted != keys.digest
    hosts = report.hosts != run.context.hosts_digest
    return {name for name, needed in (("trust", trust), ("hosts", hosts)) if needed}


def play(run: Run, reports: Mapping[str, Report], reach: Callable[[Run, str], Access]) -> None:
    """Run the user's playbooks on the machines that are up.

    Args:
        run: the run.
        reports: host -> what its machine says of itself.
        reach: gives the access to a machine.

    Raises:
        BootError: a playbook failed.
    """
    files = run.settings.playbooks.after
    if not files:
        return
    groups = {n.host: (n.role, *n.tags) for n in run.deployment.plan.nodes}
    ours = {host for host, machine in run.deployment.machines.items() if not machine.stock}
    players = {
        host: Player(
            reach(run, host),
            groups[host],
            report.boot_id,
            report.python,
            role=groups[host][0] if host in ours else "",
        )
        for host, report in reports.items()
    }
    with step(run.report, Phase.PROVISION, "playbooks after the boot"):
        plays.play(files, players)


def _trust_values(keys: Keys) -> dict[str, str]:
    return {
        "AUTHORIZED": "\n".join(keys.authorized),
        "PRIVATE_KEY": keys.private.strip(),
        "PUBLIC_KEY": keys.public,
        "DIGEST": keys.digest,
    }


def _run_script(access: Access, name: str, values: Mapping[str, str]) -> None:
    """Run a node script; its values travel in its text, not on a command line."""
    text = node.assignments(values) + node.text(name)
    ssh.script(access, text, timeout=SETUP_TIMEOUT)
