"""Machines that run some Linux already: the built system takes its place by kexec.

Until `kexec -e` all can be tried again. After it nothing can be done from here for a
machine that does not come back: it is lost, and `min` decides.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from enoslib_nxc import context, node, parallel, reach, shell, ssh, status, survey
from enoslib_nxc.boots import Checked, Run
from enoslib_nxc.boots.serving import Serving
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import BootError, CommandError, NxcError, PlatformError
from enoslib_nxc.model import Deployment, Identity, Machine, Node, Scalar
from enoslib_nxc.platforms.hosts import reboot
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report
from enoslib_nxc.survey import Survey
from enoslib_nxc.transfer import File, Place
from enoslib_nxc.wait import Deadline

SCRIPT_SECONDS = 120.0
"""For loading the image."""

PATIENCE = 15
"""Seconds for a connection to a machine that is booting: a new one knocks again at once,
where an old one does so at growing intervals."""

PAUSE_SECONDS = 1.0
"""Between two connections."""


@dataclass(frozen=True)
class Present:
    """What a machine runs before it is booted.

    Args:
        access: how that system is reached.
        host_key: how it is verified.
        survey: its account.
        directory: where it has room for kernel and initrd.
    """

    access: Access
    host_key: HostKey
    survey: Survey
    directory: str = ""


class KexecBoot:
    """Loads the built kernel and initrd into running machines, and jumps into them."""

    def __init__(self) -> None:
        self._present: dict[str, Present] = {}
        self._serving = Serving()

    def require(self) -> None:
        """Refuse a machine without ssh."""
        shell.require("ssh", purpose="to reach the machines", package="openssh-client")

    def shape(self, settings: Settings, node: Node, machine: Machine) -> dict[str, Scalar]:
        """Return its address, and how it gets it."""
        return {"address": machine.address, "ip": _ip(settings, machine)}

    def check(self, run: Run, wanted: Mapping[str, Identity]) -> Checked:
        """Ask every machine whether it can, before anything is done to any."""
        outcome = parallel.each(wanted, lambda host: _able(run, host))
        self._present.update(outcome.done)
        places = {host: self._place(run, host) for host in outcome.done}
        lines = [_line(run, run.machine(host), wanted[host]) for host in wanted]
        self._serving.prepare(run, places, inline=all(map(context.fits, lines)))
        for host in places:
            _check_line(_line(run, run.machine(host), wanted[host], self._serving.context_url))
        seen = [
            run.machine(host).model_copy(update={"boot_id": found.survey.boot_id})
            for host, found in outcome.done.items()
        ]
        return Checked(run.having(*seen), outcome.failed)

    def start(self, run: Run, host: str, deadline: Deadline) -> None:
        """Push kernel and initrd to one machine, load them, and leave for them."""
        machine = run.machine(host)
        if machine.identity is None:
            raise BootError(f"{host} was not told what to run")
        place = self._place(run, host)
        line = _line(run, machine, machine.identity, self._serving.context_url)
        attempts = run.settings.retries.push + 1
        kernel, initrd = (
            _pushed(place, file, attempts, deadline) for file in self._serving.files
        )
        load = {
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

    def stop(self, run: Run, hosts: list[str]) -> None:
        """Send machines back to their own systems, those that answer."""
        reboot(run.deployment, run.home, hosts, run.settings.deadlines.destroy)

    def alive(self, deployment: Deployment, home: Home) -> set[str]:
        """Return the hosts that are up, or have left their old system."""
        machines = deployment.machines.values()
        started = [machine.host for machine in machines if machine.state == "started"]

        def left(host: str) -> bool:
            return not _remains(deployment, home, host)

        gone = parallel.each(started, left).done
        return {m.host for m in machines if m.state == "up"} | {h for h in gone if gone[h]}

    def arrive(self, run: Run, access: Access, deadline: Deadline) -> Report:
        """Wait until a machine answers from another boot, and pin the key that it shows."""
        still = ""
        while not deadline.passed:
            try:
                return _greeting(run, access, deadline)
            except _SomeoneElseError:
                still = _remains(run.deployment, run.home, access.name)
            except CommandError:
                still = ""
            if "failed with status" in still:
                raise BootError(f"{access.name} still runs its old system", details=still)
            time.sleep(min(PAUSE_SECONDS, deadline.remaining()))
        seconds = f"within {deadline.seconds:g} s"
        if still:
            raise BootError(f"{access.name} still ran its old system {seconds}")
        raise BootError(
            f"{access.name} did not come back from kexec {seconds}",
            resolution="look at its console, or reset it by its own means",
        )

    def log(self, run: Run, host: str) -> str:
        """Return "": its console is not ours to read."""
        return ""

    def close(self) -> None:
        """End what served the machines while they booted."""
        self._serving.close()

    def _place(self, run: Run, host: str) -> Place:
        """Return a directory of ours on the machine as it is now."""
        now = self._present[host]
        name = f"enoslib-nxc-{run.deployment.token}"
        return Place(now.access, now.host_key, f"{now.directory}/{name}")


def _pushed(place: Place, file: File, attempts: int, deadline: Deadline) -> str:
    """Have a file on a machine, and return its path there.

    Raises:
        BootError: it did not get there.
    """
    for left in reversed(range(attempts)):
        try:
            return place.ensure(file, max(1.0, deadline.remaining()))
        except CommandError as error:
            if not left or deadline.passed:
                raise BootError(
                    f"{place.name}: {file.path.name} did not get there ({error.brief}); "
                    "it still runs its old system",
                    details=error.details,
                ) from error
            time.sleep(PAUSE_SECONDS)
    raise AssertionError("attempts is 1 at least")


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
    words = [kept, _ip(run.settings, machine), run.settings.kernel_params, deploy]
    return context.command_line(identity, *words)


def _check_line(line: str) -> None:
    if not context.fits(line):
        raise PlatformError(
            f"the kernel command line has {len(line)} characters, "
            f"the limit is {context.COMMAND_LINE_LIMIT}",
            resolution="shorten kernel_params",
        )


def _able(run: Run, host: str) -> Present:
    """Find out how a machine is reached now, and refuse one that cannot boot the image."""
    found = _look(run.deployment, run.home, host)
    artifacts = run.deployment.artifacts
    files = [artifacts.store.real(path) for path in (artifacts.kernel, artifacts.initrd)]
    kernel, initrd = (file.stat().st_size for file in files)
    machine = artifacts.system.partition("-")[0]
    faults = found.survey.faults(machine=machine, kernel=kernel, initrd=initrd)
    if faults:
        raise PlatformError(f"{host}: {'; '.join(faults)}")
    room = found.survey.room((kernel + initrd) >> 10)
    return replace(found, directory=room.path if room else "")


def _look(deployment: Deployment, home: Home, host: str) -> Present:
    """Find out how a machine is reached now, and what it has."""
    failures: list[NxcError] = []
    for access, host_key in _ways(deployment, home, host):
        try:
            return Present(access, host_key, survey.ask(access, host_key))
        except CommandError as error:
            failures.append(error)
    told = shell.tail("\n".join(error.details for error in failures), 1)
    raise PlatformError(f"{host} cannot be reached by ssh: {told}")


def _ways(deployment: Deployment, home: Home, host: str) -> list[tuple[Access, HostKey]]:
    """Return how a machine may be reached: as we booted it, if we did, and as it was given."""
    ours = [(reach.own(deployment, home, host), HostKey.PINNED)]
    given = [reach.entry(deployment.machines[host], home)]
    return [*(ours if ssh.pinned(home.known_hosts, host) else []), *given]


class _SomeoneElseError(NxcError):
    """Something answers that is not the system which we wait for."""


def _greeting(run: Run, access: Access, deadline: Deadline) -> Report:
    """Ask a machine what it runs, and pin the key that it shows.

    Only then: before, the system that it leaves may answer.

    Raises:
        CommandError: nothing answers.
        _SomeoneElseError: not the boot that we wait for answers.
    """
    shown = run.home.path / "arriving" / access.name
    shown.parent.mkdir(mode=0o700, exist_ok=True)
    shown.unlink(missing_ok=True)
    knock = replace(access, known_hosts=shown, patience=PATIENCE)
    try:
        timeout = max(1.0, min(status.STATUS_TIMEOUT, deadline.remaining()))
        report = status.ask(knock, HostKey.FIRST_CONTACT, timeout)
    except CommandError as error:
        if "Permission denied" in error.details:
            raise _SomeoneElseError("our key is refused") from error
        raise
    if report.boot_id == run.machine(access.name).boot_id:
        raise _SomeoneElseError("the same boot answers")
    ssh.pin(run.home.known_hosts, access.name, shown.read_text())
    shown.unlink()
    return report


def _remains(deployment: Deployment, home: Home, host: str) -> str:
    """Return what the system that was to be left says; "" when it does not answer."""
    for access, host_key in _ways(deployment, home, host):
        try:
            words = node.text("remains")
            knock = replace(access, patience=PATIENCE)
            told = ssh.script(knock, words, timeout=PATIENCE * 2, host_key=host_key).stdout
        except CommandError:
            continue
        if f"boot_id={deployment.machines[host].boot_id}" in told.splitlines():
            return told
    return ""
