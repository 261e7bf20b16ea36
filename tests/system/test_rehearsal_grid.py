"""A Grid'5000 of virtual machines: what a user's program finds there."""

from __future__ import annotations

import enoslib as en
import pytest

from tests.system.grid import ACCESS, CLUSTER, SITE, node


@pytest.fixture
def grid(shared_grid):
    return shared_grid


def test_access_without_a_job(grid):
    assert grid.ssh(ACCESS, "hostname").stdout == f"{SITE}.grid5000.fr\n"
    refused = grid.ssh(node(1), "true", check=False)
    assert refused.returncode == 255
    assert "Permission denied (publickey)" in refused.stderr
    assert grid.ssh(node(1), "true", user="root", check=False).returncode == 255


def test_enoslib_reserves_and_becomes_root(grid):
    conf = en.G5kConf.from_settings(job_name="plain", job_type=[], walltime="00:10:00")
    conf.add_machine(roles=["c"], cluster=CLUSTER, nodes=2)
    provider = en.G5k(conf.finalize())
    roles, _networks = provider.init()
    try:
        results = en.run_command("hostname; id -u", roles=roles)
        assert {result.stdout for result in results} == {f"{node(1)}\n0", f"{node(2)}\n0"}
        assert grid.ssh(node(2), "mount | grep -c ' /home type nfs'").stdout == "1\n"
    finally:
        provider.destroy(wait=True)
