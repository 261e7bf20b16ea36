"""Images that are not a single fresh composition: several in one, older, built elsewhere."""

from __future__ import annotations

import json

import pytest

from enoslib_nxc import debian, nix
from enoslib_nxc.config_sections import Build
from enoslib_nxc.events import silent
from tests.system import lab

SEVERAL = """{ outputs = { self }: { packages.x86_64-linux =
  (import ./nxc { lock = ./debian.lock.json; }).compose { compositions = {
    plain = { roles.node = { environment.etc.word.text = "plain"; }; };
    fancy = {
      roles.node = { environment.etc.word.text = "fancy"; };
      rolesDistribution.node = [ "alpha" "beta" ];
    };
  }; };
}; }
"""


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    directory = lab.copy_of_embedded(tmp_path_factory.mktemp("several") / "flake")
    (directory / "flake.nix").write_text(SEVERAL)
    return directory


def test_one_of_several_compositions_in_an_image(several):
    made = lab.provider(
        "several",
        {"node": None},  # as many as the composition's own distribution says
        composition=str(several),
        all_in_one=True,
        composition_name="fancy",
    )
    with made as (roles, _):
        assert sorted(host.alias for host in roles["node"]) == ["alpha", "beta"]
        assert lab.on(made, "alpha", "cat /etc/word /etc/nxc-composition") == "fancyfancy"
        assert "1 received" in lab.on(made, "alpha", "ping -c 1 -W 10 beta")


@pytest.mark.full
def test_an_older_compose_info_that_is_already_built(path_without):
    """NXC 0.6's form, given as a file: no Nix takes part, and the machine is the same."""
    store = nix.choose(Build())
    prepared = debian.prepare(
        debian.EMBEDDED_DIR, store=store, locked=False, report=silent, timeout=600
    )
    target = f'path:{prepared.flake_dir}#older.x86_64-linux."composition::vm-ramdisk"'
    words = ["build", target, "--no-link", "--json", "--no-write-lock-file"]
    features = ["--extra-experimental-features", "nix-command flakes"]
    built = store.run("nix", *features, *words, timeout=600)
    file = store.map.real(json.loads(built.stdout)[0]["outputs"]["out"])
    role = json.loads(file.read_text())["compositions_info"]["composition"]["roles"]["server"]
    assert set(role) >= {"init", "closure_info"}
    path_without("nix", "nix-store", "nix-build")
    build = {} if str(store.map.root) == "/" else {"build": {"store": str(store.map.root)}}
    made = lab.provider("older", {"server": 1}, composition=str(file), **build)
    with made:
        assert (
            lab.on(made, "server", "readlink -f /run/current-system") + "/init" == role["init"]
        )
        assert made.deployment.artifacts.provenance.flake == str(file)
