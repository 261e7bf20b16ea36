from __future__ import annotations

from pathlib import Path

import pytest

from enoslib_nxc.debian import EMBEDDED_DIR, LOCK_NAME, workdir
from enoslib_nxc.errors import BuildError


@pytest.fixture
def flake(tmp_path: Path) -> Path:
    directory = tmp_path / "mine"
    (directory / "roles").mkdir(parents=True)
    (directory / ".hidden").mkdir()
    (directory / ".hidden" / "big").write_text("x")
    (directory / "flake.nix").write_text("{ }")
    (directory / "roles" / "a.nix").write_text("{ }: { }")
    (directory / LOCK_NAME).write_text("pinned")
    return directory


def copy(flake: Path, lock: str = "effective") -> Path:
    parent = flake.parent / "cache"
    return workdir.materialise(flake, library=EMBEDDED_DIR, lock=lock, parent=parent)


def test_a_copy_has_the_files_the_library_and_the_lock_in_force(flake):
    made = copy(flake)
    assert (made / "roles" / "a.nix").read_text() == "{ }: { }"
    assert (made / LOCK_NAME).read_text() == "effective"
    assert (made / "nxc" / "default.nix").is_file()
    assert (made / "nxc" / "guest" / "stage1.sh").is_file()
    assert not (made / ".hidden").exists()
    assert (flake / LOCK_NAME).read_text() == "pinned"


def test_equal_content_is_the_same_directory_with_the_same_times(flake):
    made = copy(flake)
    assert copy(flake) == made
    assert {file.stat().st_mtime for file in made.rglob("*") if file.is_file()} == {1}
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    assert copy(flake, "another") != made
    (flake / "flake.nix").write_text("{ a = 1; }")
    assert copy(flake) != made


def test_the_result_of_a_build_is_not_part_of_the_flake(flake):
    before = copy(flake)
    (flake / "result").symlink_to(EMBEDDED_DIR / "flake.nix")
    (flake / "alias.nix").symlink_to("flake.nix")
    after = copy(flake)
    assert not (after / "result").exists()
    assert (after / "alias.nix").read_text() == (before / "flake.nix").read_text()


def test_a_library_of_one_s_own_is_kept(flake):
    (flake / "nxc").mkdir()
    (flake / "nxc" / "default.nix").write_text("mine")
    made = copy(flake)
    assert [path.name for path in (made / "nxc").iterdir()] == ["default.nix"]


def test_atomic_writes_replace_and_leave_nothing(tmp_path):
    path = tmp_path / "lock"
    for text in ("one", "two"):
        workdir.write_atomic(path, text)
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


def test_two_do_not_fetch_at_once(tmp_path):
    with (
        workdir.alone(tmp_path, timeout=1),
        pytest.raises(BuildError) as caught,
        workdir.alone(tmp_path, timeout=0.1),
    ):
        pytest.fail("the lock was not held")
    assert caught.value.brief == (
        f"another process has been fetching into {tmp_path} for 0.1 s"
    )
    with workdir.alone(tmp_path, timeout=0.1):
        pass


def test_copies_that_were_not_used_for_long_go(flake):
    first, second = copy(flake, "0"), copy(flake, "1")
    before = first.stat().st_mtime_ns
    for number in range(2, workdir.KEPT):
        copy(flake, str(number))
    copy(flake, "0")  # used again, and as old to Nix as it was
    assert first.stat().st_mtime_ns == before
    copy(flake, "another")
    assert first.is_dir()
    assert not second.exists()
    assert len(list(first.parent.iterdir())) == workdir.KEPT
