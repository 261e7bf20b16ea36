from __future__ import annotations

import json
from pathlib import Path

import pytest

from enoslib_nxc.debian import EMBEDDED_DIR, LOCK_NAME, read_lock, successors
from enoslib_nxc.debian.lock import Lock, Package, Source, sanitise
from enoslib_nxc.debian.store import store_path
from enoslib_nxc.errors import BuildError

WHEEL = Source(name="nixos-compose", version="0.7.11", sha256="b" * 64, filename="w.whl")


def package(name: str, version: str = "1", digit: str = "a") -> Package:
    return Package(
        name=name,
        version=version,
        sha256=digit * 64,
        filename=sanitise(f"{name}_{version}_amd64.deb"),
        architecture="amd64",
    )


def lock(*packages: Package) -> Lock:
    return Lock(groups={"base": ("bash",), "extra": ()}, packages=packages, wheel=WHEEL)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("jq_1.6-2.1+deb12u3_amd64.deb", "jq_1.6-2.1+deb12u3_amd64.deb"),
        ("wget_1:2~rc1_amd64.deb", "wget_1-2-rc1_amd64.deb"),
        ("a b%3a", "a-b-3a"),
    ],
)
def test_store_names_hold_what_nix_accepts(filename, expected):
    assert sanitise(filename) == expected


def test_the_text_of_a_lock_is_read_back_and_stable(tmp_path):
    made = lock(package("bash"), package("dash", "0.5~2"))
    path = tmp_path / LOCK_NAME
    path.write_text(made.dump())
    assert read_lock(path) == made
    assert read_lock(path).dump() == made.dump()
    assert len(json.loads(made.dump())["packages"]) == 2
    assert "wheels" not in json.loads(made.dump())
    more = made.model_copy(update={"wheels": (WHEEL, WHEEL)})
    path.write_text(more.dump())
    assert read_lock(path) == more
    assert more.needed("vm")[-3:] == more.from_pip == (WHEEL,) * 3


def test_the_embedded_lock_is_complete():
    embedded = read_lock(EMBEDDED_DIR / LOCK_NAME)
    names = {one.name for one in embedded.packages}
    assert set(embedded.wanted()) <= names
    assert all(set(one.depends) <= names for one in embedded.packages)
    assert embedded.dump() == (EMBEDDED_DIR / LOCK_NAME).read_text()
    # roles must differ: what the server adds is not in the base
    assert "iperf3" not in embedded.groups["base"]


def test_nothing_of_nxc_is_kept_here():
    for file in EMBEDDED_DIR.rglob("*"):
        assert not file.is_file() or "Retrieve deployment configuration" not in file.read_text()


def test_a_missing_lock_says_what_to_do(tmp_path):
    with pytest.raises(BuildError) as caught:
        read_lock(tmp_path / "x.json")
    assert caught.value.brief == f"cannot read {tmp_path}/x.json: No such file or directory"
    assert "enoslib-nxc lock" in caught.value.resolution


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        ("{", "the file: Invalid JSON: EOF while parsing an object at line 1 column 1"),
        ('{"groups": {}, "packages": []}', "wheel: Field required"),
    ],
)
def test_a_damaged_lock_is_one_error(tmp_path: Path, text, brief):
    path = tmp_path / LOCK_NAME
    path.write_text(text)
    with pytest.raises(BuildError) as caught:
        read_lock(path)
    assert caught.value.brief == f"{path} is not a lock file: {brief}"


def test_a_lock_of_another_format_is_refused(tmp_path: Path):
    path = tmp_path / LOCK_NAME
    path.write_text(lock().model_copy(update={"version": 7}).dump())
    with pytest.raises(BuildError, match="has format 7, this version reads 1"):
        read_lock(path)


def test_a_file_name_that_leaves_its_directory_is_refused(tmp_path: Path):
    path = tmp_path / LOCK_NAME
    path.write_text(lock(package("bash")).dump().replace("bash_1_", "../bash_1_"))
    with pytest.raises(BuildError, match=r"packages\.0\.filename"):
        read_lock(path)


def test_successors_name_each_change():
    old = lock(package("bash"), package("libssl3"), package("same"))
    new = lock(package("bash", "2", "c"), package("libssl3t64"), package("same"))
    assert successors(old, new) == (
        "bash 1 -> 2",
        "libssl3 1 -> gone",
        "libssl3t64 added -> 1",
    )
    assert successors(old, old) == ()


def test_store_paths_are_those_of_nix():
    # nix-store --print-fixed-path sha256 HASH NAME
    wheel = read_lock(EMBEDDED_DIR / LOCK_NAME).wheel
    assert store_path(wheel) == (
        "/nix/store/n24dqvg6svg63msnf7d850hv751rq6qk-nixos_compose-0.7.11-py3-none-any.whl"
    )
