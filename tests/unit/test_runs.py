"""Runs, attempts, failures and means, from calls as they are on record."""

from __future__ import annotations

import pytest

from enoslib_nxc import runs
from enoslib_nxc.steps import Call, Step, covered, failures, tried


def step(phase, start, end, outcome="done", *, node="", does="", message="", user=False):
    return Step(
        phase=phase,
        node=node,
        start=start,
        end=end,
        outcome=outcome,
        does=does or phase,
        message=message,
        user=user,
    )


def boot(at=0.0, seconds=10.0, *, hosts=("server",), failed=""):
    """Return the steps of an init() that boots; it began at `at`."""
    end = at + seconds
    outcome = "failed" if failed else "done"
    made = [step("build", at, at + 1)]
    for host in hosts:
        made.append(step("boot", at + 1, at + 2, node=host, does="start"))
        told = {"node": host, "does": "come up", "message": failed}
        made.append(step("boot", at + 2, end, outcome, **told))
    made.append(step("boot", at + 1, end, outcome, message=failed))
    return [*made, step("init", at, end, outcome, message=failed)]


def call(at, *steps, fresh=False, **given):
    return Call(at=at, fresh=fresh, steps=steps, configuration=given)


IDLE = (step("boot", 50, 50, "noop"), step("init", 50, 50))


def user(name, start, end, error=""):
    outcome = "failed" if error else "done"
    return step(name, start, end, outcome, message=error, user=True)


def destroy(at):
    return step("destroy", at, at + 1)


def test_a_run_has_its_later_calls_and_phases():
    first = call(0, *boot(), user("run", 20, 25), fresh=True)
    again = call(50, *IDLE, user("warm-up", 60, 62), user("run", 62, 63), destroy(70))
    (run,) = runs.of([first, again])
    assert run.seconds == {"Build": 1.0, "Boot": 9.0, "Run": 6.0, "warm-up": 2.0}
    assert (run.number, run.machines, run.start, run.end) == (1, 1, 0, 71)
    assert (run.failed, run.failures, run.retries) == ("", 0, 0)
    assert list(runs.columns([run])) == ["Build", "Boot", "Run", "warm-up"]


def test_each_init_that_boots_begins_a_run():
    calls = [call(0, *boot(), fresh=True), call(50, *IDLE), call(100, *boot(100))]
    assert [run.start for run in runs.of(calls)] == [0, 100]


def test_what_comes_after_destroy_is_of_no_run():
    reserving = call(100, step("async_init", 100, 101), fresh=True)
    calls = [call(0, *boot(), destroy(20), fresh=True), reserving]
    (run,) = runs.of(calls)
    assert run.end == 21


def test_a_deployment_that_went_otherwise_ends_its_run_too():
    calls = [call(0, *boot(), fresh=True), call(50, *IDLE, user("run", 60, 61), fresh=True)]
    (run,) = runs.of(calls)
    assert "Run" not in run.seconds


def test_an_init_that_failed_before_it_booted_is_a_run():
    broken = call(0, step("build", 0, 1, "failed"), step("init", 0, 1, "failed", message="no"))
    (run,) = runs.of([broken])
    assert (run.failed, run.failures, run.machines) == ("no", 1, 0)


def test_an_init_that_fails_while_a_run_is_under_way_is_its_failure():
    broken = call(50, step("init", 50, 51, "failed", message="no nix"))
    (run,) = runs.of([call(0, *boot(), fresh=True), broken])
    assert run.failed == "no nix"
    (run,) = runs.of([call(0, *boot(), fresh=True), broken, call(60, *IDLE)])
    assert (run.failed, run.failures) == ("", 1)


def test_a_call_that_was_killed_has_failed():
    (run,) = runs.of([call(0, *boot()[:-1], fresh=True)])
    assert run.failed == "it has not ended"


def test_a_destroy_that_failed_does_not_end_the_run():
    trouble = step("destroy", 20, 21, "failed")
    (run,) = runs.of([call(0, *boot(), trouble, user("run", 30, 31), fresh=True)])
    assert run.seconds["Run"] == 1.0
    assert run.failed == ""


def test_the_last_phase_of_a_name_counts():
    failed = user("run", 20, 21, "Boom: x")
    (run,) = runs.of([call(0, *boot(), failed, fresh=True)])
    assert (run.failed, run.failures) == ("run: Boom: x", 1)
    (run,) = runs.of([call(0, *boot(), failed, user("run", 21, 22), fresh=True)])
    assert (run.failed, run.failures, run.retries) == ("", 1, 1)


def test_each_start_of_a_machine_is_an_attempt():
    steps = [
        step("boot", 0, 1, node="a", does="start"),
        step("boot", 0, 1, "failed", node="b", does="start", message="no room"),
        step("boot", 1, 5, "failed", node="a", does="come up"),
        step("boot", 5, 6, node="a", does="start"),
        step("boot", 5, 6, node="b", does="start"),
        step("boot", 6, 9, node="a", does="come up"),
        step("boot", 6, 9, node="b", does="come up"),
    ]
    made = [(each.node, each.does, each.attempt) for each in tried(steps)]
    assert made == [
        ("a", "start", 1),
        ("b", "start", 1),
        ("a", "come up", 1),
        ("a", "start", 2),
        ("b", "start", 2),
        ("a", "come up", 2),
        ("b", "come up", 2),
    ]
    (run,) = runs.of([call(0, *steps, step("boot", 0, 9), step("init", 0, 9), fresh=True)])
    assert (run.failures, run.retries, run.machines, run.failed) == (2, 2, 2, "")


def test_what_fails_with_another_step_is_no_failure_of_its_own():
    steps = boot(failed="server did not come up")
    assert [each.node for each in failures(steps)] == ["server"]
    outer = user("campaign", 0, 10, "Boom: x")
    inner = user("run", 2, 9, "Boom: x")
    assert failures([outer, inner]) == (inner,)


def test_what_goes_side_by_side_counts_once():
    spans = [(6.0, 10.0), (8.0, 12.0), (19.0, 20.0)]
    steps = [step("push", start, end) for start, end in spans]
    assert covered(steps) == 7.0
    assert Call(at=0, steps=tuple(steps)).phases == {"push": 7.0}


def test_means_are_of_runs_alike_that_did_not_fail():
    calls = [
        call(0, *boot(0, 10), user("run", 20, 22), destroy(30), fresh=True, n=1),
        call(100, *boot(100, 12), destroy(130), fresh=True, n=1),
        call(200, *boot(200, 50, failed="x"), fresh=True, n=1),
        call(300, *boot(300, 99), destroy(400), fresh=True, n=2),
        call(500, *boot(500, 20, hosts=("a", "b")), destroy(600), fresh=True, n=1),
        call(700, *boot(700, 14), destroy(800), fresh=True, n=1),
    ]
    made = runs.of(calls)
    assert [run.number for run in made] == [1, 2, 3, 4, 5, 6]
    (means,) = runs.comparable(made)
    assert means.runs == (1, 2, 6)
    assert means.seconds["Boot"].mean == pytest.approx(11)
    assert (means.seconds["Run"].count, means.seconds["Run"].margin) == (1, None)


def test_where_a_build_is_kept_is_not_compared():
    calls = [
        call(at, *boot(at), destroy(at + 20), fresh=True, build={"store": f"./store-{at}"})
        for at in (0, 100)
    ]
    assert runs.comparable(runs.of(calls))[0].runs == (1, 2)


def test_one_run_has_no_means():
    assert runs.comparable(runs.of([call(0, *boot(), fresh=True)])) == ()
