"""What tests of several kinds share: another package, and a Docker daemon."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("ANSIBLE_TIMEOUT", "60")  # s; its 10 are few for guests under emulation

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from enoslib_nxc import flavours
from tests.system import dockerd

TOGETHER = {
    "grid": ("test_g5k_", "test_rehearsal_grid"),
    "docker": ("test_docker", "test_contract", "test_transposition"),
}
"""Name -> beginnings of the names of files that share what is booted once in a process."""

OTHER = Path(__file__).parent / "contract" / "other"
"""Where a package with flavours of its own is, as if it were installed."""


class Groups(LoadScopeScheduling):
    """Where several processes run the tests (pytest -n), each gets whole files of them."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        name = file.rpartition("/")[2]
        joined = (key for key, names in TOGETHER.items() if name.startswith(names))
        return next(joined, file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    """Keep together what shares machines; pytest-xdist's own groups know files alone."""
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process is left with it at the end."""
    items.sort(key=lambda item: item.path.parent.name == "unit")


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
