"""System tests keep their deployments apart from the user's, and end them all."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from enoslib_nxc import shell, standing, state
from enoslib_nxc.events import silent
from enoslib_nxc.rehearsal.grid import GridRehearsal
from tests.system import grid as grids
from tests.system import lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/system" in str(item.path):
            item.add_marker(pytest.mark.system)


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep records in a directory of this session; destroy what a failed test left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        before = set(lab.ours())
        yield
        root = state.state_root()
        for home in list(root.iterdir()) if root.is_dir() else []:
            standing.destroy(home.name, silent, 60)
        assert set(lab.ours()) <= before


@pytest.fixture
def providers_forgotten() -> None:
    """Forget providers that tracebacks of earlier tests keep: their names may be used anew."""
    gc.collect()


@pytest.fixture(scope="session")
def shared_machines() -> Iterator[GridRehearsal]:
    """Two nodes and a frontend, booted once."""
    with GridRehearsal([grids.SPEC], pace=grids.PACE) as rehearsal:
        yield rehearsal


@pytest.fixture(scope="module")
def shared_grid(shared_machines: GridRehearsal) -> Iterator[grids.Grid]:
    """Let a module use them; its environment ends with it. A test gives back what it takes."""
    with grids.used(shared_machines) as grid:
        yield grid


@pytest.fixture
def path_without(tmp_path, monkeypatch):
    """Return how to take programs out of PATH; all others stay."""

    def path_without(*names):
        programs = tmp_path / "bin"
        programs.mkdir()
        monkeypatch.setattr(shell, "SBIN", ())
        for directory in [*os.environ["PATH"].split(":"), "/usr/sbin", "/sbin"]:
            for program in Path(directory).glob("*"):
                link = programs / program.name
                if program.name not in names and not link.is_symlink():
                    link.symlink_to(program)
        monkeypatch.setenv("PATH", str(programs))

    return path_without
