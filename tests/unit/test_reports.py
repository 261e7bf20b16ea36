"""What `report` shows, writes and draws of runs."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from enoslib_nxc import NixOSCompose, NixOSComposeConf, cli, history, runs, state
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import NxcError, ToolMissingError
from enoslib_nxc.events import Event, Phase, Status
from enoslib_nxc.reports import drawing, table, timeline
from enoslib_nxc.steps import Call, Step

from .factory import deployment

# matplotlib looks for fonts by a program when it is imported first, which no test may
pytest.importorskip("matplotlib.font_manager")

SETTINGS = Settings.model_validate({"roles": {"server": 1, "agent": 1}})


def note(phase, start, end, outcome="done", **more):
    history.note("mine", Step(phase=phase, start=start, end=end, outcome=outcome, **more))


def repetition(at: float, boot: float, *, retry: bool = False, error: str = "") -> None:
    """Write a run: build, boot of two hosts, a phase; with a host that is tried twice."""
    call = Call(at=at, fresh=True, configuration={"flavour": "vm-ramdisk"})
    line = json.dumps({"began": call.model_dump(mode="json")})
    history._append("mine", line)
    note("build", at, at + 4, does="build")
    end = at + 4 + boot
    for host in ("server", "agent"):
        note("boot", at + 4, at + 5, node=host, does="start")
        again = retry and host == "agent"
        middle = at + 4 + boot / 2 if again else end
        outcome = "failed" if again else "done"
        note("boot", at + 5, middle, outcome, node=host, does="come up", message="gone")
        if again:
            note("boot", middle, middle + 1, node=host, does="start")
            note("boot", middle + 1, end, node=host, does="come up")
    note("boot", at + 4, end, does="boot")
    note("init", at, end)
    outcome = "failed" if error else "done"
    note("warm-up", end, end + 2, outcome, message=error, user=True)
    note("destroy", end + 2, end + 3)


@pytest.fixture(autouse=True)
def three(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.chdir(tmp_path)
    repetition(1000, 10)
    repetition(2000, 12, error="Boom: $x$ <b>")
    repetition(3000, 14, retry=True)


def made() -> tuple[runs.Run, ...]:
    return runs.of(history.read("mine"))


def report(*words: str) -> Result:
    return CliRunner().invoke(cli.main, ["report", *words], catch_exceptions=False)


def test_the_table_of_runs():
    shown = table.of(made(), runs.comparable(made()))
    assert shown.heads == (
        *("run", "began", "machines", "Build", "Boot", "warm-up"),
        *("failures", "retries", "failed"),
    )
    first, second, third, mean = shown.rows
    assert first[3:] == ("4.0 s", "10.0 s", "2.0 s", "", "", "")
    assert second[6:] == ("1", "", "warm-up: Boom: $x$ <b>")
    assert third[6:] == ("1", "1", "")
    # of 10 and 14: 63.657 * 2.828 / sqrt(2)
    assert mean[:6] == (
        "mean",
        "of 1, 3 (n = 2)",
        "",
        "4.0 ± 0.0 s",
        "12.0 ± 127.3 s",
        "2.0 ± 0.0 s",
    )


@pytest.mark.parametrize(
    ("found", "told"), [([1], "1"), ([1, 2, 3, 5], "1-3, 5"), ([2, 4, 5], "2, 4-5")]
)
def test_numbers_of_runs(found, told):
    assert table.numbers(found) == told


def test_the_timeline_of_a_run():
    lines = timeline.text(made()[2], 79)
    assert all(len(line) <= 79 for line in lines[:-1])
    bars = {line.split()[0]: line for line in lines[:-2]}
    assert list(bars) == ["build", "boot", "warm-up", "server", "agent"]
    assert re.search(r"\|b+\.+\| 4\.0 s$", bars["build"])
    assert re.search(r"\|\.+o+!2o+\.+\| 14\.0 s, 1 failed, attempt 2$", bars["agent"])
    assert "!" not in bars["server"]
    assert lines[-2].endswith("20.0 s")
    assert lines[-1].startswith("b build, o boot, w warm-up; ! failed; 2-9 where")


@pytest.mark.parametrize("width", [1, 40, 400])
def test_a_timeline_of_any_width(width):
    bars = [line for line in timeline.text(made()[0], width) if "|" in line]
    assert all(len(line) <= max(width, 50) for line in bars)
    assert len(bars) == 5


def test_many_phases_have_letters_of_their_own():
    steps = [
        Step(phase=f"aa{n}", start=n, end=n + 1, outcome="done", user=True) for n in range(60)
    ]
    boots = Step(phase="boot", start=0, end=1, outcome="done")
    (run,) = runs.of([Call(at=0, steps=(boots, *steps))])
    found = timeline.letters(run)
    assert list(found.values()).count("#") == 61 - 52
    assert timeline.text(run, 80)


def test_a_run_without_anything_to_draw():
    (run,) = runs.of([Call(at=0, fresh=True)])
    assert timeline.text(run, 80) == []
    assert drawing.draw(run, (), "svg")


def test_steps_as_csv():
    rows = list(csv.DictReader(io.StringIO(table.steps(made()))))
    agent = [row for row in rows if row["node"] == "agent" and row["run"] == "3"]
    assert [(row["does"], row["attempt"], row["outcome"]) for row in agent] == [
        ("start", "1", "done"),
        ("come up", "1", "failed"),
        ("start", "2", "done"),
        ("come up", "2", "done"),
    ]
    assert (agent[1]["start"], agent[1]["end"], agent[1]["seconds"]) == (
        *("3005.000", "3011.000"),
        "6.0",
    )


@pytest.mark.parametrize(
    ("kind", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_drawings(kind, begin):
    drawn = drawing.draw(made()[2], runs.comparable(made()), kind)
    assert drawn.startswith(begin)
    if kind == "svg":
        words = " ".join(ElementTree.fromstring(drawn).itertext())
        assert all(
            word in words for word in ("attempt 2", "warm-up", "agent", "means of 2", "failed")
        )


def test_what_cannot_be_drawn(monkeypatch):
    with pytest.raises(NxcError, match="nothing is drawn as gif"):
        drawing.draw(made()[0], (), "gif")
    monkeypatch.setattr(drawing, "can_draw", lambda: False)
    with pytest.raises(ToolMissingError) as caught:
        drawing.draw(made()[0], (), "png")
    assert caught.value.resolution == "pip install 'enoslib-nxc[plot]'"


def test_the_report_of_what_was_destroyed():
    shown = report("--job", "mine").stdout
    assert shown.startswith("deployment mine is not there; its runs are kept\n")
    assert "1970-01-01 00:50:00  2         4.0 s" in shown
    assert "of 1, 3 (n = 2)" in shown
    assert "\nrun 3\nbuild " in shown
    assert "\nrun 1\n" in report("--run", "1").stdout  # the only one that there is
    told = json.loads(report("--json").stdout)
    assert (told["created"], told["built"], told["calls"]) == (None, [], [])
    assert [run["failed"] for run in told["runs"]] == ["", "warm-up: Boom: $x$ <b>", ""]
    assert told["means"][0]["seconds"]["Boot"]["count"] == 2


def test_a_run_that_is_none():
    done = report("--run", "7")
    assert done.exit_code == 1
    assert done.stderr == "error: mine has no run 7\n-> there are runs 1 to 3\n"


def test_a_name_of_which_nothing_is_known():
    assert "no runs are kept either" in report("--job", "none").stderr
    assert "there is no deployment none\n" in report("--job", "none").stderr
    assert "there is no deployment ../x\n" in report("--job", "../x").stderr
    history.note("other", Step(phase="x", start=0, end=1, outcome="done"))
    assert "runs are kept of mine, other" in report().stderr


def test_files(tmp_path):
    done = report("--csv", "-")
    assert done.stdout.startswith("run,phase,node,start,end,seconds,outcome,attempt,")
    done = report("--csv", "a.csv", "--html", "a.html", "--plot", "a.SVG", "--run", "2")
    assert (done.stdout, done.stderr.count("written: ")) == ("", 3)
    page = (tmp_path / "a.html").read_text()
    assert "<svg" in page
    assert "Boom: $x$ &lt;b&gt;" in page
    assert "<h2>Run 2</h2>" in page
    assert re.findall(r'(?:src|href)="http[^"]*"', page) == []
    assert (tmp_path / "a.SVG").read_bytes().startswith(b"<?xml")
    assert (tmp_path / "a.csv").read_bytes() == report("--csv", "-").stdout_bytes


def test_a_page_without_drawings(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "can_draw", lambda: False)
    assert report("--html", "a.html").exit_code == 0
    page = (tmp_path / "a.html").read_text()
    assert "<svg" not in page
    assert "matplotlib is not installed: pip install" in page
    assert "!2" in page


def test_files_that_cannot_be():
    assert (
        "nowhere/a.html cannot be written: No such" in report("--html", "nowhere/a.html").stderr
    )
    assert "a file without suffix" in report("--plot", "a").stderr
    history._append("none", "{}")
    history._append("none", json.dumps({"began": {"at": 1}}))
    history.note("none", Step(phase="plan", start=0, end=1, outcome="done"))
    assert "no runs of none to draw" in report("--job", "none", "--plot", "a.png").stderr
    assert report("--job", "none", "--html", "a.html").exit_code == 0


def test_forgetting():
    assert report("--forget").stderr == "the runs of mine are forgotten\n"
    assert report("--job", "mine", "--forget").stderr == "the runs of mine were not kept\n"


def test_names_are_completed():
    option = next(each for each in cli.main.commands["report"].params if each.name == "job")
    ctx = cli.main.commands["report"].make_context("report", [], resilient_parsing=True)
    assert [item.value for item in option.shell_complete(ctx, "m")] == ["mine"]


def test_the_report_of_a_deployment():
    with state.claim("there") as home:
        home.save(deployment("server", "agent").model_copy(update={"job_name": "there"}))
        for failed in (False, True):
            with history.kept(home, SETTINGS) as noted:
                noted(Event(Phase.BUILD, Status.DONE, message="build", seconds=4.0))
                end = Status.FAILED if failed else Status.DONE
                noted(Event(Phase.BOOT, end, message="boot all", seconds=3.0))
    told = json.loads(report("--job", "there", "--json").stdout)
    assert [call["failed"] for call in told["calls"]] == ["", "boot all"]
    assert told["calls"][0]["seconds"] == {
        **dict.fromkeys(("Reserve", "Push", "Provision", "Run"), 0.0),
        **{"Build": 4.0, "Boot": 3.0},
    }
    assert told["configuration"]["roles"] == {"server": {"nodes": 1}, "agent": {"nodes": 1}}
    assert [host["host"] for host in told["hosts"]] == ["server", "agent"]
    assert re.search(r"4\.0 s +3\.0 s", report("--job", "there").stdout)
    conf = NixOSComposeConf.from_dictionary({"job_name": "there", "roles": {"server": 1}})
    made = NixOSCompose(conf).report()
    assert made
    assert [host.host for host in made.hosts] == ["server", "agent"]
    assert "Boot" in made._repr_html_()
    assert len(NixOSCompose(conf.set(job_name="mine").finalize()).report().runs) == 3
    assert NixOSCompose(conf.set(job_name="none").finalize()).report() is None
