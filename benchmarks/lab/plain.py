"""Machines of a deployment by plain ssh: the least that any tool takes to reach them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from benchmarks.measure import MeasureError
from enoslib_nxc import reach, ssh, state
from enoslib_nxc.model import Deployment
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home

TIMEOUT = 60.0
"""Seconds for one ssh."""


def deployment(job_name: str) -> tuple[Deployment, Home]:
    """Return the record of a deployment, and its directory.

    Raises:
        MeasureError: there is none.
    """
    home = state.find(job_name)
    record = home.load() if home else None
    if home is None or record is None:
        raise MeasureError(f"there is no deployment {job_name}")
    return record, home


def doors(job_name: str) -> list[Access]:
    """Return how the machines of a deployment are reached."""
    record, home = deployment(job_name)
    return [reach.access(record, home, host) for host in record.machines]


def seconds(machines: Sequence[Access]) -> float:
    """Return what one ssh to each machine takes, side by side.

    Raises:
        MeasureError: one failed.
    """
    began = time.monotonic()
    started: list[subprocess.Popen[bytes]] = []
    try:
        started += [subprocess.Popen(ssh.argv(door, "true")) for door in machines]
        ended = [each.wait(TIMEOUT) for each in started]
    except subprocess.TimeoutExpired as error:
        raise MeasureError(str(error)) from error
    finally:
        for each in started:
            each.kill()
            each.wait()
    if any(ended):
        raise MeasureError(f"ssh ended with {ended}")
    return time.monotonic() - began
