"""Reservations of the provider on the rehearsed API, without machines behind the nodes."""

from __future__ import annotations

import copy
import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import enoslib as en
import pytest
from enoslib.errors import (
    InvalidReservationCritical,
    InvalidReservationTime,
    InvalidReservationTooOld,
    NegativeWalltime,
)
from enoslib.infra.enos_g5k.configuration import Configuration

from enoslib_nxc import NixOSCompose, NixOSComposeConf, standing, state
from enoslib_nxc.errors import ConfigError, NxcError, PlatformError, StateError
from enoslib_nxc.events import Event, Status, silent
from enoslib_nxc.g5k import api, awaited, jobs, request, walltime
from enoslib_nxc.model import Job
from enoslib_nxc.platforms.g5k import G5kPlatform
from enoslib_nxc.rehearsal.jobs import Pace
from enoslib_nxc.rehearsal.server import Rehearsal
from enoslib_nxc.rehearsal.service import Settings
from enoslib_nxc.rehearsal.site import read_site
from enoslib_nxc.rehearsal.testbed import MemoryTestbed
from enoslib_nxc.wait import Deadline
from tests.system import lab

SITES = [
    read_site({"site": "lille", "cluster": "chiclet", "nodes": 4}),
    read_site({"site": "nancy", "cluster": "grisou", "nodes": 2}),
    read_site({"site": "lyon", "cluster": "pyxis", "nodes": 1, "exotic": True}),
]
PACE = Pace(schedule=0.05, to_launch=0.05, launch=0.05, kill=0.05, finish=0.05)


@dataclass
class Grid:
    api: Rehearsal
    home: Path
    log: list[tuple[str, str, int]] = field(default_factory=list)

    def asked(self, method: str, target: str = "") -> int:
        return len([1 for m, t, _ in self.log if m == method and target in t])


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Grid]:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    log: list[tuple[str, str, int]] = []
    settings = Settings(MemoryTestbed(), time.time, pace=PACE)
    with Rehearsal(
        SITES, home, settings=settings, log=lambda *answer: log.append(answer)
    ) as rehearsal:
        yield Grid(rehearsal, home, log)
        for left in state.state_root().iterdir():
            standing.destroy(left.name, silent, 10)
    api.forget()


def conf(**more: object) -> NixOSComposeConf:
    g5k = {"cluster": "chiclet", "walltime": "00:30:00"}
    return NixOSComposeConf.from_dictionary(
        {
            "flavour": "g5k-ramdisk",
            "job_name": "jobs",
            "progress": "silent",
            "roles": {"server": 1, "agent": 1},
            **more,
            "g5k": {**g5k, **more.get("g5k", {})},  # type: ignore[dict-item]
        }
    )


def made(**more: object) -> NixOSCompose:
    return NixOSCompose(conf(**more))


def live(name: str = "jobs") -> list[Job]:
    return [
        Job(site=str(job.site), uid=int(job.uid)) for job in jobs.find(name, ["lille", "nancy"])
    ]


def test_reserve_find_again_and_destroy(grid: Grid) -> None:
    provider = made()
    assert not provider.is_created()
    provider.async_init()
    assert provider.is_created()
    (job,) = live()
    told = jobs.look(job)
    assert set(told.types) == {"origin=enoslib_nxc"}
    assert told.walltime == 1800
    assert provider.deployment is not None
    assert provider.deployment.jobs == (job,)
    # another object, a copy and a pickled one find the same
    for other in (made(), copy.deepcopy(provider), pickle.loads(pickle.dumps(provider))):
        other.async_init()
        assert live() == [job]
    made().destroy()
    assert not provider.is_created()
    assert state.find("jobs") is None
    assert jobs.states([job]) == {job: "error"}


def test_destroy_without_a_record(grid: Grid) -> None:
    provider = made()
    provider.async_init()
    (job,) = live()
    home = state.find("jobs")
    assert home
    home.remove()
    told: list[Event] = []
    provider.destroy(reporter=told.append)
    assert not live()
    assert [event.message for event in told if event.status is Status.PROGRESS] == [
        f"job {job.uid} of lille is deleted; its nodes were not sent back to their disks: "
        "nothing about them is on record here"
    ]


def test_a_job_that_runs_and_is_not_on_record(grid: Grid) -> None:
    provider = made()
    provider.async_init()
    (job,) = live()
    lab.until(lambda: jobs.look(job).state == "running")
    home = state.find("jobs")
    assert home
    home.remove()
    with pytest.raises(StateError) as caught:
        made().async_init()
    assert caught.value.brief == (
        f"job {job.uid} of lille runs, and nothing is on record here of what its nodes run"
    )
    assert state.find("jobs") is None
    assert live() == [job]


def test_a_program_killed_before_the_record_of_its_job(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submitted(self: object, *_given: object, **_more: object) -> None:
        reserve(self, *_given, **_more)  # type: ignore[operator]
        raise KeyboardInterrupt

    reserve = G5kPlatform.reserve
    monkeypatch.setattr(G5kPlatform, "reserve", submitted)
    with pytest.raises(KeyboardInterrupt):
        made().async_init()
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(grid.home))
    (job,) = live()
    made().async_init()
    assert live() == [job]
    made().destroy()
    assert not live()


def test_an_api_that_is_away_while_a_job_waits(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    booked = jobs.reserve(_request())
    refreshed, said = awaited._refreshed, []
    answers = iter(["the API failed (503); asking again", ""])
    monkeypatch.setattr(awaited, "_refreshed", lambda job: next(answers, "") or refreshed(job))
    awaited.wait(booked, Deadline(20), said.append)
    assert said[0] == "the API failed (503); asking again"


def test_sites_that_are_left_out_stay_on_record(grid: Grid) -> None:
    both = {"server": {"nodes": 1, "cluster": "grisou"}, "agent": 1}
    made(roles=both).async_init()
    assert {job.site for job in live()} == {"lille", "nancy"}
    made(roles={"agent": 1}).async_init()
    provider = made(roles={"agent": 1})
    assert provider.deployment
    assert {job.site for job in provider.deployment.jobs} == {"lille", "nancy"}
    provider.destroy()
    assert not live()


def test_a_job_about_to_be_launched_is_found(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = made()
    provider.async_init()
    monkeypatch.setattr(jobs, "LISTED", "hold")  # what the filter finds of `tolaunch`: nothing
    provider.async_init()
    assert len(live()) == 1


def test_a_job_of_that_name_that_is_not_ours(grid: Grid) -> None:
    other = en.G5kConf.from_settings(job_name="jobs", walltime="00:10:00")
    en.G5k(other.add_machine(roles=["x"], cluster="chiclet").finalize()).async_init()
    with pytest.raises(StateError) as caught:
        made().async_init()
    assert "is named jobs too, and enoslib-nxc did not reserve it" in caught.value.brief
    assert grid.asked("POST", "/jobs") == 1


def test_another_type_is_refused_not_killed(grid: Grid) -> None:
    made().async_init()
    with pytest.raises(StateError, match="lacks the type deploy"):
        made(g5k={"job_type": "deploy", "env_name": "debian12-min"}).async_init()
    assert len(live()) == 1


def test_what_is_reserved(grid: Grid) -> None:
    servers = ["grisou-2.nancy.grid5000.fr"]
    provider = made(
        roles={
            "server": {"servers": servers, "secondary_networks": ["lan"]},
            "agent": {"nodes": 2},
        },
        networks=[
            {"roles": ["inner"], "id": "lan", "type": "kavlan", "site": "nancy"},
            {"roles": ["ips"], "type": "slash_22", "site": "lille"},
        ],
        g5k={"env_name": "debian12-min", "monitor": "prom_.*", "project": "team"},
    )
    provider.async_init()
    found = {job.site: jobs.look(job) for job in live()}
    for told in found.values():
        assert set(told.types) >= {"deploy", "monitor=prom_.*", "origin=enoslib_nxc"}
    assert found["nancy"].assigned_nodes == servers
    assert len(found["lille"].assigned_nodes) == 2
    assert len(found["nancy"].resources_by_type["vlans"]) == 1
    assert len(found["lille"].resources_by_type["subnets"]) == 1


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"g5k": {"cluster": "chiclett"}}, 'g5k.cluster: Grid\'5000 has no cluster "chiclett"'),
        ({"g5k": {"cluster": None}}, "2 mistakes in the configuration"),
        (
            {"g5k": {"job_type": ["deploy"]}},
            "g5k.env_name: a kavlan, or a job of type deploy, "
            "needs an environment to boot from",
        ),
    ],
)
def test_refused_before_anything_is_built(
    grid: Grid, wish: dict[str, object], text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        made(**wish).async_init()
    assert caught.value.brief == text
    assert grid.asked("POST") == 0


def test_dates(grid: Grid) -> None:
    with pytest.raises(InvalidReservationTooOld):
        made(g5k={"reservation": "2020-01-01 10:00:00"}).async_init()
    with pytest.raises(InvalidReservationCritical, match="not enough"):
        made(roles={"agent": 9}).async_init()
    assert not live()
    start = int(time.time()) + 3600
    provider = made()
    assert provider.test_slot(start, start + 7200)
    provider.async_init(start_time=start)
    (job,) = live()
    assert abs(jobs.look(job).scheduled_at - start) <= 1
    booked = jobs.reserve(_request())
    with pytest.raises(PlatformError) as caught:
        awaited.wait(booked, Deadline(0.5), lambda _text: None)
    assert "not running within 0.5 s" in caught.value.brief
    assert awaited.clock(start) in caught.value.brief


def _request(**more: object) -> Configuration:
    settings = made(**more).settings
    return request.make(settings, {"server": 1, "agent": 1}, made()._source.booking)


def test_a_date_that_is_taken(grid: Grid) -> None:
    start = int(time.time()) + 3600
    made(job_name="other", roles={"agent": 3}).async_init(start_time=start)
    with pytest.raises(InvalidReservationTime) as caught:
        made().async_init(start_time=start)
    # after the other job, and the time that OAR keeps free
    assert start + 1800 <= caught.value.datetime.timestamp() <= start + 1800 + 120
    assert not live()
    assert state.find("jobs") is None


def test_an_exotic_cluster(grid: Grid) -> None:
    made(roles={"server": 1}, g5k={"cluster": "pyxis"}).async_init()
    (job,) = jobs.find("jobs", ["lyon"])
    assert "exotic" in job.types


def test_nothing_that_was_asked_for_is_dropped(grid: Grid) -> None:
    named = [f"chiclet-{number}.lille.grid5000.fr" for number in (1, 2, 3)]
    asked = made(
        roles={
            "server": {"servers": named, "nodes": 2, "min": 1},
            "agent": {"nodes": 1, "reservable_disks": True},
        }
    )
    made_of = request.make(asked.settings, {"server": 2, "agent": 1}, asked._source.booking)
    server, agent = made_of.machines
    assert server.oar() == (
        "lille",
        "{network_address in ('" + "', '".join(named) + "')}/nodes=2",
    )
    assert agent.oar() == (
        "lille",
        "{(type='default' or type='disk') AND cluster='chiclet'}/nodes=1",
    )


def test_a_slot_that_is_taken(grid: Grid) -> None:
    made(job_name="other", roles={"agent": 4}).async_init()
    deadline = Deadline(10)
    while jobs.look(live("other")[0]).state != "running":
        assert not deadline.passed
        time.sleep(0.1)
    provider = made()
    now = int(time.time()) + 60
    assert not provider.test_slot(now, now + 7200)
    assert provider.test_slot(now + 3600, now + 7200)


def test_two_providers_in_one_slot(grid: Grid) -> None:
    start = int(time.time()) + 600
    other = en.G5kConf.from_settings(job_name="stock", walltime="00:30:00")
    other.add_machine(roles=["stock"], cluster="grisou", nodes=2)
    both = en.Providers([made(), en.G5k(other.finalize())])
    both.async_init(start_time=start, time_window=3600)
    ours, theirs = jobs.look(live()[0]), both.providers[1].jobs[0]
    assert ours.scheduled_at == theirs.scheduled_at
    both.destroy()
    assert not live()


def test_providers_move_the_walltime(grid: Grid) -> None:
    provider = made()
    provider.offset_walltime(-600)
    provider.offset_walltime(+60)
    provider.async_init()
    (job,) = live()
    assert jobs.look(job).walltime == 1800 - 540
    with pytest.raises(NegativeWalltime):
        provider.offset_walltime(-1260)
    long = made(job_name="long", g5k={"walltime": "23:30:00"})
    long.offset_walltime(3600)  # beyond a day, where EnOSlib's own fails
    long.async_init()
    assert jobs.look(live("long")[0]).walltime == 24 * 3600 + 1800


def test_two_providers_of_one_name(grid: Grid) -> None:
    one, two = made(roles={"server": 1}), made(roles={"agent": 1})
    with pytest.raises(ConfigError) as caught:
        two.is_created()
    assert caught.value.brief == "job_name: two providers of this program are named jobs"
    grown = made(roles={"server": 2})
    del two, caught  # whose traceback keeps it too
    assert not grown.is_created()
    assert not one.is_created()


def test_the_walltime_that_is_left(grid: Grid) -> None:
    provider = made()
    assert provider.remaining_walltime() is None
    provider.async_init()
    awaited.wait(jobs.reserve(_request()), Deadline(20), lambda _text: None)
    left = provider.remaining_walltime()
    assert left is not None
    assert 1700 < left <= 1800
    provider.extend_walltime(900)
    deadline = Deadline(10)
    while (provider.remaining_walltime() or 0) < 1810:
        assert not deadline.passed
        time.sleep(0.1)
    with pytest.raises(StateError, match="deployment none has no reservation"):
        made(job_name="none").extend_walltime(60)


def test_a_job_that_ends_while_it_is_waited_for(grid: Grid) -> None:
    start = int(time.time()) + 3600
    provider = made()
    provider.async_init(start_time=start)
    (job,) = live()
    jobs.delete([job], 10)
    booked = jobs.Booked(en.G5k(_request()), fresh=False)
    booked.provider.driver._jobs = [jobs.look(job)]
    with pytest.raises(PlatformError) as caught:
        awaited.wait(booked, Deadline(10), lambda _text: None)
    assert caught.value.brief == f"job {job.uid} of lille ended before it ran: error"
    # a new one is reserved then
    again = made()
    again.async_init()
    assert live() != [job]
    assert len(live()) == 1


def test_jobs_that_are_named(grid: Grid) -> None:
    made().async_init()
    (job,) = live()
    named = made(job_name="named", g5k={"oargrid_jobids": [["lille", job.uid]]})
    named.async_init()
    assert named.deployment is not None
    assert named.deployment.jobs == (job,)
    assert grid.asked("POST", "/jobs") == 1
    jobs.delete([job], 10)
    with pytest.raises(NxcError, match=f"job {job.uid} of lille is over"):
        named.async_init()


def test_walltime_of_a_job_that_is_over(grid: Grid) -> None:
    made().async_init()
    (job,) = live()
    jobs.delete([job], 10)
    (left,) = walltime.remaining([job])
    assert left.seconds == 0


def test_a_walltime_that_runs_out(grid: Grid) -> None:
    provider = made(g5k={"cluster": "chiclet", "walltime": "00:00:02"})
    provider.async_init()
    (job,) = live()
    deadline = Deadline(20)
    while jobs.states([job])[job] in jobs.LIVE:
        assert not deadline.passed
        time.sleep(0.1)
    assert provider.remaining_walltime() is None
    assert not provider.is_created()
    # a new one is reserved then
    provider.async_init()
    assert len(live()) == 1
    assert live() != [job]
    provider.destroy()
    assert live() == []


def test_dates_are_those_of_the_sites() -> None:
    told = datetime(2026, 7, 1, 12, 0, 0, tzinfo=request.TIMEZONE)
    assert awaited.clock(told.timestamp()) == "2026-07-01 12:00:00"
