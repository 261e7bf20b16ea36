"""Many hosts on one computer, as far as orchestration can tell: network, ssh, kexec, boot.

Each host is a network namespace with a link to a switch, processes, files and a name of its
own, and a real OpenSSH server. Its `kexec` ends it; some seconds later it boots with the
command line that was loaded: another boot id, another host key, and what NXC's stage 1 makes
of the deployment JSON (`ns_boot`). While a host is down its port is closed, and says so.
"""

from __future__ import annotations

import ipaddress
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.lab import users, watched
from benchmarks.lab.ns_keeper import SOURCE
from benchmarks.lab.users import Words
from benchmarks.lab.watched import Ran
from benchmarks.measure import MeasureError

NETWORK = ipaddress.IPv4Network("10.77.0.0/16")
"""Nobody else has it: it is known inside the lab's namespaces only."""

SOURCE_ADDRESS = "10.77.0.1"
"""Of the measured programs."""

DOWN_SECONDS = 5.0
"""From `kexec -e` to the ssh server of the next system."""

NO_NAMES = 'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"'
"""No server for names can be reached: none is asked then, and nobody waits for an answer."""

SETUP_SECONDS = 120.0
"""For the lab to be made, and for all hosts to be reset."""


@dataclass
class Lab:
    """Hosts, from enter to exit of `lab`.

    Args:
        directory: of its own; the hosts have it too, as a home by NFS.
        addresses: of the hosts.
        keeper: the process that keeps them.
    """

    directory: Path
    addresses: Sequence[str]
    keeper: subprocess.Popen[str]

    @property
    def key(self) -> Path:
        """The private key that opens the hosts' own systems."""
        return self.directory / "user"

    @property
    def ssh_options(self) -> list[str]:
        """Options by which ssh reaches the hosts' own systems, and no configuration else."""
        return [
            *["-F", "none", "-o", f"UserKnownHostsFile={self.directory}/known_hosts"],
            *["-o", "GlobalKnownHostsFile=/dev/null"],
        ]

    def reset(self) -> None:
        """Have all hosts run their own systems, under new boot ids, and answer."""
        self.end_programs()
        assert self.keeper.stdin  # noqa: S101 (a pipe)
        self.keeper.stdin.write("reset\n")
        self.keeper.stdin.flush()
        self.answered("reset")

    def answered(self, word: str) -> None:
        """Wait for the keeper's answer.

        Args:
            word: what it is.

        Raises:
            MeasureError: it gave another one, or none in time.
        """
        assert self.keeper.stdout  # noqa: S101 (a pipe)
        ready, _, _ = select.select([self.keeper.stdout], [], [], SETUP_SECONDS)
        if not ready or self.keeper.stdout.readline().strip() != word:
            log = (self.directory / "keeper.log").read_text()[-watched.SHOWN :]
            raise MeasureError(f"the hosts of the lab did not come up: {log}")

    @property
    def _network(self) -> Path:
        """The network namespace of the measured programs."""
        return Path(f"/proc/{self.keeper.pid}/root/run/netns/{SOURCE}")

    def programs(self) -> Iterator[int]:
        """Yield the processes that run in the lab's network, and are no hosts'."""
        wanted = self._network.stat().st_ino
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "ns" / "net").stat().st_ino == wanted:
                    yield int(process.name)

    def end_programs(self) -> None:
        """End what measured programs left: connections that they share, and keep."""
        with suppress(OSError):
            for pid in self.programs():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def inside(self, argv: Sequence[str | Path]) -> Words:
        """Return the words that run a program in the lab's network.

        Args:
            argv: the program and its arguments.
        """
        none = self.directory / "resolv.conf"
        own: Words = ["unshare", "--mount", "sh", "-c", NO_NAMES, "sh", none]
        return ["nsenter", f"--net={self._network}", "--", *own, *argv]

    def seen(self, name: str, count: int) -> list[str]:
        """Return what the first hosts have of a fact, as their keeper's files say.

        Args:
            name: "boot_id", "cmdline"; "role", "host": "" unless a stage 1 wrote it.
            count: of hosts.
        """
        files = [self.directory / "hosts" / str(n) / name for n in range(1, count + 1)]
        return [file.read_text().strip() if file.exists() else "" for file in files]

    def init(
        self, configuration: Mapping[str, object], count: int, timeout: float
    ) -> dict[str, Any]:
        """Have a user call `init()` on the first hosts, in the lab's network: see `users`.

        Args:
            configuration: of the provider.
            count: of hosts.
            timeout: seconds.

        Raises:
            MeasureError: it failed.
        """
        given = [
            {
                "address": address,
                "alias": f"lent{number}",
                "user": "root",
                "port": 22,
                "keyfile": str(self.key),
                "extra": {"ansible_ssh_common_args": " ".join(self.ssh_options)},
            }
            for number, address in enumerate(self.addresses[:count], 1)
        ]
        first, last = self.addresses[0], self.addresses[-1]
        network = {"cidr": str(NETWORK), "start": first, "end": last}
        return users.init(
            self.directory / "user.json",
            configuration,
            timeout=timeout,
            hosts=given,
            network={**network, "gateway": SOURCE_ADDRESS, "dns": SOURCE_ADDRESS},
            inside=self.inside,
            others=self.programs,
        )

    def run(
        self, argv: Sequence[str | Path], *, timeout: float, cwd: Path | None = None
    ) -> Ran:
        """Run a program in the lab's network.

        Args:
            argv: the program and its arguments.
            timeout: seconds.
            cwd: directory to run it in.

        Raises:
            MeasureError: it failed.
        """
        return watched.run(self.inside(argv), timeout=timeout, cwd=cwd)


@contextmanager
def lab(
    directory: Path, count: int, *, rate: str = "", seconds: float = DOWN_SECONDS
) -> Iterator[Lab]:
    """Have hosts; nothing of them is left afterwards, however this process ends.

    Args:
        directory: it is made; whatever is in it is the lab's.
        count: of hosts.
        rate: what each link carries, each way, as tc(8) has it; "" for no limit. The source
            has such a link too.
        seconds: that a host is down.

    Raises:
        MeasureError: this computer cannot have such hosts.
    """
    if os.geteuid():
        raise MeasureError("only root makes network namespaces")
    directory.mkdir(mode=0o755)
    (directory / "resolv.conf").write_text("# no server\n")
    key: Words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab"]
    watched.run([*key, "-f", directory / "user"], timeout=30)
    own = ["unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
    addresses = [str(NETWORK.network_address + 256 + n) for n in range(1, count + 1)]
    told = {"addresses": addresses, "source": SOURCE_ADDRESS, "rate": rate, "seconds": seconds}
    keeper = subprocess.Popen(
        [*own, sys.executable, "-m", "benchmarks.lab.ns_keeper", directory, json.dumps(told)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(directory / "keeper.log").open("w"),
        text=True,
        cwd=users.ROOT,
        start_new_session=True,
    )
    made = Lab(directory, addresses, keeper)
    try:
        made.answered("ready")
        made.reset()
        yield made
    finally:
        made.end_programs()
        keeper.kill()
        keeper.wait()
