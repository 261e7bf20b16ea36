"""g5k-image on rehearsed nodes with disks: Kadeploy writes them, nodes boot from them."""

from __future__ import annotations

import subprocess
import sys

import enoslib as en
import pytest

from enoslib_nxc.errors import CommandError
from enoslib_nxc.events import Phase, Status
from enoslib_nxc.rehearsal.testbed import NOT_BACK
from tests.system import lab
from tests.system.grid import ACCESS, CLUSTER, SITE, node

JOB = "g5k-image"


pytestmark = pytest.mark.full


@pytest.fixture
def grid(shared_grid):
    yield shared_grid
    make().destroy()
    shared_grid.rehearsal.fleet.faults.clear()
    shared_grid.settle()


def make(**changes):
    wish = {
        "flavour": "g5k-image",
        "g5k": {"cluster": CLUSTER, "walltime": "01:00:00"},
        "deadlines": {"boot": 400, "destroy": 120},
        **changes,
    }
    return lab.provider(JOB, {"server": 1, "agent": 1}, **wish)


def deployments(grid):
    """Return the deployments that the API was asked for, in order."""
    return list(reversed(grid.rehearsal.api.sites[SITE].deployments.all()))


def nodes(some):
    return [sorted(one.request.nodes) for one in some]


def names_and_roles(roles):
    told = en.run_command("cat /etc/nxc/hostname /etc/nxc/role", roles=roles)
    return sorted(one.stdout.split() for one in told)


def test_what_failed_is_deployed_again_and_nodes_boot_by_themselves(grid):
    before = len(deployments(grid))
    grid.rehearsal.fleet.faults[node(2)] = [NOT_BACK]
    made = make()
    roles, _networks = made.init()
    assert nodes(deployments(grid)[before:]) == [[node(1), node(2)], [node(2)]]
    assert names_and_roles(roles) == [["agent", "agent"], ["server", "server"]]

    old = lab.boot_ids(made)["agent"]
    en.run_command("systemd-run --on-active=1 systemctl reboot", roles=roles["agent"])

    def is_back():
        try:
            return lab.boot_ids(made)["agent"] != old
        except CommandError:
            return False

    lab.until(is_back, 120)
    # it has fetched its deployment JSON again
    assert names_and_roles(roles) == [["agent", "agent"], ["server", "server"]]
    told = []
    again = make()
    again.init(reporter=told.append)
    boots = [e for e in told if e.phase is Phase.BOOT and e.status is Status.NOOP]
    assert [event.message for event in boots] == ["all 2 machines run what they should"]
    assert len(deployments(grid)) == before + 2

    again.destroy()
    left = "find ~/public/enoslib-nxc -name '*.json' -o -name '*.yaml'"
    assert grid.ssh(ACCESS, left).stdout == ""


def test_a_killed_process_leaves_a_deployment_that_the_next_one_awaits(grid):
    before = len(deployments(grid))
    text = "from tests.system.test_g5k_image import make; make().init()"
    killed = subprocess.Popen([sys.executable, "-c", text])
    lab.until(lambda: len(deployments(grid)) > before, 200)
    killed.kill()
    killed.wait()
    (under_way,) = deployments(grid)[before:]
    assert under_way.status.value == "processing"
    roles, _networks = make().init()
    assert names_and_roles(roles) == [["agent", "agent"], ["server", "server"]]
    assert len(deployments(grid)) == before + 1
