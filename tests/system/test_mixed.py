"""One experiment over several flavours: names, reach as it was foreseen, one end."""

from __future__ import annotations

import os

import enoslib as en
import pytest

from enoslib_nxc import procs, state
from enoslib_nxc.preview import Preview
from tests.system import lab

JOB = "mixed"
CLIENT = "  client = { pkgs, ... }: { environment.systemPackages = [ pkgs.hello ]; };\n"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A server in memory, an agent with a shared store, and as root a container."""
    composition = lab.copy_of_embedded(tmp_path_factory.mktemp("mixed") / "composition")
    roles = {
        "server": {"nodes": 1, "memory": 384},
        "agent": {"nodes": 1, "flavour": "vm", "memory": 256},
    }
    if os.getuid() == 0:
        file = composition / "composition.nix"
        file.write_text(
            file.read_text().replace("  roles = {\n", f"  roles = {{\n  {CLIENT}", 1)
        )
        roles["client"] = {"nodes": 1, "flavour": "nspawn"}
    made = lab.provider(JOB, roles, composition=str(composition))
    yield made
    made.destroy()


@pytest.fixture(scope="module")
def up(mixed):
    return mixed.init()


def foreseen(plan: Preview) -> dict[str, set[str]]:
    return {each.role: set(each.all_of) - {each.role} for each in plan.reach}


def test_who_reaches_whom_is_as_foreseen(mixed, up):
    roles, networks = up
    plan = mixed.plan()
    assert {each.then for each in plan.hosts} == {"keep"}
    found = {}
    for name, machines in roles.items():
        others = [other for other in roles if other != name]
        tried = {
            other: en.run_command(
                f"ping -c 1 -W 5 {other}", roles=machines, on_error_continue=True
            )[0].rc
            for other in others
        }
        found[name] = {other for other, status in tried.items() if status == 0}
    assert found == foreseen(plan)
    assert found["agent"] == {"server"}
    assert {str(network.network) for network in networks["nxc"]} == {
        cidr for part in mixed.deployment.parts for cidr in part.networks
    }
    assert len(networks["vm"]) == 1


def test_each_runs_with_its_own_flavour(mixed, up):
    parts = {part.flavour: part.roles for part in mixed.deployment.parts}
    wanted = {"vm-ramdisk": ("server",), "vm": ("agent",)}
    if os.getuid() == 0:
        wanted["nspawn"] = ("client",)
    assert parts == wanted
    shared = "grep -c 'nix-store .* 9p ' /proc/mounts || true"
    assert lab.on(mixed, "agent", shared) == "1"
    assert lab.on(mixed, "server", shared) == "0"


@pytest.mark.full
def test_only_what_differs_boots(mixed, up):
    before = lab.boot_ids(mixed)
    mixed.init()
    assert lab.boot_ids(mixed) == before
    (machine,) = procs.tagged(f"{mixed.deployment.token}:agent")
    machine.kill()
    mixed.init()
    after = lab.boot_ids(mixed)
    assert [host for host in before if before[host] != after[host]] == ["agent"]


def test_one_end_for_all(mixed, up):
    record = mixed.deployment
    mixed.destroy()
    assert lab.ours(record.token) == []
    assert state.find(JOB) is None
