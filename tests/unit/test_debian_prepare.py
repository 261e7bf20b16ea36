"""Which sources are fetched, and what happens when a pinned version has gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from enoslib_nxc.debian import EMBEDDED_DIR, LOCK_NAME, prepare, write_lock
from enoslib_nxc.debian.lock import Source, read_lock
from enoslib_nxc.errors import BuildError
from enoslib_nxc.events import Event, Phase, Status
from enoslib_nxc.nix import NixStore

from .archive import PINNED, digest, install, pin, write_flake


@pytest.fixture
def archive(monkeypatch, tmp_path):
    return install(monkeypatch, tmp_path / "cache")


@pytest.fixture
def flake(tmp_path):
    return write_flake(tmp_path / "flake")


def run(flake: Path, *, locked: bool = False, flavour: str = ""):
    events: list[Event] = []
    made = prepare(
        flake,
        store=NixStore(),
        locked=locked,
        report=events.append,
        timeout=9,
        flavour=flavour,
    )
    assert {event.phase for event in events} == {Phase.FETCH}
    return made, events[-1]


def test_a_first_fetch_takes_the_pinned_versions(archive, flake):
    made, end = run(flake)
    assert sorted(archive.calls) == [
        "add 4",
        "get bash=1",
        "get hello=1",
        "get libc6=1",
        "pip nixos-compose==1",
    ]
    assert made.lock == PINNED
    assert made.successors == ()
    assert end.status is Status.DONE


def test_a_second_one_asks_nobody(archive, flake):
    run(flake)
    archive.calls.clear()
    made, end = run(flake)
    assert archive.calls == []
    assert end.status is Status.NOOP
    assert end.message == "all 4 sources are in the store"
    assert (made.flake_dir / LOCK_NAME).read_text() == PINNED.dump()


def test_the_cache_fills_a_store_that_was_emptied(archive, flake):
    run(flake)
    archive.store.clear()
    archive.calls.clear()
    run(flake, locked=True)
    assert archive.calls == ["add 4"]


def test_a_damaged_file_of_the_cache_is_fetched_again(archive, flake, tmp_path):
    run(flake)
    archive.store.clear()
    archive.calls.clear()
    (tmp_path / "cache/enoslib-nxc/debian/bash_1_amd64.deb").write_text("cut")
    run(flake)
    assert archive.calls == ["get bash=1", "add 4"]


@pytest.fixture
def two_kernels(archive, flake):
    """A lock with a kernel that only flavour vm needs."""
    packages = (*PINNED.packages, pin("linux", "1"), pin("linux-image", "1", "linux"))
    archive.versions |= {"linux": "1", "linux-image": "1"}
    archive.depends |= {"linux-image": ("linux",)}
    groups = {**PINNED.groups, "kernel-9p": ("linux-image",)}
    lock = PINNED.model_copy(update={"groups": groups, "packages": packages})
    (flake / LOCK_NAME).write_text(lock.dump())
    return lock


def test_what_one_flavour_needs_is_fetched_for_it_alone(archive, flake, two_kernels):
    made, _ = run(flake, flavour="vm-ramdisk")
    assert made.lock == two_kernels
    assert not [call for call in archive.calls if "linux" in call]
    again, end = run(flake, flavour="g5k-image")
    assert end.message == "all 4 sources are in the store"
    archive.calls.clear()
    assert run(flake, flavour="vm")[0] == made == again
    assert sorted(archive.calls) == ["add 2", "get linux-image=1", "get linux=1"]
    archive.store.clear()
    assert run(flake)[1].status is Status.DONE
    assert "add 6" in archive.calls


def test_nor_are_its_successors_fetched_for_others(archive, flake, two_kernels):
    archive.versions |= {"bash": "2", "linux": "2"}
    made, _ = run(flake, flavour="vm-ramdisk")
    assert made.successors == ("bash 1 -> 2", "linux 1 -> 2")
    assert not [call for call in archive.calls if "get linux" in call]


def test_successors_are_taken_reported_and_remembered(archive, flake):
    archive.versions |= {"bash": "2", "libnew": "1"}
    archive.depends = {"bash": ("libc6", "libnew")}
    made, end = run(flake)
    assert made.successors == ("bash 1 -> 2", "libnew added -> 1")
    assert end.message == "sources fetched, 2 as successors"
    assert read_lock(made.flake_dir / LOCK_NAME) == made.lock
    assert read_lock(flake / LOCK_NAME) == PINNED
    archive.calls.clear()
    again, end = run(flake)
    assert again == made
    assert archive.calls == []
    assert end.status is Status.NOOP


def test_locked_names_what_has_gone(archive, flake):
    archive.versions |= {"bash": "2"}
    archive.wheels = {"nixos-compose": "2"}
    with pytest.raises(BuildError) as caught:
        run(flake, locked=True)
    assert caught.value.brief == (
        "2 pinned sources are no longer to be had: bash=1, nixos-compose=1"
    )
    assert "build.locked" in caught.value.resolution


def test_locked_does_not_take_remembered_successors(archive, flake):
    archive.versions |= {"bash": "2"}
    run(flake)
    with pytest.raises(BuildError, match="bash=1"):
        run(flake, locked=True)


def test_a_wheel_has_a_successor_too(archive, flake):
    archive.wheels = {"nixos-compose": "2"}
    made, _ = run(flake)
    assert made.successors == ("nixos-compose 1 -> 2",)
    assert made.lock.packages == PINNED.packages


@pytest.fixture
def tool(archive, flake):
    """A lock with a wheel besides NXC's, which the archive has."""
    made = Source(name="tool", version="1", sha256=digest("tool 1"), filename="t-1.whl")
    lock = PINNED.model_copy(update={"wheels": (made,)})
    (flake / LOCK_NAME).write_text(lock.dump())
    archive.wheels |= {"tool==1": "1", "tool": "1"}
    return made


def test_wheels_of_the_lock_are_fetched(archive, flake, tool):
    made, _ = run(flake)
    assert made.lock.wheels == (tool,)
    assert "pip tool==1" in archive.calls
    archive.calls.clear()
    run(flake)
    assert archive.calls == []


def test_each_wheel_has_a_successor_of_its_own(archive, flake, tool):
    archive.wheels |= {"tool==1": None, "tool": "2"}
    made, _ = run(flake)
    assert made.successors == ("tool 1 -> 2",)
    assert made.lock.wheel == PINNED.wheel
    assert [one.version for one in made.lock.wheels] == ["2"]


def test_a_package_is_added_to_a_lock(archive, flake):
    archive.versions |= {"cowsay": "3"}
    changed = write_lock(
        flake, store=NixStore(), report=lambda _: None, timeout=9, add=["cowsay"]
    )
    assert changed == ("cowsay added -> 3", "dool added -> 1.3.8")
    assert read_lock(flake / LOCK_NAME).groups["extra"] == ("cowsay", "hello")


def test_a_new_lock_starts_from_the_embedded_one(archive, tmp_path):
    archive.versions = dict.fromkeys(read_lock(EMBEDDED_DIR / LOCK_NAME).wanted(), "1")
    archive.depends = {}
    write_lock(tmp_path, store=NixStore(), report=lambda _: None, timeout=9)
    made = read_lock(tmp_path / LOCK_NAME)
    assert made.groups == read_lock(EMBEDDED_DIR / LOCK_NAME).groups
    assert [one.name for one in made.wheels] == ["dool"]


def test_a_lock_from_before_gets_the_wheels_when_it_is_renewed(archive, flake):
    write_lock(flake, store=NixStore(), report=lambda _: None, timeout=9)
    assert [one.name for one in read_lock(flake / LOCK_NAME).wheels] == ["dool"]
