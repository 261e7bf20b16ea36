"""Virtual machines of a rehearsal: QEMU processes that end with the process that made them.

Unlike the machines of a deployment, which outlive it.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from enoslib_nxc import boots, procs, shell
from enoslib_nxc.boots import accel, console
from enoslib_nxc.boots.qemu import QEMU
from enoslib_nxc.errors import BootError, CommandError, PlatformError
from enoslib_nxc.platforms.placement import TRANSLATED_MIB, extra_mib
from enoslib_nxc.wait import Deadline

READY = "\nnxc-ready "
"""What the systems of our compositions say on the console once sshd listens."""

END_SECONDS = 10.0
"""QEMU ends at once on SIGTERM; more means that the computer is very busy."""

EXTRA = extra_mib("tcg")
"""MiB that a machine takes here beside its own memory, at most."""

SERVE = Path(boots.__file__).with_name("serve_file.sh")


@dataclass(frozen=True)
class Guest:
    """A virtual machine.

    Args:
        name: its FQDN.
        kernel: file.
        initrd: file; None for none.
        append: kernel command line.
        memory: MiB.
        cores: virtual cores.
        macs: its cards on the switch.
        forwards: port of the guest -> loopback port here, through a user network card that
            leads nowhere else; without any, it has no such card.
        served: address inside the user network -> file that answers HTTP there.
        disk: file of its disk, None for none.
    """

    name: str
    kernel: Path
    initrd: Path | None
    append: str
    memory: int
    cores: int
    macs: tuple[str, ...]
    forwards: Mapping[int, int] = field(default_factory=dict)
    served: Mapping[str, Path] = field(default_factory=dict)
    disk: Path | None = None

    def argv(self, tag: str, switch: Path, log: Path, kind: accel.Accel) -> list[str]:
        """Return QEMU's command line.

        Args:
            tag: word by which the process is found again.
            switch: directory of the switch's sockets.
            log: file for the serial console.
            kind: accelerator.
        """
        cpu = "host" if kind == "kvm" else "max"
        translation = f",thread=multi,tb-size={TRANSLATED_MIB}" if kind == "tcg" else ""
        words = [
            *[QEMU, "-name", tag, "-nodefaults", "-no-user-config", "-display", "none"],
            *["-machine", "q35", "-accel", kind + translation, "-cpu", cpu],
            *["-m", str(self.memory), "-smp", str(self.cores)],
            *["-kernel", str(self.kernel), "-append", self.append],
            *["-serial", f"file:{log}", "-device", "virtio-rng-pci"],
        ]
        if self.initrd:
            words += ["-initrd", str(self.initrd)]
        if self.disk:
            words += ["-drive", f"file={self.disk},format=raw,if=virtio,cache=unsafe"]
        # PCI addresses are fixed: systems name the cards by their order
        slot = 0x10
        if self.forwards:
            words += ["-netdev", self._user_network()]
            words += ["-device", f"virtio-net-pci,netdev=user,romfile=,addr={slot:#x}"]
            slot += 1
        for number, mac in enumerate(self.macs):
            words += ["-netdev", f"vde,id=n{number},sock={switch}"]
            card = f"virtio-net-pci,netdev=n{number},mac={mac},romfile=,addr={slot + number:#x}"
            words += ["-device", card]
        return words

    def _user_network(self) -> str:
        forwards = (
            f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for there, here in self.forwards.items()
        )
        answer = ["sh", str(SERVE)]
        served = (
            f",guestfwd=tcp:{address}:80-cmd:{shlex.join([*answer, str(file)])}"
            for address, file in self.served.items()
        )
        return "user,id=user,restrict=on" + "".join([*forwards, *served])


def check_memory(nodes: Sequence[int], frontends: Sequence[int]) -> None:
    """Refuse more machines than this computer has memory for.

    Args:
        nodes: MiB of each node.
        frontends: MiB of each frontend.

    Raises:
        PlatformError: they do not fit.
    """
    needed = sum(memory + EXTRA for memory in (*nodes, *frontends))
    available = psutil.virtual_memory().available >> 20
    if needed > available:
        raise PlatformError(
            f"not enough memory: {len(nodes)} nodes and {len(frontends)} frontends need "
            f"{needed} MiB, {available} MiB are available",
            resolution="rehearse with fewer nodes, or with less memory for each",
        )


class Guests:
    """The virtual machines of one rehearsal.

    Args:
        directory: for consoles; its name is the word that all processes carry.
        switch: directory of the switch's sockets.
        lifetime: seconds after which a guest is ended, whatever happens.
        kind: accelerator.
    """

    def __init__(
        self, directory: Path, switch: Path, lifetime: float, kind: accel.Accel
    ) -> None:
        self._directory = directory
        self._switch = switch
        self._lifetime = lifetime
        self._kind = kind
        self._threads: dict[str, threading.Thread] = {}
        self._faults: dict[str, str] = {}

    def console(self, name: str) -> Path:
        """Return the console log of a guest, since it was last started."""
        return self._directory / f"console-{name}"

    def start(self, guest: Guest) -> None:
        """Start a guest, in place of the one of that name."""
        self.stop(guest.name)
        log = self.console(guest.name)
        log.unlink(missing_ok=True)
        self._faults.pop(guest.name, None)
        argv = guest.argv(self._tag(guest.name), self._switch, log, self._kind)
        thread = threading.Thread(target=self._live, args=(guest.name, argv), daemon=True)
        self._threads[guest.name] = thread
        thread.start()

    def _live(self, name: str, argv: list[str]) -> None:
        """Wait for QEMU's end: the kernel ends it with this thread, whatever ends that."""
        try:
            shell.beside(argv, timeout=self._lifetime)
        except CommandError as error:
            self._faults[name] = error.details.splitlines()[-1] if error.details else ""

    def stop(self, name: str) -> None:
        """End a guest, as pulling its plug does; nothing happens when it does not run."""
        thread = self._threads.pop(name, None)
        if thread is None:
            return
        tag = self._tag(name)
        stubborn = procs.end(
            [one for one in procs.tagged(tag) if tag in procs.words(one)], END_SECONDS
        )
        if stubborn:
            raise PlatformError(f"{name}: QEMU does not end: process {stubborn[0].pid}")
        thread.join()

    def alive(self, name: str) -> bool:
        """Tell whether a guest runs."""
        thread = self._threads.get(name)
        return thread is not None and thread.is_alive()

    def await_ready(self, name: str, deadline: Deadline) -> None:
        """Wait until the console says that a guest can be reached.

        Raises:
            BootError: it cannot come up, or the time is over.
        """
        while not deadline.passed:
            text = console.read(self.console(name))
            if READY in text:
                return
            told = console.trouble(text)
            if told or not self.alive(name):
                reason = told or f"QEMU ended: {self._faults.get(name, '')}"
                raise BootError(f"{name} did not come up: {reason}", details=self.tail(name))
            threading.Event().wait(LOOK_SECONDS)
        raise BootError(
            f"{name} did not come up within {deadline.seconds:g} s", details=self.tail(name)
        )

    def tail(self, name: str) -> str:
        """Return the last lines of a guest's console."""
        return console.tail(self.console(name))

    def _tag(self, name: str) -> str:
        return f"{self._directory.name}:{name}"


LOOK_SECONDS = 0.2
"""Between two looks at a console."""
