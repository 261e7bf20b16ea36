"""What tests of several kinds share: another package, and a Docker daemon."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from enoslib_nxc import flavours
from tests.system import dockerd

SHARED = {"shared_machines": "grid", "docker_daemon": "docker"}
"""Fixtures of a whole session -> the group of tests that share them: one process has them."""

OTHER = Path(__file__).parent / "contract" / "other"
"""Where a package with flavours of its own is, as if it were installed."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests stay together where several processes run them (pytest -n).

    Those of a file do, as they may share what they boot. What takes longest comes first, so
    that no process is left with it at the end.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: item.path.parent.name == "unit")


def _group(item: pytest.Item) -> str:
    wanted = getattr(item, "fixturenames", ())
    shared = (group for fixture, group in SHARED.items() if fixture in wanted)
    return next(shared, str(item.path))


@pytest.fixture
def other_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have that package on Python's path, its metadata included; in new processes too."""
    monkeypatch.syspath_prepend(str(OTHER))
    paths = [str(OTHER), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    flavours.of_others.cache_clear()
    yield
    flavours.of_others.cache_clear()


@pytest.fixture(scope="session")
def docker_daemon() -> Iterator[str]:
    """Give the tests that ask for it, and those after, a Docker daemon by DOCKER_HOST."""
    with dockerd.running() as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        yield address
