"""What a `composition` is, which of its files count, and fingerprints over them."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from enoslib_nxc import nix
from enoslib_nxc.built import Artifacts
from enoslib_nxc.config import Settings
from enoslib_nxc.config_sections import Build
from enoslib_nxc.errors import BuildError, ConfigError
from enoslib_nxc.nix import source
from enoslib_nxc.nix.source import Source, locate

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def flake(tmp_path: Path) -> Path:
    (tmp_path / "flake.nix").write_text("{ }")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "sub" / "run.sh").chmod(0o744)
    (tmp_path / "link").symlink_to("sub/run.sh")
    (tmp_path / "result").symlink_to("/nix/store/abc-result")
    return tmp_path


def test_local_flakes(flake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locate(str(flake)) == Source(ref=str(flake), directory=flake)
    assert locate(f"path:{flake}") == Source(ref=f"path:{flake}", directory=flake)
    monkeypatch.chdir(flake.parent)
    assert locate(f"./{flake.name}").directory == flake
    assert locate(flake.name).directory == flake
    (flake / ".git").mkdir()
    assert locate(str(flake)) == Source(ref=str(flake), directory=flake, git=True)
    assert not locate(f"path:{flake}").git


def test_a_flake_below_the_top_of_a_repository(flake: Path) -> None:
    (flake / ".git").mkdir()
    (flake / "sub" / "flake.nix").write_text("{ }")
    found = locate(str(flake / "sub"))
    assert (found.directory, found.root, found.git) == (flake / "sub", flake, True)


def test_a_file_is_a_compose_info(flake: Path) -> None:
    file = flake / "info.json"
    file.write_text("{}")
    assert locate(str(file)) == Source(ref="", file=file)


@pytest.mark.parametrize("given", ["./none", "/none", "~/none", "path:none"])
def test_a_path_that_is_not_there(given: str) -> None:
    with pytest.raises(ConfigError) as caught:
        locate(given)
    assert caught.value.brief == f"composition {given} does not exist"


@pytest.mark.parametrize("given", ["nowhere.json", "a.d/none", "./none", "two words", "é"])
def test_what_can_be_no_flake_reference_is_told_where_it_was_looked_for(given: str) -> None:
    with pytest.raises(ConfigError) as caught:
        locate(given)
    assert str(caught.value) == (
        f"composition {given} does not exist\n"
        f"  looked for {Path.cwd() / given}\n"
        "-> give a directory with a flake.nix, a flake reference, or a compose-info file"
    )


@pytest.mark.parametrize(
    "ref",
    [
        *("nixpkgs", "nixpkgs/nixos-24.05", "my_flake-2?dir=x", "flake:nixpkgs", "x/v1.0.json"),
        *("github:a/b", "github:a/b/c.d?dir=e", "gitlab:a/b", "sourcehut:~a/b", "unheard:of"),
        *("git+https://x/y", "git+ssh://git@x/y?ref=z", "git+file:///x", "hg+https://x"),
        *("https://x/y.tar.gz", "tarball+https://x/y", "file:///x.tar", "git:/x"),
    ],
)
def test_what_may_be_a_flake_reference_is_for_nix_to_say(ref: str) -> None:
    assert locate(ref) == Source(ref=ref)


def test_a_directory_without_flake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        locate(str(tmp_path))
    assert caught.value.brief == f"there is no flake.nix in composition {tmp_path}"


def test_an_attribute_is_not_part_of_it() -> None:
    with pytest.raises(ConfigError) as caught:
        locate("./k3s#packages.x")
    assert caught.value.brief == "composition './k3s#packages.x' names an attribute"


@pytest.mark.parametrize(
    ("ref", "locked"),
    [
        (f"github:nixos/templates/{COMMIT}", True),
        (f"github:nixos/templates/{COMMIT}?dir=a", True),
        (f"git+https://example.org/x?ref=main&rev={COMMIT}", True),
        ("tarball+https://example.org/x?narHash=sha256-abc", True),
        ("github:nixos/templates", False),
        ("github:nixos/templates/main", False),
        ("nixpkgs", False),
    ],
)
def test_locked_references(ref: str, *, locked: bool) -> None:
    assert locate(ref).locked is locked


def test_files_are_packed_by_content_alone(flake: Path, tmp_path_factory: object) -> None:
    one, two = flake.parent / "one.tar", flake.parent / "two.tar"
    place = locate(str(flake))
    source.pack(place, one, {"setup.toml": "x = 1\n"})
    os.utime(flake / "flake.nix", (1, 1))
    source.pack(place, two, {"setup.toml": "x = 1\n"})
    assert one.read_bytes() == two.read_bytes()
    with tarfile.open(one) as archive:
        found = {member.name: member for member in archive}
        setup = archive.extractfile("setup.toml")
        assert setup is not None
        assert setup.read() == b"x = 1\n"
    assert set(found) == {"flake.nix", "link", "setup.toml", "sub/run.sh"}
    assert found["sub/run.sh"].mode == 0o755
    assert found["link"].linkname == "sub/run.sh"


def test_too_much_to_pack(flake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_SOURCE", 2 << 20)
    with (flake / "data").open("wb") as data:
        data.truncate(5 << 20)
    with pytest.raises(BuildError) as caught:
        source.pack(locate(str(flake)), flake.parent / "x.tar", {})
    assert caught.value.brief == f"the flake's source {flake} holds 5 MiB, more than 2"


def settings(**changes: object) -> Settings:
    return Settings.model_validate({"roles": {"a": {"nodes": 1}}, **changes})


def mark(flake: Path | str, **changes: object) -> str:
    return nix.fingerprint(settings(**changes), str(flake))


def test_fingerprints_follow_contents(flake: Path) -> None:
    before = mark(flake)
    assert len(before) == 64
    os.utime(flake / "flake.nix", (1, 1))
    assert mark(flake) == before
    seen = {before}
    (flake / "flake.nix").write_text("{1}")
    seen.add(mark(flake))
    (flake / "sub" / "run.sh").chmod(0o644)
    seen.add(mark(flake))
    (flake / "link").unlink()
    seen.add(mark(flake))
    (flake / "sub" / "new").touch()
    seen.add(mark(flake))
    (flake / ".git").mkdir()
    seen.add(mark(flake))
    (flake / ".git" / "index").touch()
    seen.add(mark(flake))
    assert len(seen) == 7


def test_fingerprints_follow_settings_that_a_build_reads(flake: Path) -> None:
    marks = {
        mark(flake),
        mark(flake, flavour="g5k-ramdisk"),
        mark(flake, composition_name="x"),
        mark(flake, all_in_one=True),
        mark(flake, build=Build(store=Path("/s"))),
    }
    assert len(marks) == 5
    assert mark(flake, vm={"memory": 1024}, kernel_params="quiet") == mark(flake)


def test_what_only_nix_can_tell_has_no_fingerprint(
    flake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mark("github:nixos/templates") == ""
    assert mark(f"github:nixos/templates/{COMMIT}") != ""
    assert mark(flake, build=Build(nix_flags=("--impure",))) == ""
    assert mark("/none") == ""
    (flake / "setup.toml").write_text('[options]\nnix-flags = "--impure"\n')
    assert mark(flake) == ""
    (flake / "setup.toml").unlink()
    monkeypatch.setattr("enoslib_nxc.nix.reuse.MAX_FILES", 2)
    assert mark(flake) == ""


def test_reuse_needs_the_files(tmp_path: Path) -> None:
    info, kernel, initrd = (tmp_path / name for name in ("info", "kernel", "initrd"))
    artifacts = Artifacts(
        flavour="vm-ramdisk",
        system="x86_64-linux",
        composition="c",
        compose_info=info,
        roles={},
        kernel=str(kernel),
        initrd=str(initrd),
        fingerprint="f",
    )
    for path in (info, kernel, initrd):
        assert not nix.reusable(artifacts, "f")
        path.touch()
    assert nix.reusable(artifacts, "f")
    assert not nix.reusable(artifacts, "g")
    assert not nix.reusable(artifacts.model_copy(update={"fingerprint": ""}), "")
