"""Flavours of another package, as if it were installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from enoslib_nxc import flavours


@pytest.fixture
def other_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the package beside this file on Python's path, its metadata included."""
    monkeypatch.syspath_prepend(str(Path(__file__).with_name("other")))
    flavours.of_others.cache_clear()
    yield
    flavours.of_others.cache_clear()
