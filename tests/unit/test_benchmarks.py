"""Benchmarks: turns, goals, figures on disk, their page. The work itself is a system test."""

from __future__ import annotations

import contextlib
import csv
import importlib
import itertools
import signal
import subprocess
from collections import Counter
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks import __main__ as command
from benchmarks import build, computer, judge, page, results
from benchmarks.benchmark import Benchmark
from benchmarks.computer import Computer
from benchmarks.judge import Goal
from benchmarks.lab import images
from benchmarks.measure import (
    BUDGET,
    FLOOR,
    OURS,
    Contestant,
    MeasureError,
    Sample,
    Table,
    Trial,
    rounds,
)
from benchmarks.results import Result
from enoslib_nxc.boots import accel

COMPUTER = Computer(
    date="2026-01-01",
    processor="a processor",
    cores=2,
    memory=24.0,
    kernel="6.1",
    kvm=False,
    load=0.5,
    versions={"python": "3.11"},
)


@pytest.mark.parametrize(("verdict", "works"), [("works", True), ("fails", False), ("", None)])
def test_kvm_is_what_a_trial_says_and_not_a_device(tmp_path, monkeypatch, verdict, works):
    qemu, device = tmp_path / computer.QEMU, tmp_path / "kvm"
    for file in (qemu, device):
        file.write_text("")
        file.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(accel, "DEVICE", device)
    monkeypatch.setattr(accel, "_trial", lambda _qemu, _kernel: verdict == "works")
    if verdict:
        accel.choose("auto", qemu=str(qemu), kernel=tmp_path / "kernel")
    assert computer.kvm() is works


def sample(contestant, value, repetition=0, size=1, metric="seconds", failed=""):
    return Sample(
        contestant=contestant,
        size=size,
        repetition=repetition,
        metric=metric,
        value=value,
        failed=failed,
    )


def table(*samples):
    return Table(tuple(samples))


def a_benchmark(*goals, sizes=(1,), name="subject"):
    return Benchmark(
        name=name,
        title="A subject",
        text="What it is.\n",
        varies="machines",
        sizes=sizes,
        smoke=(1,),
        open=lambda trial: contextlib.nullcontext([]),
        goals=goals,
    )


def a_result(*samples):
    return Result(name="subject", computer=COMPUTER, minutes=1.25, samples=samples)


class TestRounds:
    def run(self, contestants, *, sizes=(1,), repetitions=1, clock=lambda: 0.0):
        told = []
        trial = Trial(sizes=sizes, repetitions=repetitions, directory=Path("/nowhere"))
        made = list(rounds(contestants, trial, told.append, clock))
        assert told == made
        return made

    @pytest.mark.parametrize("count", range(1, 7))
    def test_each_comes_after_each_other_one_equally_often(self, count):
        names = "abcdef"[:count]
        repetitions = count * (1 + count % 2)
        made = self.run(
            [Contestant(n, lambda _: {"s": 1}) for n in names], repetitions=repetitions
        )
        orders = [
            [s.contestant for s in made if s.repetition == number]
            for number in range(repetitions)
        ]
        assert all(sorted(order) == list(names) for order in orders)
        firsts = Counter(order[0] for order in orders)
        assert set(firsts.values()) == {repetitions // count}
        pairs = Counter(pair for order in orders for pair in itertools.pairwise(order))
        assert len(pairs) == count * (count - 1)
        assert len(set(pairs.values())) <= 1

    def test_rounds_of_a_later_run_go_on_where_the_earlier_ended(self):
        def run(earlier):
            trial = Trial((1,), 2, Path("/nowhere"), earlier=earlier)
            both = [Contestant(name, lambda _: {"s": 1}) for name in "abc"]
            return list(rounds(both, trial, lambda _: None, lambda: 0.0))

        first, second = a_result(*run(0)), run(2)
        assert first.rounds == 2
        assert [(s.repetition, s.contestant) for s in second] == [
            *((2, each) for each in "cab"),
            *((3, each) for each in "cba"),
        ]
        both = first.more(a_result(*second))
        assert (both.runs, both.rounds, both.minutes) == (2, 4, 2.5)
        assert "2 runs, one after the other, took 2.5 min" in page.section(a_benchmark(), both)

    def test_sizes_come_one_after_the_other_each_for_all(self):
        both = [Contestant(name, lambda size: {"s": size}) for name in "ab"]
        made = self.run(both, sizes=(1, 4))
        assert [(s.size, s.contestant, s.value) for s in made] == [
            (1, "a", 1),
            (1, "b", 1),
            (4, "a", 4),
            (4, "b", 4),
        ]

    def test_a_contestant_may_be_asked_for_some_sizes_only(self):
        some = [Contestant("a", lambda _: {"s": 1}, sizes=(4,))]
        assert [s.size for s in self.run(some, sizes=(1, 4, 8))] == [4]

    def test_all_metrics_are_kept(self):
        made = self.run([Contestant("a", lambda _: {"seconds": 2.0, "MiB": 3.0})])
        assert [(s.metric, s.value) for s in made] == [("seconds", 2.0), ("MiB", 3.0)]

    def test_some_may_be_left_out(self):
        trial = Trial((1,), 1, Path("/nowhere"), without=frozenset({"b"}))
        three = [Contestant(name, lambda _: {"s": 1}) for name in "abc"]
        made = rounds(three, trial, lambda _: None, lambda: 0.0)
        assert [s.contestant for s in made] == ["a", "c"]

    def test_nobody_is_left_out_who_is_not_there(self):
        trial = Trial((1,), 1, Path("/nowhere"), without=frozenset({"x"}))
        one = [Contestant("a", lambda _: {"s": 1})]
        with pytest.raises(MeasureError, match="no contestant x; there are 'a'"):
            next(rounds(one, trial, lambda _: None))

    def test_a_failure_is_kept_and_the_others_go_on(self):
        def fail(size):
            raise MeasureError("no\n  such   host")

        made = self.run([Contestant("a", fail), Contestant("b", lambda _: {"seconds": 1.0})])
        assert [(s.contestant, s.failed) for s in made] == [("a", "no such host"), ("b", "")]

    def test_what_is_no_such_failure_ends_the_run(self):
        def fail(size):
            raise ValueError("a defect of the benchmark")

        with pytest.raises(ValueError, match="defect"):
            self.run([Contestant("a", fail)])

    @pytest.mark.parametrize(
        ("seconds", "expected"),
        [(BUDGET, 1), (BUDGET / 2 + 1, 1), (BUDGET / 2, 2), (BUDGET / 3, 3), (1.0, 5)],
    )
    def test_no_round_begins_that_would_pass_the_budget(self, seconds, expected):
        now = [100.0]

        def work(size):
            now[0] += seconds
            return {"seconds": seconds}

        made = self.run([Contestant("a", work)], repetitions=5, clock=lambda: now[0])
        assert len(made) == expected

    def test_what_came_before_the_first_round_counts(self):
        now = [BUDGET - 30.0]

        def work(size):
            now[0] += 10.0
            return {"seconds": 10.0}

        trial = Trial(sizes=(1,), repetitions=9, directory=Path("/nowhere"), began=0.0)
        one = [Contestant("a", work)]
        assert len(list(rounds(one, trial, lambda _: None, lambda: now[0]))) == 3


class TestJudge:
    def test_ratios_are_of_the_same_round(self):
        seen = table(
            *(sample(OURS, value, n) for n, value in enumerate([2.0, 30.0, 4.0])),
            sample(FLOOR, 1.0, 0),
            sample(FLOOR, 0.0, 1, failed="it broke"),
            sample(FLOOR, 2.0, 2),
        )
        assert judge.ratio(FLOOR, 1)(seen) == [2.0, 2.0]

    def test_what_nobody_can_save_is_taken_off(self):
        seen = table(sample(OURS, 16.0, size=100), sample(FLOOR, 2.0, size=100))
        assert judge.ratio(FLOOR, 100, less=10.0)(seen) == [3.0]

    def test_others_may_be_divided_and_other_metrics(self):
        seen = table(sample("a", 6.0, metric="MiB"), sample("b", 3.0, metric="MiB"))
        assert judge.ratio("b", 1, "MiB", ours="a")(seen) == [2.0]
        assert judge.ratio("b", 1, ours="a")(seen) == []

    def test_growth_is_from_the_small_to_the_large(self):
        seen = table(
            sample(OURS, 2.0, 0, 1),
            sample(OURS, 3.0, 0, 16),
            sample(OURS, 2.0, 1, 1),
        )
        assert judge.growth(1, 16)(seen) == [1.5]

    def test_alone_are_the_values_themselves(self):
        seen = table(sample(OURS, 2.0), sample(FLOOR, 1.0))
        assert judge.alone(1)(seen) == [2.0]

    @pytest.mark.parametrize(
        ("figures", "met"),
        [([1.0, 1.1, 9.0], True), ([1.0, 1.2, 1.2], False), ([1.1], True)],
    )
    def test_the_median_counts(self, figures, met):
        goal = Goal("g", lambda _: figures, at_most=1.1)
        assert judge.judge(goal, table()).met is met

    @pytest.mark.parametrize(("value", "met"), [(40.0, True), (39.99, False)])
    def test_more_may_be_better(self, value, met):
        goal = Goal("g", lambda _: [value], at_least=40)
        assert judge.judge(goal, table()).met is met

    def test_nothing_measured_is_neither(self):
        verdict = judge.judge(Goal("g", judge.alone(1), at_most=1), table())
        assert (verdict.met, verdict.figures) == (None, ())


class TestPage:
    def test_ratios_are_rounded_against_us(self):
        less = Goal("less", lambda _: [1.1001], at_most=1.2)
        more = Goal("more", lambda _: [40.019], at_least=40)
        shown = page.summary([(a_benchmark(less, more), a_result())])
        assert "| ≤ 1.2 | 1.11 | 1.11 to 1.11 | 1 | met |" in shown
        assert "| ≥ 40 | 40.01 | 40.01 to 40.01 | 1 | met |" in shown

    def test_a_missed_goal_is_never_shown_as_its_limit(self):
        shown = page.summary([(a_benchmark(Goal("g", lambda _: [1.2001], 1.2)), a_result())])
        assert "| 1.21 | 1.21 to 1.21 | 1 | **missed** |" in shown

    def test_a_figure_that_is_its_limit_is_shown_as_that(self):
        shown = page.summary([(a_benchmark(Goal("g", lambda _: [1.1], 1.1)), a_result())])
        assert "| 1.10 | 1.10 to 1.10 | 1 | met |" in shown

    def test_units_and_what_was_not_measured(self):
        goal = Goal("above", judge.alone(1), at_most=150, unit="ms")
        shown = page.summary([(a_benchmark(goal), None)])
        assert "above | ≤ 150 ms |  |  | 0 | not measured |" in shown

    def test_a_benchmark_that_never_ran_says_so(self):
        shown = page.section(a_benchmark(), None)
        assert shown.endswith("Not run yet.\n")
        assert "performance/subject.png" not in shown

    def test_failures_are_listed_with_their_number(self):
        failed = [sample("nxc", 0.0, n, failed="it hangs") for n in range(2)]
        shown = page.section(a_benchmark(), a_result(*failed, sample(OURS, 1.5)))
        assert "- nxc, 1: it hangs (2 of the rounds)" in shown
        assert "| 1 | enoslib-nxc | seconds | 1.50 | 1.50 to 1.50 | 1.50 | 1 |" in shown
        assert "| 1 | nxc |" not in shown

    def test_the_cause_of_a_goal_is_told_where_it_is_missed(self):
        met = Goal("one", lambda _: [1.0], at_most=1.0, cause="who knows")
        missed = Goal("two", lambda _: [2.0], at_most=1.0, cause="ssh alone takes 2 s.")
        shown = page.section(a_benchmark(met, missed), a_result(sample(OURS, 1.5)))
        assert "Missed:\n\n- two: ssh alone takes 2 s.\n" in shown
        assert "who knows" not in shown

    def test_the_whole_has_goals_first_and_every_benchmark(self, monkeypatch):
        monkeypatch.setattr(results, "read", lambda name: None)
        shown = page.page([a_benchmark(name="one"), a_benchmark(name="two")])
        places = [shown.index(words) for words in ("## Goals", "## one", "## two")]
        assert places == sorted(places)
        assert "NAME: one, two" in shown


class TestResults:
    SAMPLES = (
        sample(OURS, 1.25, size=1),
        sample(OURS, 2.5, size=4),
        sample("nxc", 0.0, size=4, failed='a "word", and\nmore'),
    )

    def test_what_is_written_is_read_again(self, tmp_path):
        result = a_result(*self.SAMPLES)
        results.write(a_benchmark(sizes=(1, 4)), result, tmp_path / "new" / "place")
        assert results.read("subject", tmp_path / "new" / "place") == result

    def test_others_read_the_csv(self, tmp_path):
        results.write(a_benchmark(sizes=(1, 4)), a_result(*self.SAMPLES), tmp_path)
        with (tmp_path / "subject.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [Sample.model_validate(row) for row in rows] == list(self.SAMPLES)
        assert (tmp_path / "subject.png").read_bytes().startswith(b"\x89PNG")

    @pytest.mark.filterwarnings("error")
    def test_there_is_a_picture_of_a_run_that_failed_altogether(self):
        failed = table(sample(OURS, 0.0, failed="no"), sample(FLOOR, 0.0, failed="no"))
        assert len(results.picture(a_benchmark(), failed).axes) == 0

    def test_a_failure_adds_no_picture(self):
        seen = table(sample(OURS, 1.0, metric="MiB"), sample("nxc", 0.0, failed="no"))
        assert seen.metrics == ["MiB"]
        assert len(results.picture(a_benchmark(), seen).axes) == 1

    def test_nothing_is_read_where_nothing_is(self, tmp_path):
        assert results.read("subject", tmp_path) is None


class Everything(Table):
    """A table that has whatever it is asked for, and remembers that."""

    asked: set[tuple[str, int, str]]

    def values(self, contestant, size, metric="seconds"):
        self.asked.add((contestant, size, metric))
        return {0: 2.0, 1: 3.0}


@pytest.fixture
def everything():
    made = Everything(())
    object.__setattr__(made, "asked", set())
    return made


@pytest.mark.parametrize("name", command.NAMES)
class TestEach:
    def test_it_is_there(self, name):
        benchmark = command.known(name)
        assert benchmark.name == name
        assert benchmark.goals
        assert benchmark.sizes
        assert benchmark.smoke
        assert list(benchmark.sizes) == sorted(set(benchmark.sizes))

    def test_its_goals_are_of_what_is_measured(self, name, everything):
        benchmark = command.known(name)
        for goal in benchmark.goals:
            assert judge.judge(goal, everything).met is not None, goal.text
            assert (goal.at_most is None) != (goal.at_least is None)
        assert {size for _, size, _ in everything.asked} <= set(benchmark.sizes)
        assert OURS in {contestant for contestant, _, _ in everything.asked} or name == "fanout"

    def test_each_goal_that_is_missed_has_a_cause(self, name):
        benchmark = command.known(name)
        result = results.read(name)
        seen = Table(result.samples if result else ())
        missed = [goal for goal in benchmark.goals if judge.judge(goal, seen).met is False]
        assert [goal.text for goal in missed if not goal.cause] == []

    def test_its_text_names_those_that_its_goals_compare(self, name, everything):
        benchmark = command.known(name)
        for goal in benchmark.goals:
            goal.figures(everything)
        names = {contestant for contestant, _, _ in everything.asked}
        text = benchmark.text.replace("enoslib_nxc", OURS)
        assert [one for one in names if one not in text] == []


class TestCommand:
    @pytest.fixture(autouse=True)
    def kept_environment(self, monkeypatch):
        monkeypatch.setenv("XDG_STATE_HOME", "/nowhere")  # the command sets its own

    def call(self, monkeypatch, benchmark, *words):
        monkeypatch.setattr(command, "known", lambda name: benchmark)
        monkeypatch.setattr(command.computer, "here", lambda: COMPUTER)
        written = []
        monkeypatch.setattr(command.results, "write", lambda *given: written.append(given[2]))
        monkeypatch.setattr(command.page, "write", lambda *given: written.append("page"))
        done = CliRunner().invoke(command.main, ["imports", *words])
        return done, written

    def ready(self, run, *goals, needs=()):
        @contextlib.contextmanager
        def opened(trial):
            yield [Contestant(OURS, lambda size: run(trial, size))]

        made = a_benchmark(*goals, sizes=(1, 2))
        return Benchmark(**{**vars(made), "open": opened, "needs": needs})

    def test_a_run_is_kept_and_its_goals_are_told(self, monkeypatch):
        goals = [
            Goal("quick", judge.alone(1), at_most=1),
            Goal("large", judge.alone(1), at_least=2),
            Goal("elsewhere", judge.alone(7), at_most=1),
        ]
        benchmark = self.ready(lambda *_: {"seconds": 1.0}, *goals)
        done, written = self.call(monkeypatch, benchmark, "--repetitions", "3")
        assert done.exit_code == 0, done.output
        assert "met: quick: 1.000, 1.000, 1.000" in done.output
        assert "missed: large" in done.output
        assert "not measured: elsewhere" in done.output
        assert written == [results.PLACE, "page"]

    def test_a_smoke_run_is_small_and_keeps_nothing(self, monkeypatch):
        seen = []
        benchmark = self.ready(lambda trial, size: seen.append((trial, size)) or {"s": 1.0})
        done, written = self.call(monkeypatch, benchmark, "--smoke")
        assert done.exit_code == 0, done.output
        ((trial, size),) = seen
        assert (trial.smoke, trial.repetitions, size, written) == (True, 1, 1, [])
        assert not trial.directory.exists()

    def test_figures_go_elsewhere_where_that_is_said(self, monkeypatch, tmp_path):
        benchmark = self.ready(lambda *_: {"s": 1.0})
        _, written = self.call(monkeypatch, benchmark, "--smoke", "--output", str(tmp_path))
        assert written == [tmp_path]

    def test_a_smoke_run_adds_to_nothing(self, monkeypatch):
        benchmark = self.ready(lambda *_: pytest.fail("it ran"))
        done, written = self.call(monkeypatch, benchmark, "--smoke", "--more")
        assert (done.exit_code, written) == (2, [])
        assert "--more adds to figures, and --smoke makes none" in done.output

    def test_what_is_missing_is_said_before_anything_is_done(self, monkeypatch):
        benchmark = self.ready(lambda *_: pytest.fail("it ran"), needs=(("no-such", "it"),))
        done, written = self.call(monkeypatch, benchmark)
        assert done.exit_code == 1
        assert "needs Debian packages: it" in done.output
        assert written == []

    def test_help_names_all(self):
        done = CliRunner().invoke(command.main, ["--help"])
        assert done.exit_code == 0
        assert all(name in done.output for name in command.NAMES)
        assert all(importlib.util.find_spec(f"benchmarks.{name}") for name in command.NAMES)


class Program(subprocess.Popen):
    """A program that does not end by itself."""

    def __init__(self, ends_when_told):
        self.pid, self.returncode, self.ends_when_told = 77, None, ends_when_told
        self.signals = []

    def poll(self):
        return self.returncode

    def wait(self, timeout=None):
        if signal.SIGKILL in self.signals or self.ends_when_told:
            self.returncode = -self.signals[-1]
            return self.returncode
        raise subprocess.TimeoutExpired("program", timeout)

    def __del__(self):
        pass


class TestImages:
    @pytest.mark.parametrize("ends_when_told", [True, False])
    def test_a_program_is_told_to_end_before_it_is_killed(self, monkeypatch, ends_when_told):
        program = Program(ends_when_told)
        monkeypatch.setattr(images.os, "killpg", lambda _, sent: program.signals.append(sent))
        images._end(program)
        assert program.signals == [signal.SIGTERM, signal.SIGKILL]
        assert program.returncode is not None

    def test_mmdebstrap_takes_what_is_here(self, tmp_path):
        scratch = images.Scratch(tmp_path, tmp_path / "the lists")
        words = scratch._mmdebstrap(["bash", "hello"], "-")
        assert "--include=bash,hello" in words
        assert f"--setup-hook=sync-in '{tmp_path}/the lists' {images.LISTS}" in words
        assert "update" in next(word for word in words if word.startswith("--skip="))
        started = scratch.beginning_with(tmp_path / "stage1")
        assert (started.start, started.lists) == (tmp_path / "stage1", scratch.lists)


class TestBuild:
    def test_a_store_that_nobody_may_write_to_is_removed(self, tmp_path):
        inside = tmp_path / "store" / "nix" / "store"
        inside.mkdir(parents=True)
        (inside / "file").touch()
        inside.chmod(0o555)
        build.cleared(tmp_path / "store")
        assert list(tmp_path.iterdir()) == []

    def test_the_composition_has_the_words_that_the_variation_replaces(self):
        text = (build.debian.EMBEDDED_DIR / "composition.nix").read_text()
        assert build.INSTALLED in text

    def test_both_builds_begin_without_the_package(self, tmp_path):
        project = build.Project(tmp_path)
        (tmp_path / "begun").mkdir()
        (tmp_path / "begun" / "composition.nix").write_text("as it was")
        project.composition.mkdir()
        (project.composition / "composition.nix").write_text("changed")
        project.store.mkdir()
        project.forget()
        assert (project.composition / "composition.nix").read_text() == "as it was"
        assert not project.store.exists()


def test_rounds_are_added_on_the_same_computer_only(tmp_path):
    here = command.computer.here()
    earlier = a_result().model_copy(update={"computer": here})
    results.write(a_benchmark(), earlier, tmp_path)
    assert command._earlier("subject", tmp_path) == earlier
    assert command._earlier("another", tmp_path) is None
    for other in ({"cores": 64}, {"versions": {**here.versions, "enoslib": "0"}}):
        changed = here.model_copy(update=other)
        results.write(a_benchmark(), earlier.model_copy(update={"computer": changed}), tmp_path)
        with pytest.raises(click.ClickException, match="of another computer, or of other"):
            command._earlier("subject", tmp_path)


def test_the_page_of_the_figures_is_current():
    found = page.PAGE.read_text(encoding="utf-8")
    assert found == page.page([command.known(name) for name in command.NAMES]), (
        "run scripts/benchmark page"
    )
