"""`scripts/test --full` knows which of its parts have passed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Give a repository with this project's script, two tests, and a link to a directory."""
    for name in ("scripts/test", "scripts/setup.sh", "tests/system/test_one.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((ROOT / name).read_bytes() if "script" in name else b"")
    (tmp_path / "scripts/test").chmod(0o755)
    (tmp_path / "link").symlink_to("scripts")
    (tmp_path / ".gitignore").write_text("/.cache/\n")
    for words in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, timeout=30)
    return tmp_path


def listed(clone: Path) -> list[str]:
    done = subprocess.run(
        ["scripts/test", "--full", "--list"],
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def pass_all(clone: Path) -> None:
    [state] = (clone / ".cache/full").iterdir()
    for part in ("static", "tests_unit", "tests_contract", "tests_system_test_one.py"):
        (state / part).touch()


def test_parts_that_passed_pass_until_a_file_changes(clone: Path) -> None:
    parts = ["static", "tests/unit", "tests/contract", "tests/system/test_one.py"]
    assert listed(clone) == [f"to be run: {part}" for part in parts]
    pass_all(clone)
    assert listed(clone) == [f"passed already: {part}" for part in parts]
    (clone / "another").write_text("of no commit yet")
    assert listed(clone) == [f"to be run: {part}" for part in parts]
    (clone / "another").unlink()
    assert listed(clone) == [f"passed already: {part}" for part in parts]


def test_another_word(clone: Path) -> None:
    done = subprocess.run(
        ["scripts/test", "--full", "--lst"], cwd=clone, capture_output=True, timeout=60
    )
    assert done.returncode == 2
    assert b"--lst is no part, nor --list or --restart" in done.stderr
