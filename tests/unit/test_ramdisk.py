"""The memory that an initrd needs, beside what was measured."""

import pytest

from enoslib_nxc.ramdisk import memory_mib


@pytest.mark.parametrize(
    ("initrd", "fails", "boots"), [(165, 495, 559), (365, 1159, 1181), (65, 0, 263)]
)
def test_what_did_not_boot_is_refused_and_little_more_is_asked_for(initrd, fails, boots):
    asked = memory_mib(initrd << 20)
    assert fails < boots <= asked <= boots + 48
