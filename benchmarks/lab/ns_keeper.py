"""The process that keeps the hosts of a lab: it gives them a network, and boots them.

It is the first process of its own process ids, and the only one that its network namespace,
the hosts' switch, needs: with it all of them end, and nothing is left. It takes commands, one
a line, on standard input, and answers each with a line.
"""

from __future__ import annotations

import heapq
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.lab import ns_boot, ns_calls
from benchmarks.lab.ns_boot import OWN_LINE, Host

TIMEOUT = 60.0
"""Seconds for one call of ip(8) or tc(8), and for all ssh servers to answer."""

SOURCE = "source"
"""Network namespace in which the measured programs run."""


class Keeper:
    """Boots hosts.

    Args:
        lab: directory of the lab.
        addresses: of the hosts, in their order.
        seconds: from the end of one system to the start of the next.
    """

    def __init__(self, lab: Path, addresses: list[str], seconds: float) -> None:
        self._seconds = seconds
        self._own_ids = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self._hosts = {
            number: Host(number, address, lab, os.open(f"/run/netns/h{number}", os.O_RDONLY))
            for number, address in enumerate(addresses, 1)
        }
        self._running: dict[int, int] = {}
        """First process -> host."""
        self._due: list[tuple[float, int, str]] = []
        """When which host boots with which command line."""

    def boot(self, number: int, line: str) -> None:
        """Start a host.

        Args:
            number: which.
            line: its kernel command line.
        """
        host = self._hosts[number]
        (host.directory / "loaded").unlink(missing_ok=True)
        ns_calls.unshare(ns_calls.NEW_PROCESSES)
        pid = os.fork()
        if not pid:
            ns_boot.become(host, line)
        ns_calls.enter(self._own_ids, ns_calls.NEW_PROCESSES)
        self._running[pid] = number

    def reset(self) -> None:
        """Have all hosts run their own systems, whatever they do now."""
        self._due.clear()
        for pid in self._running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while self._running:
            pid, _ = os.waitpid(-1, 0)
            self._running.pop(pid, None)
        for number in self._hosts:
            self.boot(number, OWN_LINE)
        end = time.monotonic() + TIMEOUT
        for host in self._hosts.values():
            _await_ssh(host.address, end)

    def tend(self) -> float:
        """See to hosts that have ended, and those that are due; return seconds until others."""
        while self._running:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            if pid in self._running:
                self._ended(self._running.pop(pid))
        while self._due and self._due[0][0] <= time.monotonic():
            _, number, line = heapq.heappop(self._due)
            self.boot(number, line)
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else TIMEOUT

    def _ended(self, number: int) -> None:
        """Boot what was loaded; a host for which nothing was stays off."""
        loaded = self._hosts[number].directory / "loaded"
        if loaded.exists():
            line = loaded.read_text().rstrip("\n")
            heapq.heappush(self._due, (time.monotonic() + self._seconds, number, line))


def connect(addresses: list[str], source: str, rate: str) -> None:
    """Make the network: this namespace is the switch.

    Args:
        addresses: of the hosts.
        source: that of the namespace `SOURCE`.
        rate: what each link carries, each way: "50mbit"; "" for no limit.
    """
    Path("/run/netns").mkdir()
    ends = {f"h{number}": address for number, address in enumerate(addresses, 1)}
    ends[SOURCE] = source
    lines = ["link set lo up", "link add br0 type bridge", "link set br0 up"]
    lines.append(f"addr add {source.rsplit('.', 1)[0]}.2/16 dev br0")
    for name in ends:
        lines.append(f"netns add {name}")
        lines.append(f"link add v{name} type veth peer name eth0 netns {name}")
        lines.append(f"link set v{name} master br0 up")
    _batch(["ip"], lines)
    for name, address in ends.items():
        route = "dev eth0" if name == SOURCE else f"via {source}"
        commands = ["link set lo up", f"addr add {address}/16 dev eth0", "link set eth0 up"]
        _batch(["ip", "-n", name], [*commands, f"route add default {route}"])
    if rate:
        shape = f"root tbf rate {rate} burst 64kb latency 50ms"
        _batch(["tc"], [f"qdisc add dev v{name} {shape}" for name in ends])
        for name in ends:
            _batch(["tc", "-n", name], [f"qdisc add dev eth0 {shape}"])


def _batch(program: list[str], lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    argv = [*program, "-batch", "-"]
    subprocess.run(argv, input=text, text=True, check=True, timeout=TIMEOUT)


def _await_ssh(address: str, end: float) -> None:
    while True:
        try:
            with socket.create_connection((address, 22), 5) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            if time.monotonic() > end:
                raise
        time.sleep(0.02)


def main() -> None:
    """Keep hosts until standard input ends: DIRECTORY, and a JSON of what is wanted."""
    lab, told = Path(sys.argv[1]), json.loads(sys.argv[2])
    ns_calls.mount("tmpfs", "/run", "tmpfs")
    addresses = told["addresses"]
    connect(addresses, told["source"], told["rate"])
    own = lab / "own_keys"
    own.mkdir()
    public = []
    for number, address in enumerate(addresses, 1):
        (lab / "hosts" / str(number)).mkdir(parents=True)
        public.append(f"{address} {ns_boot.make_key(own / str(number))}\n")
    (lab / "known_hosts").write_text("".join(public))
    keeper = Keeper(lab, addresses, told["seconds"])
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    print("ready", flush=True)  # noqa: T201
    while True:
        ready, _, _ = select.select([0, wake], [], [], keeper.tend())
        if wake in ready:
            os.read(wake, 4096)
        if 0 in ready:
            if not os.read(0, 4096):
                return
            keeper.reset()
            print("reset", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
