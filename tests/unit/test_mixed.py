"""Roles of one configuration on different flavours: who gives machines, and what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from enoslib.objects import Host

from enoslib_nxc import flavours, prepare, state
from enoslib_nxc.acquire import gone
from enoslib_nxc.booking import Booking
from enoslib_nxc.config import Settings
from enoslib_nxc.config_errors import load_settings
from enoslib_nxc.errors import ConfigError, StateError
from enoslib_nxc.flavours import FLAVOURS, Source
from enoslib_nxc.model import Deployment
from tests.unit import factory

MIXED = {
    "flavour": "g5k-ramdisk",
    "roles": {
        "server": {"nodes": 1, "flavour": "g5k-image"},
        "agent": {"nodes": 2, "min": 1},
        "client": {"nodes": 1, "flavour": "vm-ramdisk"},
    },
}


def settings(**changes: object) -> Settings:
    return load_settings({**MIXED, **changes}, flavours=FLAVOURS)


def deployment() -> Deployment:
    made = factory.deployment("server", "agent1", "agent2", "client", state="up")
    of = {"server": "g5k-image", "client": "vm-ramdisk"}
    machines = {
        host: machine.model_copy(update={"flavour": of.get(host, "g5k-ramdisk")})
        for host, machine in made.machines.items()
    }
    parts = (
        factory.part("server", flavour="g5k-image"),
        factory.part("agent", flavour="g5k-ramdisk"),
        factory.part("client"),
    )
    return made.model_copy(update={"machines": machines, "parts": parts})


def test_each_role_has_its_own_flavour_or_that_of_all() -> None:
    wish = settings()
    assert wish.flavours == ("g5k-image", "g5k-ramdisk", "vm-ramdisk")
    part = wish.only("g5k-image")
    assert (part.flavour, list(part.roles)) == ("g5k-image", ["server"])
    both = wish.only("g5k-image", "g5k-ramdisk")
    assert (both.flavours, list(both.roles)) == (
        ("g5k-image", "g5k-ramdisk"),
        ["server", "agent"],
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"roles": {"a": {"flavour": "g5k-imag"}}},
            'roles.a.flavour: "g5k-imag" is not a flavour of this version\n'
            f"-> did you mean g5k-image? known flavours: {', '.join(FLAVOURS)}",
        ),
        (
            {"min": 3},
            "min: roles run with several flavours, of which each comes up by itself\n"
            "-> give min to the roles instead",
        ),
    ],
)
def test_mistakes(changes: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(**changes)
    assert str(caught.value) == text


def test_a_platform_serves_all_its_flavours() -> None:
    source = Source()
    rows = flavours.rows(settings(), source)
    made = flavours.platforms(rows, source)
    assert list(made.values()) == [("g5k-image", "g5k-ramdisk"), ("vm-ramdisk",)]
    (wish,) = flavours.booked(settings(), source).values()
    assert list(wish.roles) == ["server", "agent"]


def test_hosts_of_another_provider_are_for_roles_without_a_flavour_of_their_own() -> None:
    wish = settings(flavour="vm-ramdisk", roles={"a": 1, "b": {"flavour": "g5k-ramdisk"}})
    rows = flavours.rows(wish, Source(hosts=[], lent=True))
    described = {name: row.description for name, row in rows.items()}
    assert described == {
        "vm-ramdisk": "hosts of another EnOSlib provider, in memory, by kexec",
        "g5k-ramdisk": "Grid'5000, in memory, by kexec",
    }
    none_left = settings(flavour="vm-ramdisk", roles={"b": {"flavour": "g5k-ramdisk"}})
    with pytest.raises(ConfigError) as caught:
        flavours.rows(none_left, Source(hosts=[], lent=True))
    assert caught.value.brief == (
        "hosts of another provider were given, but every role has a flavour of its own"
    )


def test_machines_of_another_provider_that_keep_their_system() -> None:
    wish = settings(flavour="vm-ramdisk", roles={"a": 1, "b": {"flavour": "stock"}})
    with pytest.raises(ConfigError) as caught:
        flavours.rows(wish, Source())
    assert caught.value.brief == (
        "flavour stock is for hosts of another provider, and none were given"
    )
    source = Source(hosts=[], lent=True)
    rows = flavours.rows(wish, source)
    assert {name: row.stock for name, row in rows.items()} == {
        "vm-ramdisk": False,
        "stock": True,
    }
    # both from the same provider, in the order of the roles
    assert list(flavours.platforms(rows, source).values()) == [("vm-ramdisk", "stock")]
    here = settings(flavour="stock", roles={"a": 1, "b": {"flavour": "vm-ramdisk"}})
    rows = flavours.rows(here, source)
    assert rows["vm-ramdisk"].description == "virtual machines here, in memory"


def test_what_a_boot_sees_of_a_deployment() -> None:
    whole = deployment()
    seen = whole.only("g5k-ramdisk")
    assert seen.flavour == "g5k-ramdisk"
    assert list(seen.machines) == ["agent1", "agent2"]
    assert [node.host for node in seen.plan.nodes] == ["agent1", "agent2"]
    with pytest.raises(ValueError, match="too many values"):
        assert whole.flavour


def test_boots_write_one_record_side_by_side(tmp_path: Path) -> None:
    home = state.Home(tmp_path)
    whole = deployment()
    home.save(whole)
    runs = [factory.run(tmp_path, whole.only(name)) for name in ("g5k-image", "vm-ramdisk")]
    for run, host in zip(runs, ("server", "client"), strict=True):
        run.having(run.machine(host).model_copy(update={"boot_id": f"of {host}"}))
    kept = home.load()
    assert kept
    assert {host: machine.boot_id for host, machine in kept.machines.items()} == {
        "server": "of server",
        "client": "of client",
        "agent1": "",
        "agent2": "",
    }


def test_a_host_that_changes_its_flavour_is_ended() -> None:
    before, after = deployment().only("g5k-image"), deployment()
    assert gone(before, after) == []
    server = after.machines["server"].model_copy(update={"flavour": "vm-ramdisk"})
    assert gone(before, after.having({"server": server})) == ["server"]


def test_other_flavours_than_those_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with state.claim("test") as home:
        home.save(deployment())
        with pytest.raises(StateError) as caught:
            prepare.recorded(settings(flavour="g5k-nfs-store"), home, Source())
    assert caught.value.brief == (
        "deployment test runs with flavour g5k-image and g5k-ramdisk and vm-ramdisk, "
        "not g5k-image and g5k-nfs-store and vm-ramdisk"
    )


@pytest.mark.parametrize("word", ["hosts", "vm_hosts"])
def test_a_reservation_alone_says_nothing_of_the_hosts_of_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str
) -> None:
    """As after `async_init()`, or an `init()` that ended while it waited for its job."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    given = [Host("10.0.0.1")]
    source = Source.of(given if word == "hosts" else None, Booking(), given)
    reserved = deployment().model_copy(update={"machines": {}})
    with state.claim("test") as home:
        home.save(reserved)
        assert prepare.recorded(settings(), home, source) == reserved
        home.save(deployment())
        with pytest.raises(StateError, match="run"):
            prepare.recorded(settings(), home, source)
