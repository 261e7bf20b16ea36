"""Variants of setup.toml: what Nix reads, what is taken from it, what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from enoslib_nxc import nix
from enoslib_nxc.config_sections import Build
from enoslib_nxc.errors import ConfigError
from enoslib_nxc.nix import setup_toml
from enoslib_nxc.nix.setup_toml import Setup, resolve, to_toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXT = """
[project]
selected = "old"
name = "k3s"
[options]
nix-flags = "--impure"
kernel-params = "quiet"
[params]
n = 1
[old]
[dev.options]
nix-flags = "--option cores '4'"
[dev.params]
m = "x"
[override-params]
n = 9
"""


@pytest.fixture
def flake(tmp_path: Path) -> Path:
    (tmp_path / "flake.nix").write_text("{ setup = ./setup.toml; }")
    (tmp_path / "setup.toml").write_text(TEXT)
    return tmp_path


def read(setup: Setup) -> dict[str, object]:
    assert setup.overlay is not None
    assert list(setup.overlay) == ["setup.toml"]
    return tomllib.loads(setup.overlay["setup.toml"])


def test_without_a_file_nothing_is_asked_for(tmp_path: Path) -> None:
    assert resolve(Build(), tmp_path) == Setup()
    assert resolve(Build(), None) == Setup()


def test_without_a_variant_a_former_selection_does_not_count(flake: Path) -> None:
    setup = resolve(Build(), flake)
    content = tomllib.loads(TEXT)
    del content["override-params"]
    content["project"] = {"name": "k3s"}
    assert read(setup) == content
    assert setup.nix_flags == ("--impure",)
    assert setup.kernel_params == "quiet"


def test_a_file_that_says_what_is_wanted_is_used_in_place(flake: Path) -> None:
    (flake / "setup.toml").write_text('[project]\nselected = "dev"\n[dev]\n')
    assert resolve(Build(setup="dev"), flake).overlay is None
    (flake / "setup.toml").write_text("[params]\nn = 1\n[dev]\n")
    assert resolve(Build(), flake).overlay is None


def test_a_variant_and_parameters(flake: Path) -> None:
    setup = resolve(Build(setup="dev", setup_params={"n": 5, "s": 'a"b'}), flake)
    content = read(setup)
    assert content["project"] == {"name": "k3s", "selected": "dev"}
    assert content["override-params"] == {"n": 5, "s": 'a"b'}
    assert content["params"] == {"n": 1}
    assert setup.nix_flags == ("--option", "cores", "4")
    assert setup.kernel_params == "quiet"
    assert nix.kernel_params(Build(setup="dev"), str(flake)) == "quiet"
    assert (flake / "setup.toml").read_text() == TEXT


@pytest.mark.parametrize("name", ["prod", "options", "params", "project"])
def test_an_unknown_variant(flake: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(Build(setup=name), flake)
    assert caught.value.brief == f"{flake}/setup.toml has no variant '{name}' (build.setup)"
    assert caught.value.resolution == "set build.setup to one of: dev, old"


def test_no_file_but_a_variant(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(Build(setup="dev"), tmp_path)
    assert caught.value.brief == (
        f"build.setup needs a setup.toml in the flake's directory; there is none in {tmp_path}"
    )
    with pytest.raises(ConfigError) as caught:
        resolve(Build(setup_params={"n": 1}), None)
    assert caught.value.brief == (
        "build.setup needs a setup.toml in the flake's directory; there is none: the flake "
        "is not a local directory"
    )


def test_a_file_that_the_flake_does_not_read(flake: Path) -> None:
    (flake / "flake.nix").write_text("{ }")
    with pytest.raises(ConfigError) as caught:
        resolve(Build(setup="dev"), flake)
    assert caught.value.brief == (
        f"build.setup has no effect: {flake}/flake.nix does not mention setup.toml"
    )


def test_parameters_without_a_table_of_them(flake: Path) -> None:
    (flake / "setup.toml").write_text("[dev]\n")
    with pytest.raises(ConfigError) as caught:
        resolve(Build(setup_params={"n": 1}), flake)
    assert caught.value.brief == (
        f"build.setup_params has no effect: {flake}/setup.toml has no [params]"
    )


def test_no_toml(flake: Path) -> None:
    (flake / "setup.toml").write_text("a = ")
    with pytest.raises(ConfigError) as caught:
        resolve(Build(), flake)
    assert caught.value.brief.startswith(f"{flake}/setup.toml is not TOML: ")


def test_toml_is_written_as_it_was_read() -> None:
    text = (
        's = "q\\" b\\\\ \\u007f é \\n"\ni = 3\nf = 1.5\nyes = true\nd = 2024-05-06T07:08:09Z\n'
        'l = [1, [2, "x"]]\n"a.b c" = {"k" = {}}\n[[t]]\nx = 1\n[u.v]\ny = inf\n'
    )
    content = tomllib.loads(text)
    assert tomllib.loads(to_toml(content)) == content
    assert setup_toml.to_toml({}) == ""
