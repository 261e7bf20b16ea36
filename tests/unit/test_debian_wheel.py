"""What pip's answers mean: there, gone, or nobody knows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from enoslib_nxc import shell
from enoslib_nxc.debian import wheel
from enoslib_nxc.errors import BuildError

PIN = "nixos-compose==0.7.11"
NO_MATCH = f"ERROR: No matching distribution found for {PIN}\n"


def not_found(versions: str) -> str:
    told = f"ERROR: Could not find a version that satisfies the requirement {PIN} "
    return f"{told}(from versions: {versions})\n{NO_MATCH}"


@pytest.fixture
def pip(monkeypatch):
    """Return how to set what pip does: the file that it brings, or its last words."""

    def pip(file="", stderr=""):
        def run(argv, *, timeout, check):
            assert argv[:4] == [sys.executable, "-m", "pip", "download"]
            assert argv[-1] == PIN
            if file:
                Path(argv[argv.index("--dest") + 1], file).write_text("wheel")
            return shell.Result(tuple(argv), 0 if file else 1, "", stderr, 0.1)

        monkeypatch.setattr(shell, "run", run)

    return pip


def test_what_came_is_in_the_cache(pip, tmp_path):
    pip(file="nixos_compose-0.7.11-py3-none-any.whl")
    source = wheel.download(PIN, tmp_path, timeout=9)
    assert source.pin == PIN.replace("==", "=")
    assert [path.name for path in tmp_path.iterdir()] == [source.filename]


def test_a_version_that_has_gone(pip, tmp_path):
    pip(stderr=not_found("0.1.0, 0.2.0"))
    assert wheel.download(PIN, tmp_path, timeout=9) is None


@pytest.mark.parametrize(
    "said",
    [
        "WARNING: Retrying after connection broken by 'NewConnectionError'\n"
        + not_found("none"),
        "ERROR: Could not install packages due to an OSError: Max retries exceeded\n",
    ],
)
def test_an_index_that_is_not_reached_is_no_version_that_has_gone(pip, tmp_path, said):
    pip(stderr=said)
    with pytest.raises(BuildError) as caught:
        wheel.download(PIN, tmp_path, timeout=9)
    assert caught.value.brief == f"pip could not fetch {PIN}"
    assert caught.value.details == said.strip()
    assert caught.value.resolution == (
        "check the network and pip's configuration, and try again"
    )


def test_no_pip(pip, tmp_path):
    pip(stderr="/usr/bin/python3: No module named pip\n")
    with pytest.raises(BuildError) as caught:
        wheel.download(PIN, tmp_path, timeout=9)
    assert caught.value.brief == (
        f"pip is not installed for {sys.executable}; it is needed to fetch nixos-compose"
    )
