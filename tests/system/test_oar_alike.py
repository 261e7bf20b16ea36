"""One table of submissions, to a real OAR and to the one in memory: the same comes of each."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from contextlib import suppress
from datetime import datetime

import pytest

from enoslib_nxc.rehearsal.admission import TIMEZONE, JobRequest, date
from enoslib_nxc.rehearsal.jobs import Pace, State
from enoslib_nxc.rehearsal.oarsub import OarError
from enoslib_nxc.rehearsal.replies import RefusalError
from enoslib_nxc.rehearsal.scheduler import Scheduler
from enoslib_nxc.rehearsal.site import read_site
from enoslib_nxc.rehearsal.walltime import ChangeRequest
from tests.system import oar_machine

N = "chiclet-{}.lille.grid5000.fr".format
SITE = read_site(
    {
        "site": "lille",
        "clusters": [
            {"cluster": "chiclet", "nodes": 4},
            {"cluster": "drac", "nodes": 1, "exotic": True},
            {"cluster": "chifflot", "nodes": 1, "queues": ["admin", "production"]},
        ],
    }
)
DAY = 24 * 3600
PLACED = {
    "servers": {"resources": f"{{network_address in ('{N(4)}')}}/nodes=1"},
    "a server and nodes": {
        "resources": f"{{host in ('{N(4)}')}}/nodes=1+{{cluster='chiclet'}}/nodes=1"
    },
    "nothing": {},
    "a core of a node": {"resources": "/host=1/core=1"},
    "cores of nodes": {"resources": "/host=2/core=1"},
    "all": {"resources": "nodes=ALL"},
    "a kavlan": {"resources": "{type='kavlan'}/vlan=1+/nodes=1", "types": ["deploy"]},
    "a global kavlan": {"resources": "{type='kavlan-global'}/vlan=1+/nodes=1"},
    "a subnet": {"resources": "slash_22=1+/nodes=1"},
    "a wider subnet": {"resources": "slash_18=1+/nodes=1"},
    "as many subnets": {"resources": "slash_22=3"},
    "besteffort": {"types": ["besteffort"]},
    "exotic": {"types": ["exotic"], "resources": "{cluster='drac'}/nodes=1"},
    "production": {"queue": "production"},
    "properties and deploy": {"properties": "cpu = 4", "types": ["deploy"]},
    "order": {"properties": "core > 5"},
    "null": {"resources": "{type='kavlan' and cluster is null}/vlan=1"},
    "too old": {"reservation": "2020-01-01 10:00:00"},
    "no date": {"reservation": "2027-02-31 10:00:00"},
    "far away": {"reservation": "2031-01-01 10:00:00"},
    "reserved, too many": {"reservation": "2031-01-01 10:00:00", "resources": "nodes=9"},
    "reserved in summer": {"reservation": "2031-07-01 10:00:00"},
    "reserved, taken": {"reservation": 1800},
    "reserved, taken to the end": {"reservation": 3600, "resources": "nodes=4"},
    "reserved, too early": {"reservation": 3660, "resources": "nodes=4"},
    "reserved, afterwards": {"reservation": 3661, "resources": "nodes=4"},
    "reserved, a hole too small": {
        "reservation": DAY - 1859,
        "resources": "nodes=4,walltime=0:30",
    },
    "reserved, a hole": {"reservation": DAY - 1860, "resources": "nodes=4,walltime=0:30"},
    "reserved, a hole too wide": {
        "reservation": DAY - 1861,
        "resources": "nodes=4,walltime=0:30",
    },
    "reserved, elsewhere": {"reservation": 1800, "resources": "slash_22=1"},
}
TAKEN_OR_NOT = {
    "a node": {"resources": "nodes=1"},
    "nodes": {"resources": "/nodes=2,walltime=1"},
    "hosts": {"resources": "host=1,walltime=0:10"},
    "seconds": {"resources": "host=1,walltime=0:0:30"},
    "a core": {"resources": "core=1"},
    "a cpu": {"resources": "cpu=1"},
    "too many": {"resources": "nodes=5"},
    "a cluster": {"resources": "{cluster='chiclet'}/nodes=1,walltime=1:30:05"},
    "no cluster": {"resources": "{cluster='dahu'}/nodes=1"},
    "a column": {"resources": '{cluster="chiclet"}/nodes=1'},
    "no property": {"resources": "{clster='chiclet'}/nodes=1"},
    "half a condition": {"resources": "{cluster=}/nodes=1"},
    "half an and": {"resources": "{cluster='chiclet' and}/nodes=1"},
    "a local kavlan": {"resources": "{type='kavlan-local'}/vlan=1+/nodes=1"},
    "two global kavlans": {"resources": "{type='kavlan-global'}/vlan=2+/nodes=1"},
    "no resource": {"resources": "foo=1"},
    "the type": {"resources": "type=1"},
    "the state of deploy": {"resources": "deploy=1"},
    "no number": {"resources": "nodes=two"},
    "no count": {"resources": "nodes"},
    "a slash": {"resources": "nodes=1/"},
    "a plus": {"resources": "nodes=1+"},
    "no walltime": {"resources": "nodes=1,walltime=soon"},
    "only a walltime": {"resources": "walltime=1"},
    "only a condition": {"resources": "{cluster='chiclet'},walltime=2:00"},
    "a type that is none": {"types": ["deplooy"]},
    "EnOSlib's type": {"types": ["origin=enoslib_g5k"]},
    "deploy": {"types": ["deploy"], "resources": "nodes=2"},
    "deploy, a core": {"types": ["deploy"], "resources": "core=1"},
    "deploy, a resource": {"types": ["deploy"], "resources": "/host=1/resource_id=1"},
    "the besteffort queue": {"queue": "besteffort"},
    "besteffort, reserved": {"types": ["besteffort"], "reservation": "2099-01-01 10:00:00"},
    "exotic, not said": {"resources": "{cluster='drac'}/nodes=1"},
    "production, elsewhere": {
        "queue": "production",
        "resources": "{cluster='chiclet'}/nodes=1",
    },
    "admin": {"queue": "admin"},
    "no queue": {"queue": "testing"},
    "a project": {"project": "nxc", "name": "a name"},
    "properties": {"properties": "cluster='chiclet' or cluster='drac'"},
    "properties of none": {"properties": "cluster='dahu'"},
    "like": {"properties": "host like 'chiclet-%' and not host = 'x'"},
    "not null": {"resources": "{type='kavlan' and not cluster = 'x'}/vlan=1"},
}
NEWER = (
    # 2.5.9, and what 2.5.10 made of it (oarsub, IO.pm); what the rules say needs -v there
    (r"^\[ADMISSION RULE\] (Set default|Modify|Automatically) .*\n", ""),
    (r"^OAR_JOB_ID=-.*\n", ""),
    (r"^There are not enough", "# There are not enough"),
    (
        r"^\[ERROR\] Oarsub failed, please verify your request syntax\.",
        "# Error: please verify your job submission syntax.",
    ),
    (r"^Reservation mode: waiting", "# Advance reservation request: waiting for"),
    (r"^Reservation not valid", "# Reservation not valid"),
    (r"^/!\\ Cannot", "# Error: cannot"),
    (r"(?<=cannot recognize the resource description) :", ":"),
    (r"^ERROR : The queue (\S+) does not exist", r"# Error: queue '\1' does not exist"),
    # what PostgreSQL points at, and its hints
    (r"(?s)^DBD::Pg.*?^Bad resource request", "Bad resource request"),
    (r"(?s)^Bad resource request (\([^\n]*?)\n.*\)$", r"# Bad resource request \1)"),
)


def _newer(text: str) -> str:
    for pattern, replacement in NEWER:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


def _until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Try:
    """Submissions to one of the two.

    A job of an hour holds all nodes that are neither exotic nor for production, so that the
    others wait; a day after its start they are reserved.
    """

    def __init__(self, batch):
        self.batch = batch
        held = batch.submit(
            JobRequest(command="sleep 1d", resources="nodes=4,walltime=1"), "rehearsal"
        )
        _until(lambda: batch.job(held.uid).state is State.RUNNING)
        self.end = int(batch.job(held.uid).ends_at)
        reserved = batch.submit(
            JobRequest(
                command="true",
                resources="{cluster='chiclet'}/nodes=4",
                reservation=self._date(DAY),
            ),
            "bob",
        )
        self.base = {held.uid, reserved.uid}

    def __call__(self, row, *, placed):
        """Return what comes of a row, with dates as seconds after the end of that hour."""
        request = {"command": "true", **row}
        if isinstance(row.get("reservation"), int):
            request["reservation"] = self._date(row["reservation"])
        try:
            job = self.batch.submit(JobRequest(**request), "rehearsal")
        except OarError as error:
            text = _newer(str(error))
            text = re.sub(r"OAR_JOB_ID=\d+", "OAR_JOB_ID=N", text)
            text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", self._seconds, text)
            # 2.5.9 dies of what it cannot read, which its API then takes for its own fault
            status = 400 if "cannot recognize" in text else error.status
            return {"status": status, "text": text}
        if placed:
            _until(lambda: self.batch.job(job.uid).planned)
            job = self.batch.job(job.uid)
        taken = {
            **{key: getattr(job.order, key) for key in ("name", "project", "queue", "types")},
            "properties": job.order.properties,
            "walltime": job.walltime,
            # the scheduler drops the values of types, and adds a remark of its own
            "message": re.sub(r"(T=\w+)=\w+", r"\1", job.message.partition(" (")[0]),
        }
        if not placed:
            return taken  # the job stays: these come last
        with suppress(OarError):  # it has ended
            self.batch.delete(job, "rehearsal")
        _until(lambda: all(one.ended for one in self.batch.jobs() if one.uid not in self.base))
        return {
            **taken,
            "hosts": self.batch.hosts(job),
            "kinds": Counter(self.batch.resources[r].kind for r in job.resources),
            "start": self._start(row.get("reservation"), int(job.planned.start)),
        }

    def _start(self, reservation, start):
        if isinstance(reservation, str):
            return start
        return "at once" if start < time.time() + 5 else start - self.end

    def _date(self, seconds):
        """Return a moment after the job of an hour began."""
        return date(self.end - 3600 + seconds)

    def _seconds(self, found):
        moment = datetime.strptime(found[0], "%Y-%m-%d %H:%M:%S").replace(tzinfo=TIMEZONE)
        return f"{moment.timestamp() - self.end:+.0f} s"


@pytest.fixture(scope="module")
def oar(tmp_path_factory):
    with oar_machine.running(SITE, tmp_path_factory.mktemp("oar") / "log") as oar:
        yield oar


@pytest.fixture(scope="module")
def both(oar):
    pace = Pace(schedule=0, to_launch=0, launch=0, kill=0, finish=0)
    memory = Scheduler(list(oar.resources.values()), time.time, pace=pace)
    return Try(memory), Try(oar)


@pytest.mark.parametrize("row", PLACED.values(), ids=PLACED)
def test_the_same_place_is_found(both, row):
    memory, real = both
    assert memory(row, placed=True) == real(row, placed=True)


EXOTIC = JobRequest(
    command="sleep 1d", types=["exotic"], resources="{cluster='drac'}/nodes=1,walltime=1"
)


class Life:
    """Two jobs for the same node, from submission to end, and what is said to them."""

    def __init__(self, batch):
        self.batch = batch
        self.said = []
        self.uid = batch.submit(EXOTIC, "rehearsal").uid
        _until(lambda: self.job().state is State.RUNNING)
        self.behind = batch.submit(EXOTIC, "rehearsal").uid

    def job(self):
        return self.batch.job(self.uid)

    def change(self, walltime, **switches):
        request = ChangeRequest(walltime=walltime, **switches)
        self._listen(self.batch.change_walltime, self.job(), request)
        _until(lambda: not (self.job().change and self.job().change.pending))

    def delete(self, uid, user):
        self._listen(self.batch.delete, self.batch.job(uid), user)

    def gap(self):
        """Between the two jobs (s), once the scheduler has seen the last change of walltime."""
        _until(lambda: self._apart() < -self.job().change.granted)
        return self._apart()

    def _apart(self):
        planned = self.batch.job(self.behind).planned
        return planned.start - self.job().ends_at if planned else math.inf

    def _listen(self, ask, job, *words):
        try:
            text = ask(job, *words)
        except (OarError, RefusalError) as error:
            text = f"{error.status}: {error}"
        self.said.append(re.sub(rf"\b{job.uid}\b", "N", text.strip()))

    def end(self, uid, *, held):
        """Wait for a job's end, and until it has a place (it ran) or none any more.

        OAR's scheduler takes the places away and gives them back when it looks, that of a job
        which has ended meanwhile included.
        """
        _until(lambda: self.batch.job(uid).ended)
        _until(lambda: (self.batch.job(uid).planned is not None) is held)
        job = self.batch.job(uid)
        message = job.message.partition(" (")[0]
        return job.state, set(job.events), message, bool(job.stopped_at)


def _life(batch):
    life = Life(batch)
    for walltime in ("+0", "-0:10", "soon", "0:50", "1:00:00:00"):
        life.change(walltime)
    for switch in ("force", "delay_next_jobs"):
        life.change("+1", **{switch: True})
    gap = life.gap()
    for uid in (life.behind, life.uid):
        for user in ("bob", "rehearsal", "rehearsal"):
            life.delete(uid, user)
    ends = life.end(life.behind, held=False), life.end(life.uid, held=True)
    change, walltime = life.job().change, life.job().walltime
    return {
        **{"said": life.said, "gap": gap, "waited": ends[0], "ran": ends[1]},
        **{"granted": change.granted, "pending": change.pending, "walltime": walltime},
    }


def test_the_same_life(both):
    memory, real = (one.batch for one in both)
    assert _life(memory) == _life(real)


@pytest.mark.parametrize("row", TAKEN_OR_NOT.values(), ids=TAKEN_OR_NOT)
def test_the_same_is_taken(both, row):
    memory, real = both
    assert memory(row, placed=False) == real(row, placed=False)
