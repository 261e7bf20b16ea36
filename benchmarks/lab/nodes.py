"""Machines that run some system already, to be taken over by kexec: guests of QEMU."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import enoslib as en

from benchmarks.lab import answers, network, ours
from benchmarks.lab.answers import Door
from benchmarks.measure import MeasureError
from enoslib_nxc import procs
from enoslib_nxc.boots import accel
from enoslib_nxc.boots.here import program
from enoslib_nxc.built import Artifacts

MEMORY = 640
"""MiB: for a system in memory, and the next one beside it."""

TIMEOUT = 240.0
"""Seconds for all of them to come up."""

TRANSLATED = 64
"""MiB of translated code that QEMU keeps of an emulated guest. It lets go of all when that is
full: of what earlier systems ran, too, which slows down whatever is written to the same pages
later, or not, by seconds and by chance. With 128 MiB a floor took 18 s, or 23."""

CONSOLES = "console=tty0 console=ttyS0,115200 net.ifnames=0 panic=-1"


@dataclass(frozen=True)
class Nodes:
    """Machines that run, and what they are to run next.

    Args:
        artifacts: of which all systems are; a ramdisk.
        key: private key that root of them trusts, always.
        doors: how they are reached.
    """

    artifacts: Artifacts
    key: Path
    doors: Sequence[Door]

    @property
    def files(self) -> dict[str, Path]:
        """Kernel and initrd: name -> file."""
        real, built = self.artifacts.store.real, self.artifacts
        return {"kernel": real(built.kernel), "initrd": real(built.initrd)}

    def first(self, machines: int) -> Nodes:
        """Return some of them, with their roles among so many, and the boot_id they have."""
        wanted = zip(ours.hosts(machines).items(), self.doors, strict=False)
        doors = [replace(d, host=host, role=role, boot="") for (host, role), d in wanted]
        words = "cat /proc/sys/kernel/random/boot_id"
        return replace(
            self, doors=[replace(d, boot=answers.ask(d, self.key, words)) for d in doors]
        )

    def line(self) -> str:
        """Return the kernel's command line: each finds its role by its address."""
        key = self.key.with_suffix(".pub").read_text().strip()
        built = self.artifacts
        told = {
            "ssh_key.pub": key,
            "deployment": {d.address: {"role": d.role, "host": d.host} for d in self.doors},
            "all": {name: built.all_info[name] for name in ("kernel", "initrd")},
            "compositions_info_path": built.compositions_info_path,
            "composition": built.composition,
            "user": "root",
        }
        text = json.dumps(told, separators=(",", ":"))
        return f"{CONSOLES} deploy={base64.b64encode(text.encode()).decode()}"

    def static(self) -> en.Static:
        """Return them as EnOSlib's provider of machines that are there."""
        conf = en.StaticConf()
        for door in self.doors:
            conf.add_machine(
                roles=["lent"], address=door.address, user="root", keyfile=str(self.key)
            )
        conf.add_network(
            roles=["lent"],
            cidr="192.168.1.0/24",
            start=network.address(1),
            end=network.address(250),
            gateway=network.GATEWAY,
            dns=network.GATEWAY,
        )
        return en.Static(conf)


@contextmanager
def running(machines: int, artifacts: Artifacts, directory: Path) -> Iterator[Nodes]:
    """Start machines in this process's network (`network.own`), and wait for them.

    Args:
        machines: how many.
        artifacts: what they run; a ramdisk.
        directory: for their files.

    Raises:
        MeasureError: one did not come up.
    """
    key = directory / "key"
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)]
    subprocess.run(keygen, check=True, timeout=60)
    wanted = enumerate(ours.hosts(machines).items(), 1)
    doors = [Door(host, role, address=network.address(n)) for n, (host, role) in wanted]
    nodes = Nodes(artifacts, key, doors)
    kind = accel.choose("auto", qemu=program(), kernel=nodes.files["kernel"])
    tag = f"nxc-benchmark-node-{directory.parent.name}-"
    try:
        for number in range(1, machines + 1):
            console = directory / f"console-{number}"
            words = _command(nodes, number, kind, console, f"{tag}{number}")
            subprocess.run(words, check=True, timeout=60, stdin=subprocess.DEVNULL)
        answers.until_all(doors, key, TIMEOUT)
        yield nodes
    finally:
        if left := procs.end(procs.tagged(tag), 20):
            raise MeasureError(f"QEMU does not end: {left}")


def _command(
    nodes: Nodes, number: int, kind: accel.Accel, console: Path, name: str
) -> list[str]:
    """Return the command line of QEMU for one machine."""
    tap = f"tap,id=n0,ifname={network.card(number)},script=no,downscript=no"
    emulated = f",thread=multi,tb-size={TRANSLATED}" if kind == "tcg" else ""
    return [
        *(program(), "-name", name, "-daemonize", "-nodefaults", "-no-user-config"),
        *("-display", "none", "-machine", "q35", "-accel", kind + emulated),
        *("-cpu", "host" if kind == "kvm" else "max", "-m", str(MEMORY), "-smp", "1"),
        *("-kernel", str(nodes.files["kernel"]), "-initrd", str(nodes.files["initrd"])),
        *("-append", nodes.line(), "-serial", f"file:{console}"),
        *("-device", "virtio-rng-pci", "-netdev", tap, "-device"),
        f"virtio-net-pci,netdev=n0,mac={network.mac(number)},romfile=",
    ]
