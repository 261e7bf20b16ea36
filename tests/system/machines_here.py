"""What containers of systemd-nspawn are made of on this computer, as the tests look at it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

from enoslib_nxc import netns, procs, state
from enoslib_nxc.model import Deployment
from enoslib_nxc.platforms import places


def left(token: str) -> list[str]:
    """Return everything on this computer that bears a deployment's token."""
    name = places.switch(token)
    return [
        *(f"process {process.pid}" for process in procs.tagged(token)),
        *(f"namespace {found}" for found in netns.names(name)),
        *(f"group {found}" for found in places.groups(f"{name}*")),
        *(f"state {found}" for found in places.NSPAWN_STATE.glob(f"*/{name}*")),
        *(f"card {card}" for card in psutil.net_if_stats() if card == places.interface(token)),
        *(f"file {found}" for found in Path("/tmp").glob(f"*{token}*")),
    ]


def inside(record: Deployment, host: str) -> list[psutil.Process]:
    """Return the processes of a machine."""
    home = state.find(record.job_name)
    assert home
    return netns.processes(places.place(record, home, host).name)


def first(record: Deployment, host: str) -> psutil.Process:
    """Return the process that is number 1 inside; outside, numbers begin anew at times."""
    (found,) = (one for one in inside(record, host) if _numbers(one)[-1] == "1")
    return found


def _numbers(process: psutil.Process) -> list[str]:
    lines: list[str] = []
    with suppress(OSError):  # it has ended
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next((line.split() for line in lines if line.startswith("NSpid:")), [""])


def listening() -> set[tuple[str, int]]:
    """Return where this computer listens."""
    found = psutil.net_connections("tcp")
    return {(one.laddr.ip, one.laddr.port) for one in found if one.status == "LISTEN"}
