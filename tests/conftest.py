"""What tests of several kinds share: another package, and a Docker daemon."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from enoslib_nxc import flavours
from tests.system import dockerd

OTHER = Path(__file__).parent / "contract" / "other"
"""Where a package with flavours of its own is, as if it were installed."""


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
