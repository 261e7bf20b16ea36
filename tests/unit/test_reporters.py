from __future__ import annotations

import io
import json
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from enoslib_nxc import bars, reporters
from enoslib_nxc.events import Event, Phase, Status, step
from enoslib_nxc.reporters import Display, Plain, Recorder, describe, make, tee


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def plain(out: io.StringIO, clock: Clock) -> Plain:
    return Plain(out, clock=clock)


def progress(done: int, message: str = "") -> Event:
    return Event(
        Phase.BUILD, Status.PROGRESS, "", message, done=done, total=15, unit="derivations"
    )


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event(Phase.BUILD, Status.STARTED, "", "build it"), "build it"),
        (progress(9, "hello"), "9/15 derivations hello"),
        (
            Event(Phase.FETCH, Status.PROGRESS, "", "x.deb", 0, 1_500_000, 3_000_000, "bytes"),
            "1.5 MB/3.0 MB x.deb",
        ),
        (Event(Phase.FETCH, Status.PROGRESS, done=5, unit="packages"), "5 packages"),
        (Event(Phase.BOOT, Status.PROGRESS, "agent1", "loading"), "agent1: loading"),
        (Event(Phase.BUILD, Status.DONE, "", "build it", 3.94), "done in 3.9 s: build it"),
        (Event(Phase.BUILD, Status.NOOP, "", "no change"), "nothing to do: no change"),
        (
            Event(Phase.BOOT, Status.FAILED, "agent1", "no answer", 60),
            "failed after 60.0 s: agent1: no answer",
        ),
    ],
)
def test_texts(event: Event, text: str) -> None:
    assert describe(event) == text


def test_lines(plain: Plain, out: io.StringIO, clock: Clock) -> None:
    with step(plain, Phase.BUILD, "build the composition") as building:
        clock.now += 3
        building.progress("too early", done=1, total=15, unit="derivations")
        clock.now += 9.3
        building.progress("hello", done=9, total=15, unit="derivations")
    with step(plain, Phase.PROVISION, "trust") as trusting:
        trusting.noop("all trusted")
    lines = out.getvalue().splitlines()
    assert lines[0] == "[   0.0s] build     build the composition"
    assert lines[1] == "[  12.3s] build     9/15 derivations hello"
    assert lines[2].startswith("[  12.3s] build     done in 0.0 s: build the composition")
    assert lines[3] == "[  12.3s] provision trust"
    assert lines[4] == "[  12.3s] provision nothing to do: all trusted"


def test_a_long_build_makes_a_short_log(plain: Plain, out: io.StringIO, clock: Clock) -> None:
    with step(plain, Phase.BUILD, "build") as building:
        for second in range(7200):
            clock.now += 1
            building.progress("x", done=second, total=7200)
    assert 100 < len(out.getvalue().splitlines()) < 140


def test_hosts_are_counted(plain: Plain, out: io.StringIO) -> None:
    with step(plain, Phase.BOOT, "boot"):
        for host in ("a", "b"):
            plain(Event(Phase.BOOT, Status.STARTED, host, "come up"))
        for host in ("b", "a"):
            plain(Event(Phase.BOOT, Status.DONE, host, "come up"))
    assert [line.split("boot", 1)[1].strip() for line in out.getvalue().splitlines()][1:3] == [
        "1/2 b: come up",
        "2/2 a: come up",
    ]


def test_many_hosts_are_thinned_out_but_no_failure(plain: Plain, out: io.StringIO) -> None:
    hosts = [f"h{number}" for number in range(200)]
    with step(plain, Phase.BOOT, "boot"):
        for host in hosts:
            plain(Event(Phase.BOOT, Status.STARTED, host, "come up"))
        for host in hosts:
            plain(Event(Phase.BOOT, Status.DONE, host, "come up"))
        plain(Event(Phase.BOOT, Status.FAILED, "late", "no answer"))
    text = out.getvalue()
    assert len(text.splitlines()) == 2 + reporters.FEW + 1
    assert "failed after 0.0 s: late: no answer" in text


def test_what_a_stream_cannot_encode_is_replaced() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Plain(stream)(Event(Phase.BUILD, Status.STARTED, "", "é"))
    assert raw.getvalue() == b"[   0.0s] build     ?\n"


@pytest.mark.parametrize("kind", ["plain", "rich"])
def test_a_closed_stream_harms_nobody(kind: reporters.Kind) -> None:
    stream = Terminal()
    with make(kind, stream) as report:
        stream.close()
        with step(report, Phase.BUILD, "build"):
            pass


def test_threads(plain: Plain, out: io.StringIO) -> None:
    def work() -> None:
        for _ in range(50):
            plain(Event(Phase.BOOT, Status.FAILED, "h", "x"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = out.getvalue().splitlines()
    assert len(lines) == 400
    assert set(lines) == {"[   0.0s] boot      failed after 0.0 s: h: x"}


def test_silent(out: io.StringIO) -> None:
    with make("silent", out) as report, step(report, Phase.BUILD, "build"):
        pass
    assert out.getvalue() == ""


def test_auto() -> None:
    assert isinstance(make("auto", io.StringIO()), Plain)
    assert isinstance(make("plain", Terminal()), Plain)


def test_auto_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(make("auto", Terminal()), bars.Bars)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make("auto", Terminal()), Plain)


def test_standard_error_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    make("plain")(Event(Phase.BUILD, Status.STARTED, "", "build"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "[   0.0s] build     build\n"


def test_recorder(tmp_path: Path) -> None:
    recorder = Recorder()
    with step(recorder, Phase.BUILD, "build") as building:
        building.progress(done=1, total=2)
    assert [event.status.value for event in recorder.events] == ["started", "progress", "done"]
    recorder.write(tmp_path / "events.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["phase"] for line in lines] == ["build"] * 3
    assert lines[1]["done"] == 1
    assert [Event(**line) for line in lines] == list(recorder.events)


def test_tee_hands_on_and_closes() -> None:
    class Closing(Display):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    closing, recorder, seen = Closing(), Recorder(), []
    with tee(closing, recorder, seen.append) as report:
        report(progress(1))
        assert closing.closed == 0
    assert closing.closed == 1
    assert list(recorder.events) == seen == [progress_like(seen[0])]


def progress_like(event: Event) -> Event:
    return Event(**{**vars(progress(1)), "at": event.at})


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def test_bars_show_and_leave_their_last_frame(terminal: Terminal) -> None:
    with make("rich", terminal) as report:
        with step(report, Phase.BUILD, "build [bold] it") as building:
            building.progress("hello", done=9, total=15, unit="derivations")
        shown = terminal.getvalue()
    last = shown.rpartition("\x1b[2K")[2]
    assert "ok" in last
    assert "build [bold] it" in last


def extra_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    """Threads that go on; rich's is told to end, and does within a tenth of a second."""
    new = set(threading.enumerate()) - before
    for thread in new:
        thread.join(0.5)
    return [thread for thread in new if thread.is_alive()]


def test_between_steps_the_terminal_is_free(terminal: Terminal) -> None:
    before, streams = set(threading.enumerate()), (sys.stdout, sys.stderr)
    with make("rich", terminal) as report:
        with step(report, Phase.BUILD, "build"):
            assert extra_threads(before) != []
        assert terminal.getvalue().endswith("\x1b[?25h")  # rich shows the cursor again
        assert (sys.stdout, sys.stderr) == streams
        assert extra_threads(before) == []
        with step(report, Phase.BOOT, "boot"):
            pass
    assert extra_threads(before) == []


def test_bars_stop_on_an_error(terminal: Terminal) -> None:
    before = set(threading.enumerate())
    with suppress(KeyboardInterrupt), make("rich", terminal) as report:
        report(Event(Phase.BUILD, Status.STARTED, "", "build"))
        raise KeyboardInterrupt
    assert extra_threads(before) == []
    assert terminal.getvalue().endswith("\x1b[?25h")


def test_bars_keep_a_host_s_failure(terminal: Terminal) -> None:
    with make("rich", terminal) as report, step(report, Phase.BOOT, "boot"):
        report(Event(Phase.BOOT, Status.STARTED, "a", "come up"))
        report(Event(Phase.BOOT, Status.FAILED, "a", "no answer", 2))
    assert "boot      failed after 2.0 s: a: no answer" in terminal.getvalue()


def test_bars_pass_over_stragglers(terminal: Terminal) -> None:
    with make("rich", terminal) as report:
        report(progress(3))
    assert terminal.getvalue() == ""
