"""Nodes of Grid'5000 in their own environment beside one that is booted, on the rehearsal."""

from __future__ import annotations

import enoslib as en
import pytest

from enoslib_nxc import state
from enoslib_nxc.g5k import jobs
from tests.system import lab
from tests.system.grid import CLUSTER, Grid
from tests.system.test_mixed import foreseen

pytestmark = pytest.mark.full

JOB = "g5k-stock"
ROLES = {"database": {"nodes": 1, "flavour": "g5k-stock"}, "agent": 1}


@pytest.mark.parametrize("environment", [None, "debian12-min"])
def test_a_node_as_it_is_and_one_in_memory(shared_grid: Grid, environment: str | None) -> None:
    g5k = {"cluster": CLUSTER, "walltime": "01:00:00", "env_name": environment}
    made = lab.provider(JOB, ROLES, flavour="g5k-ramdisk", g5k=g5k)
    try:
        print(f"init: {lab.timed(made.init):.1f} s; {made.phases}")
        roles, _ = made.init()
        record = made.deployment
        assert record
        (job,) = record.jobs
        assert ("deploy" in jobs.find(JOB, [job.site])[0].types) is (environment is not None)
        release = lab.on(made, "database", "cat /etc/grid5000/release")
        assert release.startswith(environment or "debian12-x64-std")
        assert lab.on(made, "agent", "cat /etc/nxc/role") == "agent"
        expected = foreseen(made.plan())
        assert expected == {"database": {"agent"}, "agent": {"database"}}
        for host, others in expected.items():
            for other in others:
                (told,) = en.run_command(f"ping -c 1 -W 10 {other}", roles=roles[host])
                assert "1 received" in told.stdout
        boot = lab.on(made, "agent", "cat /proc/sys/kernel/random/boot_id")
        there = "ssh -o BatchMode=yes agent cat /proc/sys/kernel/random/boot_id"
        assert lab.on(made, "database", there) == boot
        before = lab.boot_ids(made)
        made.init()
        assert lab.boot_ids(made) == before
    finally:
        print(f"destroy: {lab.timed(made.destroy):.1f} s")
        shared_grid.settle()
    assert state.find(JOB) is None
    assert jobs.states([job])[job] in ("error", "terminated")
