"""The option `enoslib.compat`, in the embedded library and as a module of NixOS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enoslib_nxc import compat, nix, shell
from enoslib_nxc.config_sections import Build
from enoslib_nxc.debian import EMBEDDED_DIR, LOCK_NAME
from enoslib_nxc.errors import CommandError
from tests.system import embedded_build, lab

MODULE = Path(__file__).with_name("compat_module.nix")

OPTIONS = (Path(__file__).parents[1] / "data" / "nixos-options.txt").read_text().split()


def evaluated(*names):
    """Evaluate the module of NixOS with a stand-in for nixpkgs."""
    words = ["nix-instantiate", "--store", "dummy://", "--eval", "--strict", "--json", MODULE]
    given = " ".join(json.dumps(name) for name in names)
    return json.loads(shell.run([*words, "--arg", "names", f"[ {given} ]"], timeout=60).stdout)


def test_a_system_without_names_is_as_it_was():
    assert evaluated() == {
        "known": sorted(name for name, one in compat.table().names.items() if not one.refused),
        **{"packages": [], "etc": {}, "modules": [], "rules": []},
        **{"cron": False, "docker": False},
    }


def test_names_of_nixos():
    found = evaluated("dstat", "planning", "netem", "dstat")
    python = "first:python3-with-"
    assert found["packages"] == ["tmux", "dool", "iproute2", "fping", "which", python]
    assert found["etc"] == {"enoslib-compat": "dstat\nplanning\nnetem\n"}
    assert (found["cron"], found["docker"]) == (True, False)
    assert found["modules"] == [*compat.table().names["netem"].kernel_modules]
    rules = {tuple(rule.split()[:2]): rule.split()[-1] for rule in found["rules"]}
    assert rules["L+", "/usr/bin/python3"] == "/run/current-system/sw/bin/python3"
    copied = rules["C+", "/tmp/__enoslib_dstat__/dool"]
    assert Path(copied).read_text() == (EMBEDDED_DIR / "nxc/compat/dool.py").read_text()


@pytest.mark.parametrize("name", [n for n, o in compat.table().names.items() if not o.refused])
def test_each_name_of_nixos_sets_options_that_there_are(name):
    needs = compat.table().names[name]
    assert {*needs.nixos} <= {*OPTIONS}
    found = evaluated(name)
    assert found["packages"] == [
        *needs.nixpkgs,
        f"first:python3-with-{','.join(needs.python)}",
    ]
    assert found["etc"] == {"enoslib-compat": f"{name}\n"}


@pytest.fixture(scope="module")
def store():
    return nix.choose(Build())


def changed(directory, names):
    """Return the embedded composition with other names for its agent."""
    flake = lab.copy_of_embedded(directory)
    (flake / "original.nix").write_text((flake / "composition.nix").read_text())
    (flake / "composition.nix").write_text(
        f"""arguments: {{ roles = {{
          agent = {{ enoslib.compat = [ {" ".join(json.dumps(name) for name in names)} ]; }};
          bare = {{ }};
        }}; }}"""
    )
    return flake


def test_what_a_role_gets(store, tmp_path):
    built = embedded_build.build(store, changed(tmp_path / "c", ["dstat", "planning"]))
    roles = {
        role: built.real(toplevel) for role, toplevel in built.composition["roles"].items()
    }
    assert built.real(
        str((roles["agent"] / "etc").readlink() / "enoslib-compat")
    ).read_text().split() == ["dstat", "planning"]
    programs = built.real(str((roles["agent"] / "packages").readlink() / "usr" / "bin"))
    assert [program.name for program in programs.iterdir()] == ["dool"]
    assert "cp /nix/store/" in (roles["agent"] / "init").read_text()
    bare = roles["bare"]
    assert not built.real(str((bare / "etc").readlink() / "enoslib-compat")).exists()
    assert "dool" not in (bare / "init").read_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "nettem",
            "there is no `nettem'. It knows: dask, docker, dstat, monitoring, netem, "
            "planning, tcpdump.",
        ),
        (
            "docker",
            "`docker' needs docker.io iptables python3-docker curl pciutils, which "
            "debian.lock.json does not have: enoslib-nxc lock --add docker.io --add iptables "
            "--add python3-docker --add curl --add pciutils DIRECTORY",
        ),
        ("locust", "`locust': Debian has no package of Locust: compositions of nixpkgs "),
        ("k3s", "`k3s': EnOSlib's K3s always runs an installer that it downloads, "),
    ],
)
def test_names_that_cannot_be_had_are_told_with_the_role(store, tmp_path, name, message):
    with pytest.raises(CommandError) as caught:
        embedded_build.build(store, changed(tmp_path / "c", [name]))
    assert f"role `agent' of `composition': enoslib.compat: {message}" in caught.value.details


def test_a_lock_from_before(store, tmp_path):
    flake = changed(tmp_path / "c", ["dstat"])
    lock = json.loads((flake / LOCK_NAME).read_text())
    del lock["wheels"]
    (flake / LOCK_NAME).write_text(json.dumps(lock))
    with pytest.raises(CommandError) as caught:
        embedded_build.build(store, flake)
    assert (
        "`dstat' needs dool, which debian.lock.json does not have: enoslib-nxc lock DIRECTORY"
        in caught.value.details
    )
