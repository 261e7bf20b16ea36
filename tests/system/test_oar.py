"""EnOSlib's Grid'5000 provider, unmodified, on a rehearsal whose scheduler is a real OAR."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from types import SimpleNamespace

import enoslib as en
import pytest
from enoslib.errors import (
    InvalidReservationCritical,
    InvalidReservationTime,
    InvalidReservationTooOld,
)
from enoslib.infra.enos_g5k import g5k_api_utils as utils
from enoslib.infra.enos_g5k.error import EnosG5kDuplicateJobsError
from grid5000 import Grid5000
from grid5000.exceptions import (
    Grid5000CreateError,
    Grid5000DeleteError,
    Grid5000ParsingError,
)

from enoslib_nxc.rehearsal.admission import TIMEZONE
from enoslib_nxc.rehearsal.server import Rehearsal
from enoslib_nxc.rehearsal.service import Settings
from enoslib_nxc.rehearsal.site import read_site
from enoslib_nxc.rehearsal.testbed import MemoryTestbed
from tests.system import oar_machine
from tests.system.grid import forget

SITE = read_site({"site": "lille", "cluster": "chiclet", "nodes": 4})
N = "chiclet-{}.lille.grid5000.fr".format


@pytest.fixture(scope="module")
def oar(tmp_path_factory):
    with oar_machine.running(SITE, tmp_path_factory.mktemp("oar") / "log") as oar:
        yield oar


def _until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def grid(oar, tmp_path, monkeypatch):
    """A rehearsal of one site; what its jobs hold is free again at its end."""
    monkeypatch.setenv("HOME", str(tmp_path))
    # EnOSlib waits 5 s and more between two looks
    short = SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, 0.2)))
    monkeypatch.setattr(utils, "time", short)
    forget()
    testbed = MemoryTestbed()
    settings = Settings(testbed, time.time, batches={"lille": oar})
    with Rehearsal([SITE], tmp_path, others=["bob"], settings=settings) as api:
        yield SimpleNamespace(api=api, testbed=testbed, oar=oar)
        for job in oar.jobs():
            if not job.ended:
                utils.job_delete(utils.get_site_obj("lille").jobs[job.uid])
        _until(lambda: all(job.ended for job in oar.jobs()))
    # the service may have ended between taking nodes out and bringing them back
    for number in range(1, 5):
        if oar.host_state(N(number)) != "Alive":
            oar.set_host_state(N(number), "Alive")
    forget()


def _provider(nodes=2, name="real-oar", **settings):
    conf = en.G5kConf.from_settings(job_name=name, walltime="00:30:00", **settings)
    conf.add_machine(roles=["c"], cluster="chiclet", nodes=nodes)
    return en.G5k(conf.finalize())


def _reserved(*args, **settings):
    provider = _provider(*args, **settings)
    provider.reserve()
    provider.wait()
    return provider


def test_from_reservation_to_the_end(grid):
    provider = _provider(2)
    assert not provider.is_created()
    provider.reserve()
    provider.wait()
    nodes, networks = provider.driver.resources()
    assert nodes == [N(1), N(2)]
    assert [(net.nature, net.descriptor) for net in networks] == [("prod", "DEFAULT")]
    (job,) = provider.jobs
    job.refresh()
    assert (job.state, job.user, job.name, job.walltime) == (
        *("running", "rehearsal", "real-oar", 1800),
    )
    assert job.types == ["origin=enoslib_g5k"]
    # another process finds it by its name
    again = _provider(2)
    assert again.is_created()
    again.reserve()
    again.wait()
    assert [found.uid for found in again.jobs] == [job.uid]
    assert again.driver.resources()[0] == nodes
    provider.destroy(wait=True)
    assert not again.is_created()
    _until(lambda: grid.testbed.ended == [job.uid])
    with pytest.raises(Grid5000DeleteError, match="This job was already killed"):
        job.delete()


def test_a_job_looks_as_one_in_memory_does(grid, tmp_path_factory):
    def look():
        job = _reserved(1).jobs[0]
        job.refresh()
        return dict(job.attributes)

    real = look()
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("memory")
        patch.setenv("HOME", str(home))
        forget()
        with Rehearsal([SITE], home):
            memory = look()
        forget()
    moments = {"uid", "submitted_at", "scheduled_at", "started_at", "links"}
    assert real.keys() == memory.keys()
    real["message"] = real["message"].partition(" (")[0]
    assert {k: v for k, v in real.items() if k not in moments} == {
        k: v for k, v in memory.items() if k not in moments
    }


def test_reservation_dates(grid):
    now = datetime.now(TIMEZONE).replace(microsecond=0)
    soon = now + timedelta(hours=1)

    def reserve(date, name):
        provider = _provider(4, name, reservation=date.strftime("%Y-%m-%d %H:%M:%S"))
        provider.reserve()
        return provider

    provider = reserve(soon, "first")
    assert provider.jobs[0].started_at == int(soon.timestamp())
    with pytest.raises(InvalidReservationTime) as error:
        reserve(soon + timedelta(minutes=10), "second")
    # OAR's own words: half an hour, a minute of security, and a second
    assert error.value.datetime == soon + timedelta(minutes=30, seconds=61)
    with pytest.raises(InvalidReservationTooOld):
        reserve(now - timedelta(hours=1), "third")
    start, end = int(soon.timestamp()), int(soon.timestamp()) + 7200
    assert [_provider(1).test_slot(at, end) for at in (start, start + 1861)] == [False, True]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"job_type": ["deplooy"]}, r"\[ADMISSION RULE\] Error: unknown job type: deplooy"),
        ({"queue": "production"}, "There are not enough resources for your request"),
        ({"queue": "testing"}, "(?s)500: .*The queue testing does not exist"),
        ({"nodes": 5}, "There are not enough resources for your request"),
    ],
)
def test_oars_refusals_reach_the_user(grid, settings, text):
    with pytest.raises(InvalidReservationCritical, match=text):
        _provider(**settings).reserve()


def test_a_cluster_or_property_that_oar_does_not_have(grid):
    jobs = utils.get_site_obj("lille").jobs
    for resources, text in (
        ("{cluster='dahu'}/nodes=1", "There are not enough resources for your request"),
        ("{clster='dahu'}/nodes=1", r"Bad resource request \(ERROR:  column .*clster"),
    ):
        with pytest.raises(Grid5000CreateError, match=f"(?s)400: .*{text}"):
            jobs.create({"command": "sleep 1d", "resources": resources})


def test_a_kavlan_and_a_subnet(grid):
    conf = en.G5kConf.from_settings(
        job_name="networks", job_type=["deploy"], env_name="debian12-min", walltime="00:30:00"
    )
    vlan = en.G5kNetworkConf(id="v", roles=["v"], type="kavlan", site="lille")
    conf.add_network_conf(vlan)
    conf.add_machine(roles=["c"], cluster="chiclet", nodes=1, primary_network=vlan)
    conf.add_network(id="s", roles=["s"], type="slash_22", site="lille")
    provider = en.G5k(conf.finalize())
    provider.reserve()
    provider.wait()
    nodes, networks = provider.driver.resources()
    assert nodes == [N(1)]
    found = {net.nature: net.descriptor for net in networks}
    assert found == {"prod": "DEFAULT", "kavlan": "4", "slash_22": "10.136.0.0/22"}
    job = provider.jobs[0]
    job.refresh()
    assert job.resources_by_type == {
        "cores": [f"{N(1)}/0", f"{N(1)}/1"],
        "vlans": ["4"],
        "subnets": ["10.136.0.0/22"],
    }
    provider.destroy(wait=True)
    # the node of a deploy job is absent until it is back in the standard environment
    _until(lambda: grid.testbed.resets == [N(1)])


def test_walltime_changes(grid):
    provider = _reserved(4)
    (job,) = provider.jobs
    behind = _provider(4, "behind")
    behind.reserve()
    assert job.walltime_change.get().possible == "UNLIMITED"
    with pytest.raises(Grid5000ParsingError):  # granted all the same, see the documentation
        job.walltime_change.create({"walltime": "-0:10"})
    _until(lambda: job.walltime_change.get().walltime == "0:20:0")
    change = job.walltime_change.get()
    assert (change.granted, change.pending) == ("-0:10:0", "0:0:0")
    job.refresh()
    assert job.walltime == 1200
    with pytest.raises(Grid5000CreateError, match="400: Walltime change is null"):
        job.walltime_change.create({"walltime": "+0"})
    client = Grid5000(uri=grid.api.uri, username="bob", password=grid.api.passwords["bob"])
    theirs = client.sites["lille"].jobs[job.uid]
    with pytest.raises(Grid5000CreateError, match=f"403: Job {job.uid} does not belong to you"):
        theirs.walltime_change.create({"walltime": "+1"})
    behind.destroy(wait=True)
    with pytest.raises(Grid5000ParsingError):
        job.walltime_change.create({"walltime": "+1"})
    _until(lambda: job.walltime_change.get().walltime == "1:20:0")


def test_two_jobs_of_one_name(grid):
    first = _reserved(1)
    # EnOSlib itself would take the first one for its own
    second = utils.get_site_obj("lille").jobs.create(
        {"command": "sleep 1d", "resources": "nodes=1", "name": "real-oar"}
    )
    _until(lambda: second.refresh() or second.state == "running")
    with pytest.raises(EnosG5kDuplicateJobsError, match="with the same name real-oar"):
        _provider(1).is_created()
    utils.job_delete(second, wait=True)
    assert _provider(1).is_created()
    first.destroy(wait=True)
    assert not _provider(1).is_created()
