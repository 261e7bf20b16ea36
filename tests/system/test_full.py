"""`scripts/test --full` knows which of its parts have passed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PREPARED = f"""
project=$PWD venv={Path(sys.executable).parents[1]} needs=() test_needs=() benchmark_needs=()
install_packages() {{ :; }}
install_oar() {{ :; }}
install_docker() {{ :; }}
make_venv() {{ :; }}
say() {{ echo "$*" >&2; }}
"""
PARTS = ["static", "tests/unit", "tests/contract", "tests/system/test_one.py"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Give a repository with this project's script, two tests, and a link to a directory."""
    for name in ("scripts/test", "scripts/setup.sh", "tests/system/test_one.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((ROOT / name).read_bytes() if "script" in name else b"")
    (tmp_path / "scripts/test").chmod(0o755)
    (tmp_path / "link").symlink_to("scripts")
    (tmp_path / ".gitignore").write_text("/.cache/\n__pycache__/\n")
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
    assert listed(clone) == [f"to be run: {part}" for part in PARTS]
    pass_all(clone)
    assert listed(clone) == [f"passed already: {part}" for part in PARTS]
    (clone / "another").write_text("of no commit yet")
    assert listed(clone) == [f"to be run: {part}" for part in PARTS]
    (clone / "another").unlink()
    assert listed(clone) == [f"passed already: {part}" for part in PARTS]


def test_another_word(clone: Path) -> None:
    done = subprocess.run(
        ["scripts/test", "--full", "--lst"], cwd=clone, capture_output=True, timeout=60
    )
    assert done.returncode == 2
    assert b"--lst is no part, nor --list or --restart" in done.stderr


def run(clone: Path, *parts: str) -> subprocess.CompletedProcess[str]:
    """Run parts where everything is installed already."""
    (clone / "scripts/setup.sh").write_text(PREPARED)
    words = ["scripts/test", "--full", *parts]
    return subprocess.run(words, cwd=clone, capture_output=True, text=True, timeout=120)


def test_a_part_alone(clone: Path) -> None:
    one = PARTS[-1]
    (clone / one).write_text("def test_one(): pass\n")
    assert "1 passed" in run(clone, one).stdout
    others = [f"to be run: {part}" for part in PARTS[:-1]]
    assert listed(clone) == [*others, f"passed already: {one}"]
    assert run(clone, one).stdout == f"passed already: {one}\n"


def test_a_part_that_fails_keeps_none_from_being_run(clone: Path) -> None:
    one, two = PARTS[-1], "tests/system/test_two.py"
    (clone / one).write_text("def test_one(): assert False\n")
    (clone / two).write_text("def test_two(): pass\n")
    done = run(clone, one, two)
    assert done.returncode == 1
    assert done.stderr == f"failed: {one}\n"
    assert listed(clone)[-2:] == [f"to be run: {one}", f"passed already: {two}"]
