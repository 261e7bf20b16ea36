"""One server, two agents, a measurement: the whole way on the embedded composition.

Run it with scripts/demo, or with a Python that has enoslib-nxc:

    python examples/quickstart.py
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import enoslib as en
from rich.console import Console
from rich.table import Table

import enoslib_nxc  # adds NixOSCompose to enoslib

SECONDS = 3
"""Duration of each iperf3 run."""


def measure(roles: en.Roles, results: Path) -> dict[str, float]:
    """Run iperf3 from each agent to the server; return Mbit/s by agent."""
    command = f"iperf3 --json --time {SECONDS} --client server > /root/iperf3.json"
    mbits = {}
    for agent in sorted(roles["agent"]):  # in turn: the server takes one client at a time
        with en.actions(roles=agent, gather_facts=False) as run:
            run.shell(command, task_name="measure")
            run.fetch(src="/root/iperf3.json", dest=f"{results}/", task_name="gather")
        mbits[agent.alias] = received_mbits(results / agent.alias / "root" / "iperf3.json")
    return mbits


def received_mbits(file: Path) -> float:
    """Return what the server received according to iperf3's JSON, in Mbit/s."""
    report = json.loads(file.read_text())
    return float(report["end"]["sum_received"]["bits_per_second"]) / 1e6


def table(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    """Return a table to print."""
    made = Table(*columns, title=title, title_justify="left")
    for row in rows:
        made.add_row(*row)
    return made


def main() -> None:
    """Build, start, measure, print, destroy."""
    conf = en.NixOSComposeConf.from_dictionary(
        {
            "job_name": "quickstart",
            "flavour": "vm-ramdisk",
            "roles": {"server": 1, "agent": 2},
        }
    )
    provider = en.NixOSCompose(conf)
    console = Console()
    with provider as (roles, networks), tempfile.TemporaryDirectory() as results:
        started = time.monotonic()
        roles = en.sync_info(roles, networks)
        machines = [
            [role, host.alias, host.address, ", ".join(host.filter_interfaces(networks["nxc"]))]
            for role in ("server", "agent")
            for host in sorted(roles[role])
        ]
        mbits = measure(roles, Path(results))
        phases = {**provider.phases, "run": time.monotonic() - started}
    console.print(table("Machines", ["role", "host", "address", "interface"], machines))
    console.print(
        table(
            "iperf3 to server",
            ["from", f"Mbit/s over {SECONDS} s"],
            [[host, f"{value:.1f}"] for host, value in sorted(mbits.items())],
        )
    )
    console.print(
        table("Phases", ["phase", "seconds"], [[k, f"{v:.1f}"] for k, v in phases.items()])
    )


if __name__ == "__main__":
    try:
        main()
    except enoslib_nxc.NxcError as error:
        sys.exit(f"error: {error}")
