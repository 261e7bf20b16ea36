"""The end of a deployment on Grid'5000: what is tried although something else fails."""

from types import SimpleNamespace

import pytest

from enoslib_nxc import standing, state
from enoslib_nxc.errors import PlatformError
from enoslib_nxc.g5k import jobs, published, staging
from enoslib_nxc.g5k.api import ApiError
from enoslib_nxc.g5k.published import Kept, Published
from enoslib_nxc.model import Job, Reserved
from enoslib_nxc.platforms import g5k
from enoslib_nxc.platforms.g5k import G5kPlatform
from enoslib_nxc.state import Home
from tests.unit import factory

SITES = ("lille", "nancy", "rennes")
PATH = "/home/ada/public/enoslib-nxc/0/deployment.json"


class World:
    """Sites whose API may be down, jobs, and a home that may not be reached."""

    def __init__(self):
        self.down, self.jobs, self.rebooted = set(), {}, []
        self.shut, self.discarded = False, []

    def _ask(self, site, what):
        if site in self.down:
            raise ApiError(f"{what}: {site} does not answer")

    def look(self, job):
        self._ask(job.site, f"find job {job.uid} of {job.site}")
        told = SimpleNamespace(uid=job.uid, site=job.site, state=self.jobs[job])
        told.refresh = lambda: setattr(told, "state", self.jobs[job])
        return told

    def named(self, name, site):
        self._ask(site, f"list the jobs of {site}")
        found = [job for job in self.jobs if job.site == site and self.jobs[job] == "running"]
        return [SimpleNamespace(uid=job.uid, types=[jobs.ORIGIN]) for job in found]

    def delete(self, told):
        self.jobs[Job(site=told.site, uid=told.uid)] = "error"

    def discard(self, staged):
        if self.shut:
            raise PlatformError("lille cannot be reached")
        self.discarded.append(staged.path)

    def release_nodes(self, deployment, *_args):
        self.rebooted += deployment.machines
        return ()


@pytest.fixture
def world(monkeypatch):
    world = World()
    monkeypatch.setattr(jobs, "look", world.look)
    monkeypatch.setattr(jobs, "_named", world.named)
    monkeypatch.setattr(jobs, "sites", lambda: list(SITES))
    monkeypatch.setattr(jobs.g5k_api_utils, "job_delete", world.delete)
    monkeypatch.setattr(jobs.api, "call", lambda _what, ask, **_more: ask())
    monkeypatch.setattr(staging, "at", lambda *_args: world)
    monkeypatch.setattr(g5k, "release_nodes", world.release_nodes)
    return world


def on(*sites):
    """Return a deployment with a node, and a job, on each site."""
    hosts = [f"agent{number}" for number, _ in enumerate(sites, 1)]
    made = factory.deployment(*hosts, state="up")
    machines = {
        host: made.machines[host].model_copy(
            update={"reserved": Reserved(node=f"n-1.{site}.grid5000.fr", site=site, job=7)}
        )
        for host, site in zip(hosts, sites, strict=True)
    }
    held = tuple(Job(site=site, uid=7) for site in sites)
    made = factory.having(made, machines=machines.values(), flavour="g5k-ramdisk")
    return made.model_copy(update={"jobs": held, "login": "ada"})


def test_a_site_that_does_not_answer_does_not_keep_the_jobs_of_others(world, tmp_path):
    world.jobs = {Job(site=site, uid=7): "running" for site in SITES}
    unknown = Job(site="rennes", uid=8)  # of a program that was killed
    world.jobs[unknown] = "running"
    world.down = {"lille"}
    with pytest.raises(ApiError) as caught:
        G5kPlatform().release(on(*SITES), Home(tmp_path), 5)
    assert caught.value.brief == "find job 7 of lille: lille does not answer"
    running = [job for job, told in world.jobs.items() if told == "running"]
    assert running == [Job(site="lille", uid=7)]
    assert world.rebooted == ["agent2", "agent3"]
    # once it answers again
    world.down = set()
    assert G5kPlatform().release(on(*SITES), Home(tmp_path), 5) == ()
    assert "running" not in world.jobs.values()
    assert world.rebooted == ["agent2", "agent3", "agent1"]


def test_all_sites_that_do_not_answer_are_named(world, tmp_path):
    world.jobs = {Job(site=site, uid=7): "running" for site in SITES}
    world.down = {"lille", "nancy"}
    with pytest.raises(PlatformError) as caught:
        G5kPlatform().release(on(*SITES), Home(tmp_path), 5)
    assert caught.value.brief == "2 jobs were not deleted: 7 of lille, 7 of nancy"
    assert caught.value.details == (
        "find job 7 of lille: lille does not answer\nfind job 7 of nancy: nancy does not answer"
    )


def test_what_cannot_be_taken_back_from_a_home_stays_on_record(world, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    job = Job(site="lille", uid=7)
    world.jobs, world.shut = {job: "running"}, True
    with state.claim("test") as home:
        home.save(on("lille"))
        kept = Kept(site="lille", path=PATH, url="http://lille/0/deployment.json")
        published.save(home, Published(login="ada", files=(kept,)))
    told = []

    def destroy():
        told.clear()
        standing.destroy("test", lambda event: told.append(event.message), 5)

    destroy()
    assert f"{PATH} on lille was not removed: lille cannot be reached" in told
    assert "the record of test stays: destroy() it again for these" in told
    assert world.jobs[job] == "error"
    found = state.find("test")
    assert found
    assert published.load(found).files == (kept,)
    world.shut = False
    destroy()
    assert world.discarded == [PATH]
    assert state.find("test") is None
