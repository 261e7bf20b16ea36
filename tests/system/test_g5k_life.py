"""The flavours of Grid'5000 on the rehearsal: from reservation to Roles to destroy.

The program sees the site as a laptop does: through the access machine, and nodes cannot call
it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import enoslib as en
import pytest

from enoslib_nxc import NixOSCompose, state
from enoslib_nxc.g5k import jobs
from tests.system import lab
from tests.system.grid import Grid, node

FLAVOURS = (
    "g5k-ramdisk",
    pytest.param("g5k-nfs-store", marks=pytest.mark.full),  # kexec as before, and a mount
    pytest.param("g5k-image", marks=pytest.mark.full),
)


def made(job_name: str, flavour: str, **more: object) -> NixOSCompose:
    return lab.provider(
        job_name,
        more.pop("roles", {"server": 1, "agent": 1}),
        flavour=flavour,
        **{"g5k": {"cluster": "chiclet", "walltime": "00:30:00"}, **more},
    )


@pytest.fixture(scope="module", params=FLAVOURS)
def running(
    request: pytest.FixtureRequest, shared_grid: Grid
) -> Iterator[tuple[NixOSCompose, en.Roles, en.Networks]]:
    """Return a deployment that runs, once for each flavour."""
    provider = made("life", request.param)
    roles, networks = provider.init()
    yield provider, roles, networks
    provider.destroy()


def test_roles_networks_and_a_measurement(
    running: tuple[NixOSCompose, en.Roles, en.Networks],
) -> None:
    _, roles, networks = running
    assert set(roles) == {"server", "agent"}
    (server,), (agent,) = roles["server"], roles["agent"]
    assert {server.alias, agent.alias} == {node(1), node(2)}
    told = en.run_command("hostname; cat /etc/nxc/role", roles=roles)
    assert {one.host: one.stdout.split() for one in told} == {
        server.alias: ["server", "server"],
        agent.alias: ["agent", "agent"],
    }
    (measured,) = en.run_command("ping -c 3 -i 0.2 server", roles=roles["agent"])
    assert re.search(r"3 (packets )?received", measured.stdout)
    # NXC mounts the home of this login
    (login,) = en.run_command("jq -r .user /etc/nxc/deployment.json", roles=roles["agent"])
    assert login.stdout == "ada"
    assert set(networks) == {"nxc", "prod"}
    assert any(str(net.network) == "172.16.32.0/20" for net in networks["nxc"])


def test_a_reload_from_another_process_boots_nothing(
    running: tuple[NixOSCompose, en.Roles, en.Networks],
) -> None:
    provider, _, _ = running
    before = lab.boot_ids(provider)
    done = lab.python(
        f"""
        from tests.system.test_g5k_life import made
        from enoslib_nxc.events import Phase
        told = []
        provider = made("life", {provider.settings.flavour!r})
        assert provider.is_created()
        roles, networks = provider.init(reporter=told.append)
        assert sorted(roles) == ["agent", "server"] and sorted(networks) == ["nxc", "prod"]
        print([event.message for event in told if event.phase is Phase.BOOT][-1])
        """
    )
    assert "all 2 machines run what they should" in done.stdout
    assert lab.boot_ids(provider) == before


def test_destroy_gives_the_nodes_back(shared_grid: Grid, running: object) -> None:
    """Nodes are in their own system again when the job ends, and none is suspected."""
    provider = running[0]  # type: ignore[index]
    record = provider.deployment
    assert record
    suspected = list(shared_grid.rehearsal.fleet.suspected)
    provider.destroy()
    assert state.find("life") is None
    assert set(jobs.states(record.jobs).values()) <= {"error", "terminated"}
    names = r"\( -name deployment.json -o -name environment.yaml \)"
    left = shared_grid.ssh("access.grid5000.fr", f"find ~/public/enoslib-nxc {names}")
    assert left.stdout == ""
    assert shared_grid.rehearsal.settle(60)
    assert shared_grid.rehearsal.fleet.suspected == suspected
    assert not Path(record.ssh_key or "/nowhere").exists()
