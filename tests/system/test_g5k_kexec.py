"""kexec of rehearsed Grid'5000 nodes, as from a laptop: each way in which images get there."""

from __future__ import annotations

import pytest

from enoslib_nxc import state
from enoslib_nxc.events import Phase
from tests.system import lab
from tests.system.grid import ACCESS, CLUSTER, node

JOB = "g5k-kexec"
HOSTS = ("server", "agent")


pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def grid(shared_grid):
    return shared_grid


def make(**changes):
    roles = changes.pop("roles", {"server": 1, "agent": 1})
    wish = {
        "flavour": "g5k-ramdisk",
        "g5k": {"cluster": CLUSTER, "walltime": "01:00:00", **changes.pop("g5k", {})},
        "deadlines": {"boot": 600, "destroy": 180},
        "retries": {"boot": 0},
        **changes,
    }
    return lab.provider(wish.pop("job_name", JOB), roles, **wish)


class Told:
    """A reporter that remembers."""

    def __init__(self):
        self.events = []

    def __call__(self, event):
        self.events.append(event)

    def ways(self):
        """Return host -> what was said of its images' way."""
        found = {}
        for event in self.events:
            if event.phase is Phase.PUSH and event.subject in HOSTS:
                found.setdefault(event.subject, []).append(event.message)
        return found


def brought(made, **how):
    told = Told()
    print(
        f"{made.settings.g5k.push}: {lab.timed(lambda: made.init(reporter=told, **how)):.1f} s"
    )
    return told.ways()


def by(way):
    return {host: [f"kernel {way}", f"initrd {way}"] for host in HOSTS}


@pytest.fixture(scope="module")
def first(grid):
    made = make()
    ways = brought(made)
    yield made, ways
    made.destroy()


def test_from_the_home_over_nfs(grid, first):
    made, ways = first
    assert ways == by("over NFS")
    boots = lab.boot_ids(made)
    assert len(set(boots.values())) == 2
    for host in HOSTS:
        assert lab.on(made, host, "hostname; cat /etc/nxc/role").split() == [host, host]
    assert "1 received" in lab.on(made, "server", "ping -c 1 -W 10 agent")
    # sent to the site once
    assert len(grid.ssh(ACCESS, "ls ~/public/enoslib-nxc").stdout.split()) == 2
    made.init()
    assert lab.boot_ids(made) == boots


def test_the_job_outlives_the_systems_of_its_nodes(first):
    made, _ = first
    assert made.is_created()
    assert state.find(JOB).load().jobs == made.deployment.jobs


def test_by_http_with_a_json_that_is_staged(grid, first):
    before = lab.boot_ids(first[0])
    parameters = {f"parameter{n}": "value" * 20 for n in range(30)}
    made = make(g5k={"push": "http"}, parameters=parameters)
    assert brought(made) == by("by HTTP")
    after = lab.boot_ids(made)
    assert not set(after.values()) & set(before.values())
    line = lab.on(made, "server", "cat /proc/cmdline")
    token = made.deployment.token
    url = f"http://public.lille.grid5000.fr/~ada/enoslib-nxc/{token}/deployment.json"
    assert f"deploy={url} " in line
    assert "parameter29" in lab.on(made, "server", "cat /etc/nxc/deployment.json")
    assert grid.ssh(ACCESS, "find ~/public -name '*.json'").stdout == ""


def test_sent_from_here(first):
    made = make(g5k={"push": "send"})
    assert brought(made, force_deploy=True) == by("over ssh")


def test_destroy_sends_the_nodes_back(grid, first):
    made = make()
    made.init()
    before = lab.boot_ids(made)
    print(f"destroy: {lab.timed(made.destroy):.1f} s")
    assert state.find(JOB) is None
    assert not made.is_created()
    assert set(before) == set(HOSTS)
    refused = grid.ssh(node(1), "true", user="root", check=False)
    assert "Permission denied" in refused.stderr


def test_a_store_over_nfs(grid):
    made = make(job_name="g5k-nfs", roles={"server": 1}, flavour="g5k-nfs-store")
    try:
        print(f"g5k-nfs-store: {lab.timed(made.init):.1f} s")
        store = "nfs.lille.grid5000.fr:/export/home/ada/public/enoslib-nxc/store"
        mounted = lab.on(made, "server", "grep ' nfs ' /proc/mounts")
        assert mounted.startswith(f"{store} /nix/.server-ro-store nfs ro,")
        system = made.deployment.artifacts.roles["server"].toplevel
        assert lab.on(made, "server", "readlink -f /run/current-system") == system
        boots = lab.boot_ids(made)
        print(f"init again: {lab.timed(made.init):.1f} s")
        assert lab.boot_ids(made) == boots
        left = grid.ssh(ACCESS, "ls -A ~/public/enoslib-nxc/store").stdout.split()
        assert not [name for name in left if name.startswith(".incoming")]
        assert system.rpartition("/")[2] in left
    finally:
        made.destroy()
