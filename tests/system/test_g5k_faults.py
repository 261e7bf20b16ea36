"""What goes wrong on the rehearsed Grid'5000, with machines behind its nodes."""

from __future__ import annotations

from collections.abc import Iterator

import enoslib as en
import pytest

from enoslib_nxc.errors import BootError
from enoslib_nxc.events import Event
from enoslib_nxc.g5k import jobs
from enoslib_nxc.provider import NixOSCompose
from tests.system import lab
from tests.system.grid import Grid, node
from tests.system.test_g5k_life import made

JOB = "faults"
WAIT = {"boot": 120}
"""Seconds; a node that does not come back costs them all."""


@pytest.fixture(autouse=True)
def _given_back(shared_grid: Grid) -> Iterator[None]:
    yield
    for name in (JOB, "kavlan"):
        made(name, "g5k-ramdisk").destroy()


def _node_of(provider: NixOSCompose, host: str) -> str:
    assert provider.deployment
    reserved = provider.deployment.machines[host].reserved
    assert reserved
    return reserved.node


def _dies(grid: Grid, provider: NixOSCompose, host: str) -> object:
    """Return a reporter that switches a node off when it was told to leave its system."""

    def at(event: Event) -> None:
        if lab.point(event) == f"boot done {host} start":
            grid.rehearsal.guests.stop(_node_of(provider, host))

    return at


@pytest.mark.full
def test_a_node_lost_in_kexec_is_dropped_as_far_as_min_allows(shared_grid: Grid) -> None:
    strict = made(JOB, "g5k-ramdisk", deadlines=WAIT)
    with pytest.raises(BootError) as caught:
        strict.init(reporter=_dies(shared_grid, strict, "agent"))
    assert caught.value.brief == "1 of 2 machines did not come up: agent"
    assert "agent did not come back from kexec within 120 s" in caught.value.details
    lost = _node_of(strict, "agent")
    # the job and the other node are there, and need nothing but to be asked
    content = made(JOB, "g5k-ramdisk", deadlines={"boot": 40}, min=1)
    booted: list[str] = []
    roles, _ = content.init(reporter=lambda event: booted.append(lab.point(event)))
    assert [host.alias for host in roles.all()] == [_node_of(content, "server")]
    assert "boot started server start" not in booted
    told = en.run_command("cat /etc/nxc/role", roles=roles)
    assert [one.stdout for one in told] == ["server"]
    content.destroy()
    assert shared_grid.rehearsal.settle(60)
    assert lost in shared_grid.rehearsal.fleet.suspected
    lab.until(lambda: shared_grid.rehearsal.guests.alive(lost), 90)


BODY = """
    import os, signal
    from tests.system import lab
    from tests.system.test_g5k_life import made

    def at(event):
        if lab.point(event) == {point!r}:
            os.kill(os.getpid(), signal.SIGKILL)

    made({job!r}, "g5k-ramdisk").init(reporter=at)
"""


@pytest.mark.full
def test_init_after_kills_in_every_phase(shared_grid: Grid) -> None:
    """Killed at one point after the other, each time a little later: one job, one system."""
    earlier = _all_jobs()
    for point in (
        "acquire started",
        "acquire done",
        "boot started",
        "push started lille stage kernel and initrd",
        "boot started server start",
        "boot done server start",
        "boot done server come up",
        "provision started",
    ):
        died = lab.python(BODY.format(point=point, job=JOB), check=False)
        assert died.returncode == -9, f"{point} was never reached: {died.stderr}"
    roles, _ = made(JOB, "g5k-ramdisk").init()
    assert len(roles.all()) == 2
    assert len(jobs.find(JOB, ["lille"])) == 1
    assert len(_all_jobs()) == len(earlier) + 1


def _all_jobs() -> list[str]:
    from enoslib_nxc.g5k import api

    return [str(job.name) for job in api.client().sites["lille"].jobs.list()]


@pytest.mark.full
def test_changed_parameters_boot_the_nodes_again(shared_grid: Grid) -> None:
    provider = made(JOB, "g5k-ramdisk")
    provider.init()
    before = lab.boot_ids(provider)
    changed = made(JOB, "g5k-ramdisk", parameters={"answer": 42})
    changed.init()
    after = lab.boot_ids(changed)
    assert all(before[host] != after[host] for host in before)
    assert len(jobs.find(JOB, ["lille"])) == 1


@pytest.mark.full
def test_a_job_that_is_over_is_reserved_anew(shared_grid: Grid) -> None:
    provider = made(JOB, "g5k-ramdisk", roles={"server": 1})
    provider.init()
    record = provider.deployment
    assert record
    jobs.delete(record.jobs, 60)
    lab.until(lambda: shared_grid.ssh("access.grid5000.fr", "true").returncode == 0)
    roles, _ = made(JOB, "g5k-ramdisk", roles={"server": 1}).init()
    assert len(roles["server"]) == 1
    assert provider.deployment
    assert provider.deployment.jobs != record.jobs


@pytest.mark.full
def test_a_deployment_json_that_does_not_fit_the_command_line(shared_grid: Grid) -> None:
    long = {f"parameter{number}": "x" * 100 for number in range(30)}
    roles, _ = made(JOB, "g5k-ramdisk", parameters=long).init()
    (told,) = en.run_command(
        "jq -r .parameters.parameter29 /etc/nxc/deployment.json", roles=roles["agent"]
    )
    assert told.stdout == "x" * 100
    left = shared_grid.ssh("access.grid5000.fr", "find ~/public -name 'deployment.json'")
    assert left.stdout == ""


@pytest.mark.full
@pytest.mark.parametrize("flavour", ["g5k-image", "g5k-ramdisk"])
def test_a_routed_kavlan_has_translated_names(shared_grid: Grid, flavour: str) -> None:
    provider = made(
        "kavlan",
        flavour,
        roles={
            "server": {"nodes": 1, "primary_network": "lan"},
            "agent": {"nodes": 1, "primary_network": "lan"},
        },
        networks=[{"roles": ["experiment"], "id": "lan", "type": "kavlan", "site": "lille"}],
        g5k={"cluster": "chiclet", "walltime": "00:30:00", "env_name": "debian12-min"},
    )
    try:
        roles, networks = provider.init()
        assert {host.alias for host in roles.all()} == {node(1), node(2)}
        assert all("-kavlan-" in host.address for host in roles.all())
        (pinged,) = en.run_command("ping -c 1 server", roles=roles["agent"])
        assert pinged.rc == 0
        assert set(networks) >= {"experiment", "nxc"}
        before = lab.boot_ids(provider)
        provider.init()
        assert lab.boot_ids(provider) == before
    finally:
        provider.destroy()
