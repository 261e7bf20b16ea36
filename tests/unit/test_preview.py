"""What a plan tells, on every flavour, by records and files alone."""

from __future__ import annotations

import json

import enoslib as en
import pytest
from enoslib.config import config_context
from enoslib.objects import Host, Roles
from rich.console import Console

from enoslib_nxc import context, nix, state
from enoslib_nxc.config import Settings
from enoslib_nxc.config_errors import load_settings
from enoslib_nxc.errors import ConfigError
from enoslib_nxc.flavours import FLAVOURS, Source
from enoslib_nxc.g5k import request
from enoslib_nxc.g5k.api import ApiError
from enoslib_nxc.model import Deployment, Job, Reserved
from enoslib_nxc.outlook import Net
from enoslib_nxc.preview import Preview, preview
from enoslib_nxc.preview.reach import Reach, reach
from enoslib_nxc.preview.text import render
from tests.unit import factory

from .factory import deployment, identity

CLUSTERS = {"dahu": "grenoble", "chiclet": "lille", "chifflot": "lille"}


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(request, "known_clusters", lambda: CLUSTERS)


def settings(**more: object) -> Settings:
    given = {"roles": {"server": 1, "agent": {"nodes": 2, "tags": ["compute"]}}, **more}
    return load_settings({"job_name": "test", "g5k": {"cluster": "dahu"}, **given})


def planned(source: Source | None = None, **more: object) -> Preview:
    return preview(settings(**more), source or Source())


def recorded(monkeypatch, *, built: bool = True, **changes: object) -> Deployment:
    """Keep a record of machines that are up and as the settings want them."""
    made = deployment("server", "agent1", "agent2", state="up")
    machines = {
        host: machine.model_copy(update={"identity": _identity(host, machine.address)})
        for host, machine in made.machines.items()
    }
    part = {key: changes.pop(key) for key in ("flavour", "lent") if key in changes}
    made = factory.having(made, machines=machines.values(), **part)
    made = made.model_copy(update=changes)
    with state.claim("test") as home:
        home.save(made)
    monkeypatch.setattr(nix, "reusable", lambda _artifacts, _mark: built)
    return made


def _identity(host: str, address: str):
    shape = {"memory": 512, "cores": 1, "address": address}
    digest = context.digest(parameters={}, kernel_params="", shape=shape)
    return identity(host).model_copy(update={"digest": digest})


def fates(plan: Preview) -> dict[str, str]:
    return {each.host: f"{each.then}: {each.reason}" for each in plan.hosts}


def text(plan: Preview) -> str:
    console = Console(width=160, highlight=False)
    with console.capture() as capture:
        console.print(render(plan))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


@pytest.mark.parametrize("flavour", [n for n, row in FLAVOURS.items() if not row.stock])
def test_every_flavour_can_be_planned(flavour: str) -> None:
    plan = planned(flavour=flavour)
    assert [each.host for each in plan.hosts] == ["server", "agent1", "agent2"]
    assert [(each.flavour, each.roles) for each in plan.groups] == [
        (flavour, ("server", "agent"))
    ]
    assert [each.all_of for each in plan.reach] == [("agent",), ("server", "agent")]
    assert [(each.state, each.flavour) for each in plan.builds] == [("to build", flavour)]
    assert set(fates(plan).values()) == {"boot: new"}
    assert json.loads(plan.model_dump_json())["hosts"][2]["tags"] == ["compute"]
    assert Preview.model_validate_json(plan.model_dump_json()) == plan
    assert state.find("test") is None


def test_a_machine_that_keeps_its_system() -> None:
    roles = {"database": {"nodes": 1, "flavour": "g5k-stock"}, "agent": 1}
    plan = planned(flavour="g5k-ramdisk", roles=roles)
    assert fates(plan) == {
        "database": "keep: own system, left as it is",
        "agent": "boot: new",
    }
    assert [each.flavour for each in plan.builds] == ["g5k-ramdisk"]
    assert [each.all_of for each in plan.reach] == [("agent",), ("database",)]


def test_virtual_machines() -> None:
    assert text(planned(vm={"memory": 384, "cores": 2})) == (
        "deployment test\n"
        "  vm-ramdisk: virtual machines here, in memory (platform local, boot qemu)\n"
        "  embedded: to build (no deployment of this name; what Nix's store has is not built "
        "again)\n"
        "host    role, tags      address      where          size              what happens\n"
        "server  server          192.168.1.1  this computer  384 MiB, 2 cores  boot: new\n"
        "agent1  agent, compute  192.168.1.2  this computer  384 MiB, 2 cores  boot: new\n"
        "agent2  agent, compute  192.168.1.3  this computer  384 MiB, 2 cores  boot: new\n"
        "network  kind                      addresses       keys in Networks  routed by\n"
        "nxc      switch of the deployment  192.168.1.0/24  nxc               -\n"
        "reaches  server  agent\n"
        "server   -       yes\n"
        "agent    yes     yes"
    )


def test_grid5000() -> None:
    plan = planned(
        flavour="g5k-image",
        roles={"server": {"servers": ["chiclet-4.lille.grid5000.fr"]}, "agent": 2},
        g5k={"cluster": "dahu", "walltime": "03:00:00", "reservation": "2026-12-01 20:00:00"},
    )
    assert text(plan) == (
        "deployment test\n"
        "  g5k-image: Grid'5000, on disk, by Kadeploy (platform g5k, boot kadeploy)\n"
        "  embedded: to build (no deployment of this name; what Nix's store has is not built "
        "again)\n"
        "  job test: 03:00:00 from 2026-12-01 20:00:00, queue default, "
        "types deploy, origin=enoslib_nxc\n"
        "    server: 1 of chiclet-4.lille.grid5000.fr (lille)\n"
        "    agent: 2 of dahu (grenoble)\n"
        "host    role, tags  address  where                               what happens\n"
        "server  server      -        one of chiclet-4.lille.grid5000.fr  boot: new\n"
        "agent1  agent       -        a node of dahu                      boot: new\n"
        "agent2  agent       -        a node of dahu                      boot: new\n"
        "network        kind  addresses  keys in Networks  routed by\n"
        "prod@lille     prod  -          nxc, prod         grid5000\n"
        "prod@grenoble  prod  -          nxc, prod         grid5000\n"
        "reaches  server  agent\n"
        "server   -       yes\n"
        "agent    yes     yes"
    )


def test_a_local_kavlan_is_reached_by_those_on_it() -> None:
    plan = planned(
        flavour="g5k-image",
        roles={
            "server": {"nodes": 1, "secondary_networks": ["inner"]},
            "agent": {"nodes": 2, "primary_network": "inner"},
            "client": 1,
        },
        networks=[{"id": "inner", "type": "kavlan-local", "roles": ["lan"]}],
    )
    assert plan.reach == (
        Reach(role="server", all_of=("agent", "client")),
        Reach(role="agent", all_of=("server", "agent"), none_of=("client",)),
        Reach(role="client", all_of=("server",), none_of=("agent",)),
    )
    assert {n.id: n.keys for n in plan.networks} == {
        "prod@grenoble": ("nxc", "prod"),
        "inner@grenoble": ("nxc", "lan"),
    }


def test_grid5000_without_its_api(monkeypatch) -> None:
    def unanswered() -> None:
        raise ApiError("cannot list the clusters: no answer")

    monkeypatch.setattr(request, "known_clusters", unanswered)
    plan = planned(flavour="g5k-ramdisk", networks=[{"roles": ["lan"], "site": "lille"}])
    assert plan.notes == (
        "the sites, and whether the clusters exist, are not known: "
        "cannot list the clusters: no answer",
    )
    assert [wish.site for wish in plan.reservations[0].wishes] == ["", ""]
    assert [network.id for network in plan.networks] == ["prod"]


def test_grid5000_of_which_a_cluster_is_mistyped() -> None:
    with pytest.raises(ConfigError, match="did you mean dahu") as raised:
        planned(flavour="g5k-ramdisk", g5k={"cluster": "dahuu"})
    assert raised.value.brief == 'g5k.cluster: Grid\'5000 has no cluster "dahuu"'


def test_nodes_on_record(monkeypatch) -> None:
    node = Reserved(node="dahu-3.grenoble.grid5000.fr", site="grenoble", job=7)
    made = recorded(monkeypatch, flavour="g5k-image", jobs=(Job(site="grenoble", uid=7),))
    machine = made.machines["server"].model_copy(update={"reserved": node})
    with state.claim("test") as home:
        home.save(made.model_copy(update={"machines": {"server": machine}}))
    plan = planned(flavour="g5k-image")
    assert plan.hosts[0].place == node.node
    assert plan.reservations[0].jobs == ("7 of grenoble",)
    assert "    nothing is reserved while these run: job 7 of grenoble\n" in text(plan)


def test_unchanged_machines_are_kept(monkeypatch) -> None:
    recorded(monkeypatch)
    plan = planned()
    assert set(fates(plan).values()) == {"keep: up by the record, and unchanged"}
    assert plan.builds[0].model_dump() == {
        "composition": "embedded",
        "flavour": "vm-ramdisk",
        "state": "built already",
        "reason": "unchanged since the last build",
        "compose_info": "/nix/store/info.json",
    }


def test_what_the_build_decides(monkeypatch) -> None:
    recorded(monkeypatch, built=False)
    plan = planned()
    assert set(fates(plan).values()) == {
        "build decides: kept unless the build gives its role another system"
    }
    assert plan.builds[0].state == "to build"
    assert plan.builds[0].reason == "changed since the last build, or only Nix can tell"


def test_a_grown_and_changed_deployment(monkeypatch) -> None:
    made = recorded(monkeypatch)
    lost = made.machines["agent1"].model_copy(update={"state": "lost"})
    other = made.machines["agent2"].model_copy(update={"identity": identity("agent2")})
    machines = {**made.machines, "agent1": lost, "agent2": other}
    with state.claim("test") as home:
        home.save(made.model_copy(update={"machines": machines}))
    plan = planned(roles={"agent": 3})
    assert fates(plan) == {
        "agent1": "boot: given up before",
        "agent2": "boot: its role, size or parameters changed",
        "agent3": "boot: new",
    }
    assert plan.ends == ("server",)
    assert text(plan).endswith("\nends: server")


def test_another_network_is_another_address(monkeypatch) -> None:
    recorded(monkeypatch)
    plan = planned(vm={"network": "10.0.0.0/24"})
    assert fates(plan)["server"] == "boot: its address was 192.168.1.1"


def test_a_flavour_that_init_would_refuse(monkeypatch) -> None:
    recorded(monkeypatch)
    plan = planned(flavour="g5k-ramdisk")
    assert plan.refusal == (
        "deployment test runs with flavour vm-ramdisk, not g5k-ramdisk\n"
        "-> destroy() it first, or give this configuration another job_name"
    )
    assert set(fates(plan).values()) == {"boot: new"}


def test_hosts_of_another_provider() -> None:
    hosts = Roles({"a": [Host("10.1.1.1"), Host("10.1.1.2")]})
    plan = planned(Source(hosts, lent=True))
    assert [each.place for each in plan.hosts] == ["10.1.1.1", "10.1.1.2", ""]
    assert (plan.groups[0].platform, plan.groups[0].boot) == ("hosts", "kexec")
    assert [each.address for each in plan.hosts] == ["", "", ""]
    assert plan.notes == ("no machine was given for agent2",)
    lender = en.Static(en.StaticConf())
    plan = planned(Source(lender, lent=True))
    assert {each.place for each in plan.hosts} == {"a machine of Static"}


def test_hosts_of_another_provider_that_are_on_record(monkeypatch) -> None:
    made = recorded(monkeypatch, lent=True)
    machine = made.machines["agent1"].model_copy(
        update={"ssh_host": "10.1.1.1", "ssh_port": 22, "address": "10.9.9.9"}
    )
    with state.claim("test") as home:
        home.save(made.model_copy(update={"machines": {"agent1": machine}}))
    plan = planned(Source([Host("10.1.1.1"), Host("10.1.1.2")], lent=True), roles={"agent": 2})
    assert [(each.place, each.address) for each in plan.hosts] == [
        ("10.1.1.1", "10.9.9.9"),
        ("10.1.1.2", ""),
    ]
    assert planned(roles={"agent": 2}).refusal.startswith("deployment test runs on hosts of")


def test_counts_that_the_composition_decides() -> None:
    plan = planned(roles={"server": None})
    assert plan.notes == (
        "role server: 1 machine, unless the composition's rolesDistribution says otherwise",
    )


def test_a_composition_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"^composition \./none does not exist"):
        planned(composition="./none")


def test_html() -> None:
    plan = planned(roles={"server": {"nodes": 1, "tags": ["<b>"]}})
    page = plan._repr_html_()
    assert "NixOSCompose plan" in page
    assert "192.168.1.1" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    with config_context(display="text"):
        assert plan._repr_html_() == repr(plan)


def test_the_provider_s_plan() -> None:
    import enoslib_nxc

    conf = enoslib_nxc.NixOSComposeConf.from_dictionary({"roles": {"server": 1}})
    plan = enoslib_nxc.NixOSCompose(conf).plan()
    assert isinstance(plan, Preview)
    with pytest.raises(ValueError, match="frozen"):
        plan.job_name = "other"


def net(name: str, routed: str = "") -> Net:
    return Net(id=name, kind="any", routed=routed)


def test_reach_over_groups_of_hosts() -> None:
    roles = {"server": ["s"], "near": ["n1", "n2"], "mixed": ["m1", "m2"]}
    cards = {"s": ["prod"], "n1": ["vlan"], "n2": ["vlan"], "m1": ["switch"], "m2": ["vlan"]}
    networks = [net("prod", "site"), net("vlan", "site"), net("switch")]
    assert reach(roles, cards, networks) == (
        Reach(role="server", all_of=("near",), some_of=("mixed",)),
        Reach(role="near", all_of=("server", "near"), some_of=("mixed",)),
        Reach(role="mixed", some_of=("server", "near"), none_of=("mixed",)),
    )


def test_roles_on_several_flavours(monkeypatch) -> None:
    monkeypatch.setattr(request, "known_clusters", lambda: {"dahu": "grenoble"})
    plan = planned(
        flavour="g5k-ramdisk",
        roles={
            "server": {"nodes": 1, "flavour": "g5k-image"},
            "agent": 1,
            "client": {"nodes": 1, "flavour": "vm-ramdisk"},
        },
        g5k={"cluster": "dahu", "env_name": "debian12-min"},
    )
    assert [(g.flavour, g.platform, g.boot, g.roles) for g in plan.groups] == [
        ("g5k-image", "g5k", "kadeploy", ("server",)),
        ("g5k-ramdisk", "g5k", "kexec", ("agent",)),
        ("vm-ramdisk", "local", "qemu", ("client",)),
    ]
    assert [build.flavour for build in plan.builds] == [
        "g5k-image",
        "g5k-ramdisk",
        "vm-ramdisk",
    ]
    (reservation,) = plan.reservations  # one job for both flavours of the site
    assert reservation.types == ("deploy", "origin=enoslib_nxc")
    assert [wish.role for wish in reservation.wishes] == ["server", "agent"]
    assert plan.reach == (
        Reach(role="server", all_of=("agent",), none_of=("client",)),
        Reach(role="agent", all_of=("server",), none_of=("client",)),
        Reach(role="client", none_of=("server", "agent")),
    )
    assert "  embedded for vm-ramdisk: to build (no deployment of this name; " in text(plan)
