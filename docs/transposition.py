"""Run one experiment on every flavour that can run here, and write docs/transposition.md.

    python docs/transposition.py [PLACE ...]

Places are those of tests/system/transposed.py, all of them by default; figures of those that
are not named stay as they are in transposition.json.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel, TypeAdapter

PROJECT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("transposition.md")
FIGURES = PAGE.with_suffix(".json")
TEST = "tests/system/test_transposition.py"

HEAD = """# One experiment, every flavour

The same configuration, one server and its agents, transposed by one word
(`conf.transpose("docker")`), and the same assertions at each place: roles, names, a measurement
with iperf3 through EnOSlib; `init()` again leaves every machine as it is, so does another
process; a machine that is killed comes back alone; `destroy()` leaves nothing. The test is
`tests/system/test_transposition.py`. This page is made by

```sh
python docs/transposition.py            # every place that can be had on this computer
python docs/transposition.py docker vm  # only these; the others' figures stay
```
"""

COLUMNS = (
    *("place", "machines", "build", "boot", "provision", "first `init()`", "measure"),
    *("`init()` again", "`destroy()`", "when and where"),
)

TAIL = """
Times are seconds on the clock. *build* is fetching and building: little where an earlier run
left it in the store. *boot* lasts until every machine was seen under its role, and has what
was carried to them. *measure* is one second of iperf3, and Ansible's way there. `hosts` are
two guests that `en.Static` names; `vm-hosts` are two network namespaces of one computer, with
a process table, files and an ssh server each; places of Grid'5000 are those of
[the rehearsal](rehearsal.md), all on one computer: their times say nothing of the real one.
*load* is the computer's, other work included, before a row and after it.
"""

TIMES = ("boot", "provision", "init", "measure", "init again", "destroy")


class Figures(BaseModel):
    """What is known of a place.

    Args:
        machines: how many ran.
        seconds: what was timed -> seconds.
        where: computer and date; "" when it has not run.
        why: why it has not.
    """

    machines: int = 0
    seconds: dict[str, float] = {}
    where: str = ""
    why: str = ""


_TABLE = TypeAdapter(dict[str, Figures])


def page(table: Mapping[str, Figures]) -> str:
    """Return the page.

    Args:
        table: place -> what is known of it.
    """
    lines = [_line(COLUMNS), _line("---" for _ in COLUMNS)]
    lines += [_row(name, known) for name, known in table.items()]
    return f"{HEAD}\n{''.join(lines)}{TAIL}"


def known() -> dict[str, Figures]:
    """Return the figures of earlier runs."""
    return _TABLE.validate_json(FIGURES.read_bytes()) if FIGURES.exists() else {}


def _row(name: str, known: Figures) -> str:
    if not known.where:
        return _line([f"`{name}`", *[""] * (len(COLUMNS) - 2), f"not run: {known.why}"])
    built = known.seconds.get("fetch", 0.0) + known.seconds.get("build", 0.0)
    times = [built, *(known.seconds.get(time, 0.0) for time in TIMES)]
    told = (f"{seconds:.1f}" for seconds in times)
    return _line([f"`{name}`", str(known.machines), *told, known.where])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _where(before: float, accel: str) -> str:
    """Say what computer this is, and how busy it was before a place had run, and after."""
    what = f"{platform.machine()}, {os.cpu_count()} cores{accel}"
    return f"{time.strftime('%Y-%m-%d')}, {what}, load {before:.1f} to {_load():.1f}"


def _load() -> float:
    """Return how many processes wanted to run, on average of the last minute."""
    return os.getloadavg()[0]


class Collector:
    """A plugin of pytest that keeps what the test records of each place.

    Args:
        wanted: places to run, all when there are none.
        table: figures of earlier runs.
    """

    def __init__(self, wanted: tuple[str, ...], table: Mapping[str, Figures]) -> None:
        self._wanted = wanted
        self._before = 0.0
        self.table = dict(table)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Run the places that are wanted; know all."""
        names = [_place(item.nodeid) for item in items]
        if wrong := ", ".join(name for name in self._wanted if name not in names):
            raise pytest.UsageError(f"no place is named {wrong}; there are {', '.join(names)}")
        unknown = Figures(why="left out")
        self.table = {name: self.table.get(name, unknown) for name in names}
        items[:] = [i for i in items if not self._wanted or _place(i.nodeid) in self._wanted]

    def pytest_runtest_setup(self) -> None:
        """See how busy the computer is before a place takes its share."""
        self._before = _load()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the figures of one that passed, and why another did not run."""
        name = _place(report.nodeid)
        if isinstance(report.longrepr, tuple):  # file, line and reason of one that was skipped
            if not self.table[name].where:
                reason = report.longrepr[2].removeprefix("Skipped: ")
                self.table[name] = Figures(why=reason)
        elif report.passed and report.when == "call":
            told = {key: float(str(value)) for key, value in report.user_properties}
            machines, kvm = int(told.pop("machines")), told.pop("kvm", None)
            accel = {None: "", 0.0: ", emulated", 1.0: ", KVM"}[kvm]
            seconds = {key: round(value, 2) for key, value in told.items()}
            where = _where(self._before, accel)
            self.table[name] = Figures(machines=machines, seconds=seconds, where=where)


def _place(nodeid: str) -> str:
    return nodeid.rpartition("[")[2].rstrip("]")


def main() -> int:
    """Run, and write; return the exit status."""
    os.chdir(PROJECT)
    sys.path.insert(0, str(PROJECT))
    collector = Collector(tuple(sys.argv[1:]), known())
    status = pytest.main([TEST, "-p", "no:cacheprovider"], plugins=[collector])
    table = {name: figures.model_dump() for name, figures in collector.table.items()}
    if table:
        FIGURES.write_text(json.dumps(table, indent=1) + "\n")
        PAGE.write_text(page(collector.table))
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
