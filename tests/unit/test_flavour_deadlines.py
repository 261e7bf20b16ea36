"""What a flavour takes for granted where the user says nothing."""

import pytest

from enoslib_nxc import NixOSComposeConf
from enoslib_nxc.flavours import FLAVOURS


@pytest.mark.parametrize(
    ("flavour", "given", "boot"),
    [
        ("vm-ramdisk", {}, 600),
        ("g5k-ramdisk", {}, 600),
        ("g5k-image", {}, 1800),
        ("g5k-image", {"destroy": 60}, 1800),
        ("g5k-image", {"boot": 600}, 600),
        ("g5k-image", {"boot": 60}, 60),
    ],
)
def test_kadeploy_is_given_time(flavour, given, boot):
    conf = NixOSComposeConf.from_dictionary(
        {"flavour": flavour, "roles": {"a": 1}, "g5k": {"cluster": "dahu"}, "deadlines": given}
    )
    settings = conf.finalize().settings
    effective = FLAVOURS[flavour].effective(settings)
    assert effective.deadlines.boot == boot
    assert effective.deadlines.destroy == given.get("destroy", settings.deadlines.destroy)
    assert FLAVOURS[flavour].effective(effective) == effective


def test_without_a_word_of_deadlines():
    conf = NixOSComposeConf.from_dictionary({"flavour": "g5k-image", "roles": {"a": 1}})
    assert FLAVOURS["g5k-image"].effective(conf.finalize().settings).deadlines.boot == 1800
