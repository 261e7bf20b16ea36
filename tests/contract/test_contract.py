"""What every platform and boot keeps to, those of another package too; without machines."""

from __future__ import annotations

import copy
import inspect
import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from enoslib_nxc import artifacts, flavours, shell, state
from enoslib_nxc.booking import Booking
from enoslib_nxc.boots import Boot
from enoslib_nxc.errors import ToolMissingError
from enoslib_nxc.flavours import Source
from enoslib_nxc.platforms import Platform
from enoslib_nxc.provider import NixOSCompose
from tests.contract.subjects import CASES, HOSTS, Case, Subject, subject


@pytest.fixture(params=CASES, ids=str)
def of(
    request: pytest.FixtureRequest,
    other_package: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Subject:
    """Return each row of the table with a deployment of which nothing was started."""
    case: Case = request.param
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    if case.flavour == "docker":
        request.getfixturevalue("docker_daemon")
    if flavours.row(case.flavour).calendar:
        request.getfixturevalue("asked")
    vm_host = request.getfixturevalue("vm_host") if case.elsewhere else None
    return subject(case, vm_host)


@pytest.fixture
def no_process(of: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to start any process, once the subject is there."""

    def refuse(words: tuple[str, ...], **_how: object) -> None:
        pytest.fail(f"it started {' '.join(words)}")

    monkeypatch.setattr(shell, "_started", refuse)


@pytest.fixture
def no_programs(of: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no program installed."""
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))
    monkeypatch.setattr(shell, "SBIN", ())


def _calls(owner: type, names: list[str]) -> dict[str, list[tuple[str, object, object]]]:
    """Return how methods are called: name -> its parameters."""
    return {
        name: [
            (given.name, given.kind, given.default)
            for given in inspect.signature(getattr(owner, name)).parameters.values()
        ]
        for name in names
    }


@pytest.mark.parametrize("protocol", [Platform, Boot])
def test_members_are_those_of_the_protocol(of: Subject, protocol: type) -> None:
    made = of.platform if protocol is Platform else of.boot
    names = [
        name
        for name, member in vars(protocol).items()
        if inspect.isfunction(member) and not name.startswith("_")
    ]
    assert names
    assert _calls(type(made), names) == _calls(protocol, names)
    if protocol is Platform:
        assert isinstance(of.platform.keeps, bool)


def test_a_row_is_told_in_one_line(of: Subject) -> None:
    assert of.row.name in flavours.names()
    assert re.fullmatch(r"\S.*\S", of.row.description)


@pytest.mark.usefixtures("no_process")
def test_a_shape_is_stable_and_plain(of: Subject) -> None:
    """It is part of the identity: what a machine went through must not change it."""
    settings = of.provider.settings
    for node in of.plan.nodes:
        machine = of.deployment.machines[node.host]
        shape = of.boot.shape(settings, node, machine)
        assert json.loads(json.dumps(shape)) == shape
        later = machine.model_copy(
            update={"state": "up", "boot_id": "1", "python": "/usr/bin/python3"}
        )
        assert of.row.boot().shape(settings, node, later) == shape


def test_planned_machines_are_neither_alive_nor_heard(of: Subject) -> None:
    assert of.boot.alive(of.deployment, of.home) == set()
    assert [of.boot.log(of.run, host) for host in HOSTS] == ["", "", ""]


@pytest.mark.usefixtures("no_process")
def test_the_end_of_nothing(of: Subject) -> None:
    of.boot.stop(of.run, [])
    of.boot.close()
    of.boot.close()


def test_what_was_never_started_is_given_back_at_once_and_again(of: Subject) -> None:
    for _time in ("first", "second"):
        assert of.platform.release(of.deployment, of.home, 10) == ()


@pytest.mark.parametrize("before", [True, False], ids=["on record", "new"])
@pytest.mark.usefixtures("no_process")
def test_foreseen_is_a_seat_for_each_host_and_nothing_is_asked_for(
    of: Subject, request: pytest.FixtureRequest, before: bool
) -> None:
    kept = sorted(of.home.path.rglob("*"))
    previous = of.deployment if before else None
    outlook = of.platform.foresee(of.provider.settings, of.plan, previous)
    assert set(outlook.seats) == set(HOSTS)
    known = {network.id for network in outlook.networks}
    assert all(
        seat.networks and known.issuperset(seat.networks) for seat in outlook.seats.values()
    )
    assert (outlook.reservation is not None) == of.row.calendar
    assert sorted(of.home.path.rglob("*")) == kept
    if of.row.calendar:
        assert set(request.getfixturevalue("asked")) <= {"GET"}


def _pickled(given: object) -> object:
    return pickle.loads(pickle.dumps(given))


@pytest.mark.parametrize("way", [copy.deepcopy, _pickled], ids=["deepcopy", "pickle"])
def test_copies_know_the_same(of: Subject, way: Callable[[object], object]) -> None:
    """`Providers` copies providers, `@enostask` pickles them."""
    other = way(of.provider)
    assert isinstance(other, NixOSCompose)
    assert other.settings == of.provider.settings
    assert other.deployment == of.deployment
    source = Source.of(other.hosts, Booking(), other.vm_hosts)
    assert source == of.source == way(of.source)
    assert type(flavours.on(of.provider.settings.flavour, source).boot()) is type(of.boot)


@pytest.mark.parametrize("copied", [True, False], ids=["of a copy", "of the original"])
def test_destroy_ends_it_whichever_object_is_asked(of: Subject, copied: bool) -> None:
    duplicate = copy.deepcopy(of.provider)
    first, second = (duplicate, of.provider) if copied else (of.provider, duplicate)
    assert first.deployment == second.deployment == of.deployment
    first.destroy()
    assert state.find("contract") is None
    assert second.deployment is None
    second.destroy()


def _names_what_to_install(error: ToolMissingError) -> None:
    assert re.fullmatch(r"\S+ is not installed; it is needed \S.*", error.brief)
    assert re.fullmatch(r"apt-get install [a-z0-9][a-z0-9+.-]+", error.resolution)


@pytest.mark.usefixtures("no_programs", "no_process")
def test_a_boot_names_the_program_that_is_missing(of: Subject) -> None:
    with pytest.raises(ToolMissingError) as caught:
        of.boot.require()
    _names_what_to_install(caught.value)


@pytest.mark.usefixtures("no_programs", "no_process")
def test_what_is_missing_is_told_before_anything_is_built(
    of: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    if of.row.name == "nspawn" and os.geteuid() != 0:
        pytest.skip("that root is needed comes first")
    monkeypatch.setattr(artifacts, "obtain", lambda *_given, **_more: pytest.fail("it built"))
    with pytest.raises(ToolMissingError) as caught:
        of.platform.check(of.provider.settings)
    _names_what_to_install(caught.value)
    with pytest.raises(ToolMissingError) as again:
        of.provider.init()
    assert str(again.value) == str(caught.value)
    assert of.home.load() == of.deployment
