"""What the project shows to users and cannot be seen in its own tests: README, Nix files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from enoslib_nxc import shell
from tests.system import lab

PROJECT = Path(__file__).parents[2]
NIX_FILES = [
    path.relative_to(PROJECT)
    for path in (
        PROJECT / "flake.nix",
        *(PROJECT / "nix").glob("*.nix"),
        *(PROJECT / "enoslib_nxc" / "templates").rglob("*.nix"),
        *(PROJECT / "examples").rglob("*.nix"),
    )
]


def test_the_example_of_the_readme():
    (example,) = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(), re.S)
    lab.python(
        f"{example}\nassert sorted(h.alias for h in roles['agent']) == ['agent1', 'agent2']"
    )
    assert lab.ours() == []


@pytest.mark.parametrize("file", NIX_FILES, ids=str)
def test_nix_files_for_those_who_have_nixpkgs_parse(file):
    shell.run(["nix-instantiate", "--parse", PROJECT / file], timeout=30)
