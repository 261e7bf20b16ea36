import json
from dataclasses import dataclass, field

import pytest

from enoslib_nxc.errors import CommandError
from enoslib_nxc.rehearsal import oar_sql
from enoslib_nxc.rehearsal.jobs import State
from enoslib_nxc.rehearsal.oar import Oar, Place
from enoslib_nxc.rehearsal.resources import resources_of
from enoslib_nxc.rehearsal.site import build, read_site

SITE = build(read_site({"site": "lille", "cluster": "chiclet", "nodes": 1, "cores": 1}))
ROW = {
    "uid": 7,
    "user": "alice",
    "name": None,
    "project": "default",
    "queue": "default",
    "command": "sleep 1d",
    "properties": "drain='NO'",
    "reserved": False,
    "state": "Running",
    "submission_time": 100,
    "start_time": 102,
    "stop_time": 0,
    "message": "R=1,W=1:0:0,J=B",
    "walltime": 5400,
    "predicted": 102,
    "pending": 60,
    "granted": 1800,
    "delay": True,
    "granted_delay": 1800,
    "changed": True,
    "held": True,
    "types": ["deploy"],
    "events": ["WALLTIME"],
    "resources": [1],
}


def _job(**fields):
    text = json.dumps({"now": 110.5, "hosts": {"n": "Alive"}, "jobs": [{**ROW, **fields}]})
    return oar_sql.read(text).jobs[0].job()


def test_a_row_becomes_a_job():
    job = _job()
    assert (job.uid, job.state, job.order.user, job.order.deploy) == (
        *(7, State.RUNNING, "alice", True),
    )
    assert (job.started_at, job.planned.start, job.resources) == (102, 102, frozenset({1}))
    # the walltime in the database is the one after the change
    assert (job.walltime, job.ends_at, job.order.request.walltime) == (5400, 5502, 3600)
    assert (job.change.pending, job.change.granted, job.change.delay) == (60, 1800, True)
    assert (job.reserved, job.events, job.ended) == (False, ("WALLTIME",), False)


@pytest.mark.parametrize(
    ("fields", "reservation", "planned"),
    [
        ({"reserved": True, "predicted": None}, 102, 102),
        ({"predicted": 200, "start_time": 0}, None, 200),
        ({"resources": []}, None, None),
    ],
)
def test_when_a_job_is_to_start(fields, reservation, planned):
    job = _job(**fields, changed=False)
    assert job.order.reservation == reservation
    assert (job.planned and job.planned.start) == planned
    assert job.change is None


@pytest.mark.parametrize("state", [state.value for state in State])
def test_every_state_of_oar_is_known(state):
    assert _job(state=state).state.value == state


def test_resources_as_sql():
    resources = resources_of(SITE)
    lines = oar_sql.insertion(resources).splitlines()
    added = [line for line in lines if line.startswith("ALTER")]
    assert len(lines) == len(added) + len(resources)
    assert "ALTER TABLE resources ADD COLUMN cluster VARCHAR(255);" in added
    assert "ALTER TABLE resources ADD COLUMN cpu INT;" in added
    # OAR's own columns are not added again
    assert not any(f" {name} " in line for line in added for name in oar_sql.OWN_COLUMNS)
    names, _, values = lines[len(added)].partition(" VALUES ")
    columns = names.partition("(")[2].rstrip(") ").split(", ")
    row = dict(zip(columns, values[1:-2].split(", "), strict=True))
    assert row["network_address"] == row["host"] == "'chiclet-1.lille.grid5000.fr'"
    assert (row["core"], row["deploy"], row["type"]) == ("1", "'YES'", "'default'")
    assert "resource_id" not in row
    assert "vlan" not in row


NODE = "chiclet-1.lille.grid5000.fr"


@dataclass(frozen=True)
class _Deadlocks(Place):
    """An OAR whose database ends the first requests for a state in a deadlock."""

    refusals: list[str] = field(kw_only=True)
    states: list[str] = field(default_factory=lambda: ["Absent"])

    def administer(self, *argv):
        assert argv == ("oarnodesetting", "-h", NODE, "-s", "Alive")
        if self.refusals:
            raise CommandError("failed with exit status 4", details=self.refusals.pop())
        self.states.append("Alive")

    def query(self, sql):
        return json.dumps({"now": 1, "hosts": {NODE: self.states[-1]}, "jobs": []})


UNKNOWN = f"/!\\ Node {NODE} does not exist in OAR database."


def test_a_state_is_asked_for_again_after_a_deadlock():
    oar = Oar(resources_of(SITE), _Deadlocks(refusals=[UNKNOWN, UNKNOWN]))
    oar.set_host_state(NODE, "Alive")
    assert oar.host_state(NODE) == "Alive"


@pytest.mark.parametrize(("refusal", "tries"), [(UNKNOWN, 5), ("no such server", 1)])
def test_a_state_that_cannot_be_set(refusal, tries):
    place = _Deadlocks(refusals=[refusal] * 9)
    with pytest.raises(CommandError, match="exit status 4"):
        Oar(resources_of(SITE), place).set_host_state(NODE, "Alive")
    assert len(place.refusals) == 9 - tries
