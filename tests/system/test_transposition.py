"""One experiment, and what must be true of it, wherever one word transposes it to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import enoslib as en
import pytest

from enoslib_nxc import NixOSCompose, NixOSComposeConf, shell
from enoslib_nxc.boots import accel
from enoslib_nxc.boots.qemu import QEMU
from tests.contract import live
from tests.system import lab, vm_hosts
from tests.system.grid import CLUSTER
from tests.system.test_kexec import static
from tests.system.transposed import PLACES, Place, lender

Record = Callable[[str, object], None]

PAUSED = """
    flavours.vm-paused = {
      name = "vm-paused";
      description = "virtual machines of another package";
      image = { type = "ramdisk"; distribution = "all-in-one"; };
      vm = true;
    };
"""


@pytest.fixture
def lent() -> Iterator[en.Static]:
    """Two hosts of en.Static that run something else."""
    owner = lender()
    try:
        yield static(owner.init()[0])
    finally:
        owner.destroy()


@pytest.fixture
def two_vm_hosts(tmp_path: Path) -> Iterator[en.Static]:
    """Two hosts of en.Static with ssh and QEMU."""
    with vm_hosts.pair(tmp_path) as servers:
        hosts = [server.host() for server in servers]
        yield static(en.Roles(each=hosts))


@pytest.fixture
def paused(other_package: None, tmp_path: Path) -> Path:
    """The composition, for a flavour of another package."""
    composition = lab.copy_of_embedded(tmp_path / "composition")
    flake = composition / "flake.nix"
    flavours = f"(arguments // {{ {PAUSED} }})"
    made = "packages.x86_64-linux = nxc.compose"
    text = flake.read_text().replace(f"{made} arguments", f"{made} {flavours}")
    assert PAUSED in text
    flake.write_text(text)
    return composition


def configuration(agents: int) -> NixOSComposeConf:
    """Return the experiment; sections of places that it does not run at mean nothing there."""
    return NixOSComposeConf.from_dictionary(
        {
            "composition": "embedded",
            "flavour": "vm-ramdisk",
            "progress": "silent",
            "roles": {"server": 1, "agent": {"nodes": agents, "tags": ["clients"]}},
            "vm": {"memory": lab.MEMORY},
            # what stands for hosts makes new keys at each boot
            "kexec": {"host_keys": "first-contact"},
            "g5k": {"cluster": CLUSTER, "walltime": "01:00:00"},
        }
    )


def transposed(place: Place, given: object) -> NixOSCompose:
    """Return the provider of the experiment at a place, under a name of its own there."""
    conf = configuration(place.agents).transpose(place.flavour)
    conf.set(job_name=f"transposed-{place.name}")
    if isinstance(given, Path):
        conf.set(composition=str(given))
    return NixOSCompose(
        conf,
        hosts=given if place.needs == "lent" else None,
        vm_hosts=given if place.needs == "two_vm_hosts" else None,
    )


def has_kvm(made: NixOSCompose) -> bool | None:
    """Tell whether virtual machines have KVM here; None where there are none."""
    assert made.deployment
    artifacts = made.deployment.artifacts
    qemu = shell.which(QEMU)
    if not (artifacts.kernel and qemu):
        return None
    return (
        accel.choose("auto", qemu=qemu, kernel=artifacts.store.real(artifacts.kernel)) == "kvm"
    )


def roles_and_names(made: NixOSCompose, roles: en.Roles, networks: en.Networks) -> None:
    """Each machine is its role's, and reaches all by their names, on one network."""
    assert made.deployment
    hosts = {node.host: node.role for node in made.deployment.plan.nodes}
    assert {name: len(roles[name]) for name in roles} == {
        "server": 1,
        "agent": len(hosts) - 1,
        "clients": len(hosts) - 1,
    }
    assert roles["clients"] == roles["agent"]
    assert networks["nxc"]
    ping = " && ".join(f"ping -c 1 -W 10 {host} > /dev/null" for host in hosts)
    told = en.run_command(f"{ping} && hostname && cat /etc/nxc/role", roles=roles)
    assert sorted(tuple(one.stdout.split()) for one in told) == sorted(hosts.items())


def measurement(roles: en.Roles) -> None:
    """An agent measures its way to the server."""
    with en.actions(roles=sorted(roles["agent"])[:1], gather_facts=False) as actions:
        actions.shell("iperf3 -c server -t 1 -J", task_name="iperf3")
    (done,) = actions.results.filter(task="iperf3")
    assert json.loads(done.payload["stdout"])["end"]["sum_received"]["bits_per_second"] > 0


@pytest.mark.parametrize(
    "place", [pytest.param(each, id=each.name, marks=each.marks) for each in PLACES]
)
def test_the_same_experiment(
    place: Place, request: pytest.FixtureRequest, record_property: Record
) -> None:
    given = request.getfixturevalue(place.needs) if place.needs else None
    made = transposed(place, given)

    def end(made: NixOSCompose, host: str) -> None:
        place.end(made, host, given)

    def timed(name: str, action: Callable[[], object]) -> None:
        record_property(name, lab.timed(action))

    try:
        timed("init", made.init)
        for name, seconds in dict(made.phases).items():
            record_property(name, seconds)
        roles, networks = made.init()
        record_property("machines", len(roles.all()))
        if (kvm := has_kvm(made)) is not None:
            record_property("kvm", int(kvm))
        roles_and_names(made, roles, networks)
        timed("measure", lambda: measurement(roles))
        timed("init again", made.init)
        live.init_again_keeps_every_machine(made)
        live.another_process_finds_it(made)
        record = made.deployment
        assert record
        agent = record.plan.hosts_of("agent")[0]
        live.a_machine_that_ended_comes_back_alone(made, agent, end)
        record = made.deployment
        assert record
        timed("destroy", made.destroy)
        live.nothing_is_left(made, record, place.left)
    finally:
        made.destroy()
