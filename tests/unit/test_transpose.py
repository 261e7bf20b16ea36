"""One configuration on another flavour."""

from __future__ import annotations

import pytest

from enoslib_nxc import NixOSComposeConf
from enoslib_nxc.errors import ConfigError

GIVEN = {
    "roles": {"server": 1, "agent": {"nodes": 2, "tags": ["compute"]}},
    "vm": {"memory": 384},
    "g5k": {"cluster": "dahu"},
}


def test_a_transposed_configuration_is_another_one() -> None:
    conf = NixOSComposeConf.from_dictionary(GIVEN)
    before = conf.to_dict()
    other = conf.transpose("g5k-ramdisk")
    assert other.settings.flavour == "g5k-ramdisk"
    assert other.settings.g5k.cluster == "dahu"
    assert conf.to_dict() == before
    assert conf.settings.flavour == "vm-ramdisk"
    other.add_machine(roles=["server"], nodes=1)
    assert conf.roles["server"] == 1


def test_sections_of_other_platforms_are_kept_on_the_way_back() -> None:
    conf = NixOSComposeConf.from_dictionary({**GIVEN, "flavour": "vm-ramdisk"})
    assert conf.transpose("g5k-image").transpose("vm-ramdisk").settings == conf.settings


def test_one_that_was_not_checked_may_go_on_being_built() -> None:
    other = NixOSComposeConf.from_settings(vm={"memory": 384}).transpose("g5k-image")
    other.add_machine(roles=["server"], nodes=1)
    assert other.finalize().settings.flavour == "g5k-image"


@pytest.mark.parametrize("conf", [NixOSComposeConf(), NixOSComposeConf.from_dictionary(GIVEN)])
def test_unknown_flavour(conf: NixOSComposeConf) -> None:
    with pytest.raises(ConfigError) as raised:
        conf.transpose("g5k-ramdsk")
    assert raised.value.brief == 'flavour: "g5k-ramdsk" is not a flavour of this version'
    assert raised.value.resolution.startswith("did you mean g5k-ramdisk? known flavours: ")
    assert "flavour" not in vars(conf) or conf.settings.flavour == "vm-ramdisk"
