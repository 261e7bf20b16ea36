"""A user's program, which calls `init()`: FILE says with what.

Imports and the configuration are not timed. It writes what came of it beside FILE.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import enoslib as en

import enoslib_nxc
from enoslib_nxc import reach, state, status
from enoslib_nxc.errors import NxcError
from enoslib_nxc.ssh import HostKey


def static(hosts: list[dict[str, Any]], network: dict[str, Any]) -> en.Static:
    """Return the hosts as a user has them who knows their addresses.

    Args:
        hosts: arguments of EnOSlib's `StaticConf.add_machine`.
        network: likewise of `add_network`.
    """
    conf = en.StaticConf()
    for host in hosts:
        conf.add_machine(roles=["lent"], **host)
    conf.add_network(roles=["lent"], **network)
    return en.Static(conf)


def boot_ids(provider: enoslib_nxc.NixOSCompose) -> dict[str, str]:
    """Ask all machines for their boot id.

    Args:
        provider: they are up.
    """
    home, record = state.find(provider.settings.job_name), provider.deployment
    assert home  # noqa: S101 (they are up)
    assert record  # noqa: S101
    ways = {host: reach.access(record, home, host) for host in record.machines}
    return {host: status.ask(way, HostKey.PINNED).boot_id for host, way in ways.items()}


def main() -> None:
    """Do what the file says."""
    file = Path(sys.argv[1])
    told = json.loads(file.read_text())
    conf = enoslib_nxc.NixOSComposeConf.from_dictionary(told["configuration"])
    hosts = static(told["hosts"], told["network"]) if told["hosts"] else None
    provider = enoslib_nxc.NixOSCompose(conf, hosts=hosts)
    began = time.perf_counter()
    try:
        provider.init()
    except NxcError as error:
        sys.exit(str(error))
    seconds = time.perf_counter() - began
    written = {
        "seconds": seconds,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "phases": provider.phases,
        "boot_ids": {} if hosts else boot_ids(provider),
    }
    file.with_suffix(".done").write_text(json.dumps(written))


if __name__ == "__main__":
    main()
