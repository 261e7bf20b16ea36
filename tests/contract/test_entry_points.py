"""Flavours of other packages are found by their entry points."""

from __future__ import annotations

import pytest

from enoslib_nxc import NixOSComposeConf, flavours
from enoslib_nxc.errors import ConfigError
from enoslib_nxc.flavours import Source


@pytest.mark.usefixtures("other_package")
def test_a_flavour_of_another_package() -> None:
    conf = NixOSComposeConf.from_dictionary({"flavour": "vm-paused", "roles": {"server": 1}})
    assert conf.settings.flavour == "vm-paused"
    row = flavours.on("vm-paused", Source())
    assert row.description == "virtual machines of another package"
    assert type(row.boot()).__name__ == "PausedBoot"


def test_it_is_gone_with_its_package() -> None:
    with pytest.raises(ConfigError) as caught:
        NixOSComposeConf.from_dictionary({"flavour": "vm-paused", "roles": {"server": 1}})
    assert caught.value.brief == 'flavour: "vm-paused" is not a flavour of this version'


@pytest.mark.usefixtures("other_package")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "vm-broken",
            "flavour vm-broken of package nxc-other cannot be loaded\n"
            "  ModuleNotFoundError: No module named 'nxc_other_absent'\n"
            "-> mend or remove that package",
        ),
        (
            "vm-wrong",
            "flavour vm-wrong of package nxc-other: nxc_other:PausedBoot is not a Flavour",
        ),
    ],
)
def test_a_package_that_is_broken(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        flavours.row(name)
    assert str(caught.value) == text
