import random
import re
from contextlib import suppress

import pytest

from enoslib_nxc.rehearsal.admission import date
from enoslib_nxc.rehearsal.oarsub import OarError
from enoslib_nxc.rehearsal.replies import RefusalError
from enoslib_nxc.rehearsal.walltime import ChangeRequest, Rules
from tests.unit.rehearsal_lab import START, Lab

RESERVED = "2026-03-02 13:00:00"  # one hour from the start


def test_a_job_goes_through_oars_states():
    lab = Lab()
    uid = lab.submit("nodes=2,walltime=0:1").uid
    seen = []
    for _ in range(640):
        if not seen or seen[-1] != lab.state(uid):
            seen.append(lab.state(uid))
        lab.wait(0.1)
    assert seen == ["Waiting", "toLaunch", "Launching", "Running", "Finishing", "Error"]
    job = lab.job(uid)
    assert (job.started_at - START, job.stopped_at - START) == (0, pytest.approx(60.3))
    assert job.events == (
        *("FRAG_JOB_REQUEST", "WALLTIME", "SEND_KILL_JOB", "SWITCH_INTO_ERROR_STATE"),
    )


def test_dates_are_right_however_late_one_looks():
    lab = Lab()
    first = lab.submit("nodes=4,walltime=0:1").uid
    second = lab.submit("nodes=4,walltime=0:1").uid
    lab.wait(3600)
    assert [lab.state(uid) for uid in (first, second)] == ["Error", "Error"]
    gap = lab.job(second).started_at - lab.job(first).stopped_at
    assert gap == pytest.approx(-0.3)  # dates of a start are whole seconds


def test_jobs_share_the_nodes_and_wait_for_them():
    lab = Lab()
    one, two, three = (lab.submit(f"nodes={n},walltime=1").uid for n in (3, 1, 2))
    lab.wait(2)
    assert lab.nodes(one) == ["chiclet-1", "chiclet-2", "chiclet-3"]
    assert lab.nodes(two) == ["chiclet-4"]
    assert lab.state(three) == "Waiting"
    assert lab.job(three).planned.start - START == 3600 + 60 + 1


def test_a_short_job_fills_a_hole_and_a_long_one_delays_nobody():
    lab = Lab()
    lab.submit("nodes=3,walltime=1")
    big = lab.submit("nodes=4,walltime=1").uid
    short, long = lab.submit("nodes=1,walltime=0:50").uid, lab.submit("nodes=1,walltime=2").uid
    lab.wait(2)
    assert [lab.state(uid) for uid in (big, short, long)] == ["Waiting", "Running", "Waiting"]
    assert lab.job(long).planned.start > lab.job(big).planned.start


def test_chosen_nodes_kavlans_and_subnets():
    lab = Lab()
    fqdn = "chiclet-4.lille.grid5000.fr"
    uid = lab.submit(
        f"{{host in ('{fqdn}')}}/nodes=1+{{cluster='chiclet'}}/nodes=1+{{type='kavlan'}}/vlan=1"
        "+{type='kavlan-global'}/vlan=1+slash_22=2",
        types=["deploy"],
    ).uid
    lab.wait(2)
    rows = [lab.scheduler.resources[r].row for r in sorted(lab.job(uid).resources)]
    assert lab.nodes(uid) == ["chiclet-1", "chiclet-4"]
    assert [row["vlan"] for row in rows if row["vlan"]] == ["4", "12"]
    subnets = [row["subnet_address"] for row in rows if row["type"] == "subnet"]
    assert subnets == ["10.136.0.0", "10.136.4.0"]
    wide = lab.submit("slash_16=1").uid
    lab.wait(2)
    assert len(lab.job(wide).resources) == 64  # EnOSlib counts on that


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (
            {"resources": "nodes=5"},
            "# There are not enough resources for your request\n"
            "# Error: please verify your job submission syntax.",
        ),
        ({"resources": "{cluster='dahu'}/nodes=1"}, "# There are not enough resources"),
        (
            {"resources": "{clustre='x'}/nodes=1"},
            '# Bad resource request (ERROR:  column "clustre" does not exist)',
        ),
        (
            {"resources": "rack=1"},
            '# Bad resource request (ERROR:  column "rack" does not exist)',
        ),
        ({"properties": "memory > 3"}, 'column "memory" does not exist'),
        ({"types": ["deplooy"]}, "[ADMISSION RULE] Error: unknown job type: deplooy"),
        (
            {"types": ["deploy"], "resources": "core=1"},
            "[ADMISSION RULE] 'core' resource is not allowed with a deploy job",
        ),
        ({"resources": "type=1"}, "[ADMISSION RULE] 'type' resource is not allowed"),
        (
            {"queue": "admin"},
            "Only member of the group admin can submit jobs in the admin queue",
        ),
        ({"queue": "fast"}, "# Error: queue 'fast' does not exist"),
        ({"queue": "production"}, "# There are not enough resources"),
        (
            {"types": ["besteffort"], "reservation": RESERVED},
            "[ADMISSION RULE] Error: a job cannot both be of type besteffort and be a "
            "reservation.",
        ),
        ({"reservation": "2026-13-01 12:00:00"}, "# Error: syntax error in <start date>"),
        (
            {"reservation": "2026-03-02 10:59:00", "resources": "nodes=1,walltime=1"},
            "# Reservation not valid --> KO (Reservation too old)",
        ),
    ],
)
def test_submissions_are_refused(fields, error):
    lab = Lab()
    with pytest.raises(OarError, match=re.escape(error)):
        lab.submit(**fields)
    assert all(job.ended for job in lab.scheduler.jobs())


def test_exotic_clusters_and_others_are_asked_for_by_type_and_queue():
    lab = Lab(exotic=True)
    with pytest.raises(OarError, match="not enough resources"):
        lab.submit()
    assert lab.submit(types=["exotic"]).uid
    lab = Lab(queues=["production"])
    with pytest.raises(OarError, match="not enough resources"):
        lab.submit()
    assert lab.submit(queue="production").uid
    lab = Lab(deploy=False)
    with pytest.raises(OarError, match="not enough resources"):
        lab.submit(types=["deploy"])


def test_a_reservation_starts_at_its_date_and_others_go_round_it():
    lab = Lab()
    uid = lab.submit("nodes=4,walltime=1", reservation=RESERVED).uid
    long, short = (lab.submit(f"nodes=1,walltime={w}").uid for w in (2, "0:30"))
    lab.wait(2)
    assert [lab.state(u) for u in (uid, long, short)] == ["Waiting", "Waiting", "Running"]
    assert lab.job(uid).started_at == START + 3600
    lab.wait(3600)
    assert lab.state(uid) == "Running"


def test_a_reservation_that_does_not_fit_is_told_when_it_could():
    lab = Lab()
    lab.submit("nodes=3,walltime=2", reservation=RESERVED)
    again = date(START + 3 * 3600 + 61)
    answer = f"# Reservation not valid --> KO (This reservation could run at {again})"
    with pytest.raises(OarError, match=re.escape(answer)):
        lab.submit("nodes=2,walltime=1", reservation="2026-03-02 13:30:00")
    assert lab.submit("nodes=2,walltime=1", reservation=again).uid == 3
    assert (lab.state(2), lab.job(2).message[:27]) == ("Error", "This reservation could run ")
    with pytest.raises(OarError, match="more than 2 waiting advance reservations"):
        lab.submit(reservation=RESERVED)


def test_a_reservation_in_the_past_that_is_not_over_starts_now():
    lab = Lab()
    uid = lab.submit("nodes=1,walltime=1", reservation="2026-03-02 11:30:00").uid
    lab.wait(2)
    assert lab.state(uid) == "Running"
    assert lab.submit("nodes=1,walltime=1", reservation="now").uid


def test_besteffort_jobs_yield():
    lab = Lab()
    weak = lab.submit("nodes=4,walltime=2", types=["besteffort"]).uid
    lab.wait(2)
    assert lab.job(weak).order.queue == "besteffort"
    strong = lab.submit("nodes=1,walltime=1").uid
    lab.wait(3)
    assert (lab.state(weak), lab.state(strong)) == ("Error", "Running")
    assert lab.job(weak).events == (
        *("BESTEFFORT_KILL", "FRAG_JOB_REQUEST", "SEND_KILL_JOB", "SWITCH_INTO_ERROR_STATE"),
    )
    assert lab.testbed.ended == [weak]


def test_deleting():
    lab = Lab()
    running, waiting = lab.submit("nodes=4").uid, lab.submit().uid
    lab.wait(2)
    assert lab.scheduler.delete(lab.job(running), "alice") == (
        "Deleting the job = 1 ...REGISTERED.\n"
        "The job(s) [ 1 ] will be deleted in the near future.\n"
    )
    assert lab.state(running) == "Running"  # it takes its time, as OAR does
    with pytest.raises(OarError, match=r"Cannot frag 1 ; This job was already killed\."):
        lab.scheduler.delete(lab.job(running), "alice")
    with pytest.raises(OarError, match=r"Cannot frag 2 ; You are not the right user\."):
        lab.scheduler.delete(lab.job(waiting), "bob")
    lab.wait(1)
    assert (lab.state(running), lab.state(waiting)) == ("Error", "Launching")


def test_a_waiting_job_is_killed_directly():
    lab = Lab()
    uid = lab.submit(reservation=RESERVED).uid
    lab.scheduler.delete(lab.job(uid), "alice")
    lab.wait(1)
    assert (lab.state(uid), lab.job(uid).message) == ("Error", "Job killed by Leon directly")
    assert lab.testbed.ended == []


def test_nodes_of_deploy_jobs_are_brought_back_before_others_get_them():
    kept = []
    lab = Lab(spawn=kept.append)
    uid = lab.submit("nodes=4,walltime=1", types=["deploy"]).uid
    following = lab.submit("nodes=1,walltime=1").uid
    lab.wait(3610)
    assert lab.state(uid) == "Error"
    assert lab.scheduler.host_state("chiclet-1.lille.grid5000.fr") == "Absent"
    assert lab.state(following) == "Waiting"
    for work in kept:
        work()
    lab.wait(2)
    assert len(lab.testbed.resets) == 4
    assert lab.state(following) == "Running"


def test_a_node_that_does_not_come_back_is_suspected():
    lab = Lab()
    uid = lab.deploy_job(2)

    def reset(node):
        if node.uid == "chiclet-2":
            raise RuntimeError("the machine is gone")

    lab.testbed.reset = reset
    lab.scheduler.delete(lab.job(uid), "alice")
    with pytest.raises(RuntimeError, match="the machine is gone"):
        lab.wait(2)
    states = [lab.scheduler.host_state(f"chiclet-{n}.lille.grid5000.fr") for n in (1, 2)]
    assert states == ["Alive", "Suspected"]


def test_nodes_that_are_not_alive_are_left_out():
    lab = Lab()
    lab.scheduler.set_host_state("chiclet-1.lille.grid5000.fr", "Suspected")
    uid = lab.submit("nodes=1").uid
    lab.wait(2)
    assert lab.nodes(uid) == ["chiclet-2"]
    four = lab.submit("nodes=4").uid
    lab.wait(2)
    assert (lab.state(four), lab.job(four).planned) == ("Waiting", None)
    lab.scheduler.set_host_state("chiclet-1.lille.grid5000.fr", "Dead")
    with pytest.raises(OarError, match="not enough resources"):
        lab.submit("nodes=4")


def _change(lab, uid, text, **fields):
    request = ChangeRequest(walltime=text, **fields)
    answer = lab.scheduler.change_walltime(lab.job(uid), request)
    lab.wait(1)
    return answer


def test_a_walltime_grows_and_shrinks():
    lab = Lab()
    uid = lab.submit("nodes=1,walltime=1").uid
    lab.wait(2)
    said = "Walltime change request {} for job 1, it will be handled shortly"
    assert _change(lab, uid, "+0:30") == said.format("accepted")
    assert lab.job(uid).walltime == 5400
    assert _change(lab, uid, "2:0:0") == said.format("updated")
    assert lab.job(uid).walltime == 7200
    _change(lab, uid, "-1:50:0")
    lab.wait(600)
    assert lab.state(uid) == "Error"


@pytest.mark.parametrize(("whole", "granted"), [(False, 1800 - 61), (True, 0)])
def test_a_walltime_grows_as_far_as_the_next_job(whole, granted):
    lab = Lab()
    uid = lab.submit("nodes=4,walltime=0:30").uid
    lab.submit("nodes=4,walltime=1", reservation=RESERVED)
    lab.wait(2)
    _change(lab, uid, "+1", whole=whole)
    change = lab.job(uid).change
    assert change.granted == granted
    assert change.pending == 3600 - granted


def test_what_is_pending_is_granted_when_the_way_is_free_or_dropped_in_time():
    lab = Lab()
    uid = lab.submit("nodes=4,walltime=0:30").uid
    other = lab.submit("nodes=4,walltime=1").uid
    lab.wait(2)
    _change(lab, uid, "+1", timeout=60)
    assert lab.job(uid).change.granted == 0
    lab.scheduler.delete(lab.job(other), "alice")
    lab.wait(1)
    assert lab.job(uid).change.granted == 3600
    late = lab.submit("nodes=4,walltime=1").uid
    _change(lab, uid, "+1", timeout=60)
    lab.wait(120)
    assert lab.job(uid).change.pending == 0
    assert lab.state(late) == "Waiting"


@pytest.mark.parametrize(
    ("rules", "fields", "status", "text"),
    [
        ({}, {"walltime": "soon"}, 400, "Syntax error"),
        (
            {},
            {"walltime": "+1", "force": True},
            403,
            "Walltime change for this job is not allowed to be forced",
        ),
        (
            {},
            {"walltime": "+1", "delay_next_jobs": True},
            403,
            "Walltime change for this job is not allowed to delay other jobs",
        ),
        ({"reduction": False}, {"walltime": "-0:1"}, 400, "Walltime reduction is not allowed"),
        (
            {"min_for_change": 9000},
            {"walltime": "+1"},
            403,
            "Walltime change is not allowed for a job with walltime < 2:30:0",
        ),
        (
            {"max_increase": 600},
            {"walltime": "+1"},
            403,
            "Request cannot be accepted because the walltime cannot increase by more than "
            "0:10:0",
        ),
    ],
)
def test_walltime_changes_are_refused(rules, fields, status, text):
    lab = Lab(rules=Rules(**rules))
    uid = lab.submit().uid
    lab.wait(2)
    assert lab.call("POST", f"/sites/lille/jobs/{uid}/walltime", fields) == (status, text)


def _anything(lab, chance):
    """Do one thing that users, administrators or time do."""
    job = chance.choice(lab.scheduler.jobs() or [None])
    kind = chance.choice(["submit", "submit", "delete", "change", "host", "time", "time"])
    if kind == "submit":
        resources = chance.choice(["nodes=1", "nodes=4", "core=3", "slash_22=1+nodes=2"])
        start = chance.choice([None, None, date(lab.clock() + chance.randint(-4000, 9000))])
        types = chance.choice([[], ["deploy"], ["besteffort"]])
        length = chance.choice(["0:10", "1", "3"])
        lab.submit(f"{resources},walltime={length}", types=types, reservation=start)
    elif kind == "host":
        state = chance.choice(["Alive", "Suspected"])
        lab.scheduler.set_host_state("chiclet-1.lille.grid5000.fr", state)
    elif kind == "time":
        lab.wait(chance.choice([0.1, 0.4, 1, 30, 700, 4000]))
    elif job and kind == "delete":
        lab.scheduler.delete(job, "alice")
    elif job and job.state.value == "Running":
        request = ChangeRequest(walltime=chance.choice(["+1", "-0:5", "0:30"]))
        lab.scheduler.change_walltime(job, request)


@pytest.mark.parametrize("seed", range(8))
def test_no_resource_is_ever_held_twice_and_all_jobs_end(seed):
    lab, chance = Lab(), random.Random(seed)
    for _ in range(80):
        with suppress(OarError, RefusalError):
            _anything(lab, chance)
        held = [r for job in lab.scheduler.jobs() if job.active for r in job.resources]
        assert len(held) == len(set(held))
    lab.scheduler.set_host_state("chiclet-1.lille.grid5000.fr", "Alive")
    for _ in range(len(lab.scheduler.jobs())):  # deploy jobs leave their nodes absent
        lab.wait(10**6)
    assert all(job.ended for job in lab.scheduler.jobs())
    assert len(lab.scheduler.jobs()) >= 5  # else nothing was tried


def test_a_job_on_machines_runs_once_its_command_has_started():
    lab = Lab(machines=True)
    uid = lab.submit().uid
    lab.wait(60)
    assert lab.state(uid) == "Launching"
    lab.scheduler.launched(uid)
    lab.wait(0.1)
    assert lab.state(uid) == "Running"
    lab.scheduler.command_ended(uid, failed=False)
    lab.wait(1)
    assert lab.state(uid) == "Terminated"


def test_a_job_whose_node_leaves_properly_ends_in_error():
    lab = Lab(machines=True)
    uid = lab.submit().uid
    lab.wait(2)
    lab.scheduler.launched(uid)
    lab.wait(1)
    lab.scheduler.command_ended(uid, failed=True)
    lab.wait(1)
    assert lab.state(uid) == "Error"
    lab.scheduler.command_ended(uid, failed=False)  # too late
    assert lab.state(uid) == "Error"


def test_nodes_are_looked_at_after_a_job_and_suspected_where_they_are_not_back():
    later = []
    lab = Lab(machines=True, spawn=later.append)
    one, two = (f"chiclet-{number}.lille.grid5000.fr" for number in (1, 2))
    lab.testbed.lost.add(two)
    uid = lab.submit("nodes=2").uid
    lab.wait(2)
    lab.scheduler.command_ended(uid, failed=True)
    lab.wait(1)
    assert [lab.scheduler.host_state(name) for name in (one, two)] == ["Absent", "Absent"]
    later.pop(0)()
    assert lab.scheduler.host_state(one) == "Alive"
    resets = list(lab.testbed.resets)
    later.pop(0)()
    assert (resets, lab.testbed.resets) == ([], [two])
    assert lab.scheduler.host_state(two) == "Alive"
