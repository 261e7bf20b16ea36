"""Services of EnOSlib that need more than the embedded composition's lock has."""

from __future__ import annotations

import enoslib as en
import pytest

from enoslib_nxc import compat, debian, nix
from enoslib_nxc.config_sections import Build
from tests.system import lab

pytestmark = pytest.mark.full

NAMES = ("docker", "dask")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """One machine of a composition whose lock has what these names need."""
    home = tmp_path_factory.mktemp("more")
    flake = lab.copy_of_embedded(home / "composition")
    names = " ".join(f'"{name}"' for name in NAMES)
    (flake / "composition.nix").write_text(
        f"_: {{ roles.agent.enoslib.compat = [ {names} ]; }}"
    )
    added = {one for name in NAMES for one in compat.table().names[name].debian or ()}
    store = nix.choose(Build())
    debian.write_lock(flake, store=store, report=lambda _: None, timeout=600, add=sorted(added))
    made = lab.provider(
        "services-more",
        {"agent": 1},
        composition=str(flake),
        vm={"memory": 1536, "cores": 2},
        deadlines={"boot": 300},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        try:
            roles, _ = made.init()
            yield made, roles["agent"]
        finally:
            made.destroy()


BOX = "tar -C /usr -c bin/busybox | docker import - box"


def test_docker(machine):
    made, hosts = machine
    en.Docker(agent=hosts).deploy()
    lab.until(lambda: "ok" in lab.on(made, "agent", "docker info > /dev/null && echo ok"), 120)
    lab.on(made, "agent", BOX)
    said = lab.on(made, "agent", "docker run --rm box /bin/busybox echo from a container")
    assert said == "from a container"
    with en.actions(roles=hosts, gather_facts=False) as play:
        play.docker_container(
            name="it", image="box", command="/bin/busybox sleep 1000", state="started"
        )
    assert [one.status for one in play.results] == ["OK"]
    assert "it" in lab.on(made, "agent", "docker ps --format '{{.Names}}'").split()


SUM = """
from distributed import Client
with Client("tcp://localhost:8786") as client:
    client.wait_for_workers(1, timeout=120)
    print(client.submit(sum, [1, 2, 3]).result(timeout=60))
"""


def test_dask(machine):
    made, hosts = machine
    cluster = en.Dask(
        "any", conda_prefix="/opt/conda", scheduler=hosts[0], workers=hosts, run_as="root"
    )
    cluster.deploy()
    (result,) = en.run_command(f"python3 -c '{SUM}'", roles=hosts)
    assert result.stdout == "6"
    cluster.destroy()
    assert "dask" not in lab.on(made, "agent", "tmux ls 2>&1 || true")
