"""A host that is reached by ssh, as a computer that runs machines under QEMU, as root."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from enoslib_nxc import ssh
from enoslib_nxc.boots import Run, console
from enoslib_nxc.boots.accel import FIRST_WORDS, TRIAL_SECONDS, Accel, trial, unusable
from enoslib_nxc.boots.computer import QEMU, SERVE, Computer
from enoslib_nxc.boots.delivery import files_of, tried
from enoslib_nxc.boots.here import QEMU_START_SECONDS
from enoslib_nxc.boots.qemu_argv import Command
from enoslib_nxc.errors import BootError, CommandError
from enoslib_nxc.files import File
from enoslib_nxc.model import Deployment, Machine
from enoslib_nxc.nix.provenance import digest
from enoslib_nxc.platforms import vm_host
from enoslib_nxc.state import Home
from enoslib_nxc.transfer import Place
from enoslib_nxc.wait import Deadline

SCRIPT_SECONDS = 60.0
"""For a host to carry out a short script, beside what that waits for."""


def there(deployment: Deployment, home: Home) -> Mapping[str, Computer]:
    """Return the host of each machine."""
    hosts = vm_host.named(deployment)
    found = {
        name: There(deployment.token, home, host, vm_host.place(host, deployment.token, home))
        for name, host in hosts.items()
    }
    machines = deployment.machines.values()
    return {m.host: found[m.hosted.name] for m in machines if m.hosted}


@dataclass(frozen=True)
class There:
    """A host of virtual machines.

    Args:
        token: the deployment's.
        home: its directory here.
        host: the host, as it was given.
        place: the deployment's directory there.
    """

    token: str
    home: Home
    host: Machine
    place: Place

    @property
    def name(self) -> str:
        """For people."""
        return self.host.host

    @property
    def qemu(self) -> str:
        """QEMU's name: its path is the host's to know, and it was there when it was asked."""
        return QEMU

    def prepare(self, run: Run) -> None:
        """Send kernel and initrd, once per content, and what serves the deployment JSON."""
        run.home.put_context(run.context.text)  # other hosts read it meanwhile
        for file in (*files_of(run), *self._served(run)):
            try:
                tried(
                    run.settings.retries.push + 1,
                    Deadline(run.settings.deadlines.boot),
                    partial(self.place.ensure, file),
                )
            except CommandError as error:
                raise BootError(
                    f"{self.name}: {file.path.name} did not get there ({error.brief})",
                    details=error.details,
                ) from error

    def files(self, run: Run) -> tuple[PurePosixPath, PurePosixPath]:
        """Return where they were sent."""
        kernel, initrd = files_of(run)
        return self._path(kernel), self._path(initrd)

    def accel(self, run: Run) -> Accel:
        """Return KVM where a trial boot works; the verdict is kept there."""
        wanted = run.settings.vm.accel
        if wanted == "tcg":
            return "tcg"
        kernel, _ = self.files(run)
        console = f"{self.place.directory}/kvm-trial"
        values = {
            "COMMAND": shlex.join(trial(QEMU, str(kernel), console)),
            "SECONDS_LEFT": f"{TRIAL_SECONDS:.0f}",
            "CONSOLE": console,
            "WORDS": FIRST_WORDS,
            "VERDICT": f"{console}.verdict",
        }
        works = self.place.run("vm-trial", values, timeout=TRIAL_SECONDS + SCRIPT_SECONDS)
        if works.strip() != "kvm" and wanted == "kvm":
            raise unusable(self.name)
        return "kvm" if works.strip() == "kvm" else "tcg"

    def available(self, hosts: Collection[str]) -> int:
        """Return what its kernel says, and what those machines have of it."""
        account = vm_host.ask(self.host, self.token, self.home)
        others = sum(mib for host, mib in account.machines.items() if host not in hosts)
        return account.memory - others

    def card(self, machine: Machine) -> str:
        """Return an interface that is plugged into the network once QEMU has made it."""
        name = vm_host.card(self.token, machine)
        return f"tap,id=n1,ifname={name},script=no,downscript=no"

    def answer(self, run: Run) -> tuple[str, ...]:
        """Return what serves the deployment JSON there."""
        return ("sh", *(str(self._path(file)) for file in self._served(run)))

    def console(self, host: str) -> PurePosixPath:
        """Return a file of the deployment's directory there."""
        return PurePosixPath(self.place.directory, "console", f"{host}.log")

    def read(self, host: str) -> str:
        """Return the end of that file."""
        words = ["tail", "-c", str(console.TAIL_BYTES), str(self.console(host))]
        text = f"{shlex.join(words)} 2> /dev/null || :\n"
        assert self.place.access  # noqa: S101 (it is another computer)
        result = ssh.script(
            self.place.access, text, timeout=SCRIPT_SECONDS, host_key=self.place.host_key
        )
        return result.stdout.replace("\r", "")

    def running(self) -> set[str]:
        """Return the hosts whose QEMU is in its process table."""
        return set(vm_host.ask(self.host, self.token, self.home).machines)

    def start(self, command: Command, machine: Machine) -> None:
        """Start QEMU, which detaches, and plug its card."""
        values = {
            "COMMAND": shlex.join(command.argv(self.qemu)),
            "CONSOLE": str(self.console(machine.host)),
            "CARD": vm_host.card(self.token, machine),
            "NAMESPACE": vm_host.namespace(self.token),
            "MTU": str(command.mtu),
        }
        self.place.run("vm-start", values, timeout=QEMU_START_SECONDS + SCRIPT_SECONDS)

    def end(self, hosts: Collection[str], timeout: float) -> None:
        """End QEMU processes; where nothing answers, none is there as far as is known."""
        with suppress(CommandError):
            vm_host.end(self.place, self.token, list(hosts), timeout)

    def _served(self, run: Run) -> tuple[File, File]:
        """Return the program that answers, and what it answers with."""
        context = run.home.node_context
        return File(SERVE, digest(SERVE), ""), File(context, digest(context), "")

    def _path(self, file: File) -> PurePosixPath:
        return PurePosixPath(self.place.target(file))
