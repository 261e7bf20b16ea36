"""Two flavours of Grid'5000 in one deployment, on the rehearsal: one job for both."""

from __future__ import annotations

import enoslib as en
import pytest

from enoslib_nxc import state
from enoslib_nxc.g5k import jobs
from tests.system import lab
from tests.system.grid import CLUSTER, Grid

pytestmark = pytest.mark.full

JOB = "g5k-mixed"
ROLES = {
    "server": {"nodes": 1, "flavour": "g5k-image"},
    "agent": {"nodes": 1, "flavour": "g5k-ramdisk"},
}


def test_a_server_on_disk_and_an_agent_in_memory(shared_grid: Grid) -> None:
    g5k = {"cluster": CLUSTER, "walltime": "01:00:00", "env_name": "debian12-min"}
    made = lab.provider(JOB, ROLES, flavour="g5k-ramdisk", g5k=g5k)
    try:
        print(f"init: {lab.timed(made.init):.1f} s; {made.phases}")
        roles, networks = made.init()
        record = made.deployment
        assert record
        assert {part.flavour: part.roles for part in record.parts} == {
            "g5k-image": ("server",),
            "g5k-ramdisk": ("agent",),
        }
        (job,) = record.jobs
        assert jobs.find(JOB, [job.site])[0].types.count("deploy") == 1
        root = {
            host: lab.on(made, host, "findmnt -no FSTYPE /") for host in ("server", "agent")
        }
        assert root["server"] == "ext4"
        assert root["agent"] != "ext4"
        for host, other in (("server", "agent"), ("agent", "server")):
            (told,) = en.run_command(f"ping -c 1 -W 10 {other}", roles=roles[host])
            assert "1 received" in told.stdout
        assert set(networks) == {"nxc", "prod"}
        before = lab.boot_ids(made)
        made.init()
        assert lab.boot_ids(made) == before
        assert jobs.states(record.jobs) == {job: "running"}
    finally:
        print(f"destroy: {lab.timed(made.destroy):.1f} s")
        shared_grid.settle()
    assert state.find(JOB) is None
    assert jobs.states([job])[job] in ("error", "terminated")
