"""Logs of Nix as recorded from 2.8.0, 2.26.3 and 2.34.8."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enoslib_nxc.nix.events import BuildLog, Failure, name

DATA = Path(__file__).parents[1] / "data"
BASE = "/nix/store/ngv0rdrjp1prpcg8bjf7kbf26rc6y39j-base.drv"
TOP = "/nix/store/9215g3zyzfnillcf405khc332hn1m777-top.drv"
VERSIONS = ["2.8", "2.26", "2.34"]
EXPECTED = {"2.8": 3, "2.26": 3, "2.34": 4}  # 2.34 expects one build too many


def recorded(file: str) -> BuildLog:
    log = BuildLog()
    for line in (DATA / file).read_text().splitlines():
        log.feed(line)
    return log


def event(**fields: object) -> str:
    return "@nix " + json.dumps(fields)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_build_is_counted_to_its_end(version: str) -> None:
    log = BuildLog()
    counts, seen = set(), set()
    for line in (DATA / f"nix-{version}-built.log").read_text().splitlines():
        log.feed(line)
        counts.add((log.done, log.expected))
        seen |= set(log.running)
    total = EXPECTED[version]
    assert (log.done, log.expected) == (3, total)
    assert {(0, 3), (1, total), (2, total), (3, total)} <= counts
    assert seen == {"base", "second", "compose-info", "compose-info (pack)"}
    assert log.began == 3
    assert log.running == ()
    assert log.failures == []
    assert log.tail(BASE) == ("base-built",)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_failed_build_names_the_derivation(version: str) -> None:
    log = recorded(f"nix-{version}-failed.log")
    assert log.failed_derivation() == TOP
    assert log.tail(TOP) == (
        "line 1",
        "line 2",
        "line 3",
        "/nix/store/0x17ms4kyv95h97qg4jrvavdk2a15b7p-base no such file",
    )


def test_the_trace_above_an_error_is_left_out() -> None:
    assert recorded("nix-2.26-throw.log").failures == [Failure("this composition is broken")]


def test_an_error_keeps_its_place_in_the_source() -> None:
    (failure,) = recorded("nix-2.26-undefined.log").failures
    assert failure.message == "attribute 'y' missing"
    assert failure.excerpt.splitlines()[0].strip() == "at flake.nix:4:17:"
    assert '4|  "und::b" = (x: x.y) {};' in failure.excerpt
    assert "\x1b" not in failure.excerpt


def test_2_8_hint_at_traces_is_no_error() -> None:
    log = BuildLog()
    hint = "(use '--show-trace' to show detailed location information)"
    log.feed(event(action="msg", level=0, msg=hint))
    assert log.failures == []


def test_an_error_without_raw_text() -> None:
    log = BuildLog()
    shown = "\x1b[31;1merror:\x1b[0m\n  … while x\n\n  error: cannot find 'a'\n  at b.nix:1:2"
    log.feed(event(action="msg", level=0, msg=shown))
    assert log.failures == [Failure("cannot find 'a'", "  at b.nix:1:2")]


def test_warnings_are_kept_apart() -> None:
    log = BuildLog()
    log.feed(event(action="msg", level=1, msg="\x1b[35;1mwarning:\x1b[0m Git tree is dirty"))
    assert log.warnings == ["Git tree is dirty"]
    assert log.failures == []


def test_downloads_are_counted_in_bytes() -> None:
    log = BuildLog()
    log.feed(event(action="start", id=1, type=102, level=0, text=""))
    log.feed(event(action="result", id=1, type=106, fields=[101, 1000]))
    for transfer, done in ((2, 300), (3, 50)):
        log.feed(event(action="start", id=transfer, type=101, level=4, text="", fields=["u"]))
        log.feed(event(action="result", id=transfer, type=105, fields=[done, 400, 0, 0]))
    assert (log.downloaded, log.to_download) == (350, 1000)
    log.feed(event(action="stop", id=2))
    log.feed(event(action="result", id=3, type=105, fields=[700, 900, 0, 0]))
    assert (log.downloaded, log.to_download) == (1000, 1300)


def test_only_the_last_lines_of_a_builder_are_kept() -> None:
    log = BuildLog()
    log.feed(event(action="start", id=1, type=105, level=3, text="", fields=[TOP, "", 1, 1]))
    for number in range(100):
        log.feed(event(action="result", id=1, type=101, fields=[f"\x1b[1mline\0 {number}\r"]))
    assert log.tail(TOP) == tuple(f"line {number}" for number in range(80, 100))


@pytest.mark.parametrize(
    "line",
    [
        "@nix {",
        "@nix []",
        "@nix 3",
        '@nix {"action": "start"}',
        '@nix {"action": "start", "id": 1}',
        '@nix {"action": "start", "id": 1, "type": 105}',
        '@nix {"action": "start", "id": 1, "type": 105, "fields": []}',
        '@nix {"action": "result", "id": "x", "type": 105, "fields": [1]}',
        '@nix {"action": "msg"}',
        "bash: nix: some text",
    ],
)
def test_odd_lines_are_kept_and_do_no_harm(line: str) -> None:
    log = BuildLog()
    log.feed(line)
    assert list(log.other) == [line]


def test_events_of_the_future_are_let_through() -> None:
    log = BuildLog()
    log.feed(event(action="start", id=1, type=999, level=0, text="", fields=[{}]))
    log.feed(event(action="result", id=1, type=998, fields=[None]))
    log.feed(event(action="dance", id=1))
    log.feed(event(action="stop", id=77))
    assert list(log.other) == []


def test_name_of_a_store_path() -> None:
    assert name(BASE) == "base"
    assert name("/nix/store/ngv0rdrjp1prpcg8bjf7kbf26rc6y39j-linux-6.1-x") == "linux-6.1-x"
