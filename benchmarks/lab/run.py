"""The experiment itself: agents measure the network to the server, each in its turn."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import enoslib as en

from benchmarks.lab import nxc
from benchmarks.lab.answers import Door
from benchmarks.measure import MeasureError
from enoslib_nxc.provider import NixOSCompose

# a server of iperf3 measures with one agent at a time, and with --json the others' iperf3 ends
# with status 0 too
COMMAND = (
    "for n in $(seq 60); do iperf3 --client server --port 5201 --time 2 --json "
    "> /tmp/measured; grep -m 1 bits_per_second /tmp/measured && exit; sleep 0.5; done; exit 1"
)

TIMEOUT = 300.0

EXECO = """import json, sys, time
from execo import Host, Remote
given = json.load(sys.stdin)
hosts = [Host(address, user="root", port=port, keyfile=given["key"])
         for address, port in given["hosts"]]
options = ("-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
           "-o", "BatchMode=yes", "-o", "LogLevel=ERROR")
began = time.monotonic()
remote = Remote(given["command"], hosts, {"ssh_options": options}).run()
seconds = time.monotonic() - began
said = [process.stdout for process in remote.processes]
print(json.dumps({"seconds": seconds, "said": said}))
"""
"""An experiment of execo's, run by the interpreter that has nxc."""


def by_enoslib(agents: Iterable[en.Host]) -> float:
    """Return the seconds that it takes through `en.run_command`."""
    began = time.monotonic()
    results = en.run_command(COMMAND, roles=list(agents))
    took = time.monotonic() - began
    _check([result.stdout for result in results])
    return took


def doors(made: NixOSCompose) -> tuple[list[Door], Path]:
    """Return the agents of a deployment, and the key, as execo has them from it."""
    if made.deployment is None:
        raise MeasureError("there is no deployment")
    _nodes, roles = made.deployment.to_execo()
    agents = roles["agent"]
    found = [Door(each.address, "agent", each.port, each.address) for each in agents]
    return found, Path(agents[0].keyfile)


def by_execo(agents: Sequence[Door], key: Path) -> float:
    """Return the seconds that it takes through execo's `Remote`, its start not counted."""
    given = {
        "key": str(key),
        "hosts": [(door.address, door.port) for door in agents],
        "command": COMMAND,
    }
    done = subprocess.run(
        [str(nxc.python()), "-c", EXECO],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    if done.returncode:
        raise MeasureError(f"execo: {done.stderr.strip()[-300:]}")
    told = json.loads(done.stdout)
    _check(told["said"])
    return float(told["seconds"])


def _check(said: Sequence[str]) -> None:
    if not said or not all("bits_per_second" in each for each in said):
        raise MeasureError(f"an agent measured nothing: {said}")
