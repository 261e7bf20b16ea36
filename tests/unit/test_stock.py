"""Telling machines that keep their own system of a deployment: the order, and who may lack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from enoslib_nxc import own_system, stock
from enoslib_nxc.boots import Run
from enoslib_nxc.boots.stock import StockBoot
from enoslib_nxc.errors import BootError, CommandError, UnreachableError
from enoslib_nxc.model import Deployment, Entry
from enoslib_nxc.own_system import Met, Told
from enoslib_nxc.provision import Keys
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.state import Home
from tests.unit import factory

KEYS = Keys(authorized=("ssh-x U",), private="SECRET", public="ssh-x OURS")


def run(tmp_path: Path, **settings: object) -> Run:
    made = factory.deployment("server", "agent")
    update = {"stock": True, "entry": Entry(user="root")}
    machines = {h: m.model_copy(update=update) for h, m in made.machines.items()}
    made = made.model_copy(update={"machines": machines})
    begun = factory.run(tmp_path, made, **settings)
    begun.home.save(made)
    return begun


def met(host: str) -> Met:
    access = Access(host, "192.0.2.1", 22, "root", None, None)
    return Met(access, HostKey.PINNED, f"boot of {host}", "/usr/bin/python3")


@pytest.fixture
def shut(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Hosts that let no root in."""
    hosts: set[str] = set()

    def meet(_deployment: Deployment, _home: Home, host: str) -> Met:
        if host in hosts:
            raise UnreachableError(f"{host} (192.0.2.1) lets no root in: refused")
        return met(host)

    monkeypatch.setattr(own_system, "meet", meet)
    return hosts


def test_a_machine_that_lets_no_root_in_is_named(shut: set[str], tmp_path: Path) -> None:
    begun = run(tmp_path)
    assert set(stock.enter(begun, StockBoot(), ["server", "agent"])) == {"server", "agent"}
    shut.add("agent")
    with pytest.raises(BootError) as caught:
        stock.enter(begun, StockBoot(), ["server", "agent"])
    assert caught.value.details == "agent (192.0.2.1) lets no root in: refused"
    kept = begun.home.load()
    assert kept
    assert {machine.state for machine in kept.machines.values()} == {"planned"}


def test_within_min_it_is_done_without(shut: set[str], tmp_path: Path) -> None:
    begun = run(tmp_path, min=1)
    shut.add("agent")
    assert set(stock.enter(begun, StockBoot(), ["server", "agent"])) == {"server"}
    kept = begun.home.load()
    assert kept
    assert kept.machines["agent"].state == "lost"


def test_it_is_on_record_before_a_machine_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun = run(tmp_path)
    seen = []

    def tell(_deployment: Deployment, given: Met, told: Told) -> Met:
        kept = begun.home.load()
        assert kept
        seen.append((given.access.name, kept.machines[given.access.name].state))
        assert (told.names, told.private, told.public) == (("server",), "SECRET", "ssh-x OURS")
        assert told.known == "server ssh-x K"
        return given

    monkeypatch.setattr(own_system, "join", tell)
    every = {host: met(host) for host in ("server", "agent")}
    done = stock.join(begun, StockBoot(), every, KEYS, "server ssh-x K\n")
    assert sorted(seen) == [("agent", "started"), ("server", "started")]
    assert {m.state for m in done.deployment.machines.values()} == {"up"}
    assert done.machine("agent").boot_id == "boot of agent"


def test_keys_stay_away_where_trust_is_left_to_nxc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun = run(tmp_path, ssh={"trust": "nxc"})
    told: list[Told] = []

    def tell(_deployment: Deployment, given: Met, what: Told) -> Met:
        told.append(what)
        return given

    monkeypatch.setattr(own_system, "join", tell)
    stock.join(begun, StockBoot(), {"server": met("server")}, KEYS, "")
    assert (told[0].private, told[0].public) == ("", "")


def test_what_stays_on_a_machine_that_is_no_more_needed_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = []
    begun = replace(run(tmp_path), report=lambda event: told.append(event.message))
    monkeypatch.setattr(own_system, "leave", lambda *_words: ("agent keeps names and key",))
    StockBoot().stop(begun, ["agent"])
    assert told == ["agent keeps names and key"]


def test_what_cannot_be_written_is_told_of_its_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def tell(*_words: object) -> Met:
        raise CommandError("ssh failed with exit status 1", details="/etc/hosts: Read-only")

    monkeypatch.setattr(own_system, "join", tell)
    begun = replace(run(tmp_path))
    with pytest.raises(BootError) as caught:
        stock.join(begun, StockBoot(), {"server": met("server")}, KEYS, "")
    assert caught.value.brief == "1 of 2 machines could not be set up: server"
    assert "/etc/hosts: Read-only" in caught.value.details
