"""Flavour docker: several compositions in one image, of which a name selects one."""

from __future__ import annotations

from pathlib import Path

import pytest

from enoslib_nxc.debian import EMBEDDED_DIR
from enoslib_nxc.errors import ArtifactError, BuildError
from tests.system import lab
from tests.system.contained import left, provider

JOB = "several"

FLAKE = """{ outputs = { self }: { packages.x86_64-linux =
  (import ./nxc { lock = ./debian.lock.json; }).compose { compositions = {
    one = { roles.first = { environment.etc.which.text = "one"; }; };
    two = {
      rolesDistribution.second = 2;
      roles.second = { environment.etc.which.text = "two"; };
    };
  }; };
}; }
"""

pytestmark = pytest.mark.usefixtures("docker_daemon")


@pytest.fixture(scope="module")
def composition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = lab.copy_of_embedded(tmp_path_factory.mktemp("several") / "composition")
    (made / "flake.nix").write_text(FLAKE)
    return made


def test_a_name_selects_one_of_the_image(composition: Path, docker_daemon: str) -> None:
    wish = {"all_in_one": True, "composition_name": "two"}
    made = provider(JOB, composition, {"second": None}, **wish)
    try:
        roles, _ = made.init()
        record = made.deployment
        assert record
        assert sorted(host.alias for host in roles["second"]) == ["second1", "second2"]
        for host in ("second1", "second2"):
            assert lab.on(made, host, "cat /etc/which /etc/nxc-composition") == "twotwo"
    finally:
        made.destroy()
    assert left(record.token) == []


def test_a_name_that_is_not_in_it(composition: Path) -> None:
    made = provider(JOB, composition, {"first": 1}, all_in_one=True, composition_name="three")
    with pytest.raises(ArtifactError) as caught:
        made.init()
    assert "has no composition 'three'" in caught.value.brief
    assert caught.value.resolution == "set composition_name to one of those in it: one, two"


def test_an_image_that_nxc_does_not_make(docker_daemon: str) -> None:
    """As flakes of NXC itself have it: the embedded composition is one alone."""
    made = provider(JOB, EMBEDDED_DIR, {"server": 1}, all_in_one=True)
    with pytest.raises(BuildError) as caught:
        made.init()
    assert caught.value.brief.endswith('has no packages.x86_64-linux."::docker"')
    assert caught.value.resolution.startswith("take all_in_one out, and composition_name")
