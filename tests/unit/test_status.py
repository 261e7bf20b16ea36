from enoslib_nxc import status
from tests.unit import factory

OUTPUT = """boot_id=3f1c
role=server
host=server
toplevel=/nix/store/aaaa-nixos-system-server
digest=dddd
hosts=abc
python=/run/current-system/sw/bin/python3
trusted=fff
"""


def test_a_full_account():
    report = status.parse(OUTPUT)
    assert report.boot_id == "3f1c"
    assert report.identity.role == "server"
    assert report.identity.toplevel == "/nix/store/aaaa-nixos-system-server"
    assert report.identity.digest == "dddd"
    assert report.python == "/run/current-system/sw/bin/python3"
    assert (report.hosts, report.trusted) == ("abc", "fff")


def test_a_machine_that_nxc_did_not_boot():
    report = status.parse("boot_id=3f1c\nrole=\nhost=\ntoplevel=\n")
    assert report.identity.digest == ""
    assert report.trusted == ""


def test_same_machine_has_no_differences():
    wanted = factory.identity("server")
    assert status.differences(wanted, wanted) == []


def test_differences_name_part_and_values():
    wanted = factory.identity("server")
    found = wanted.model_copy(update={"role": "agent", "digest": ""})
    assert status.differences(wanted, found) == [
        "role is agent, not server",
        f"parameters is not set, not {'d' * 16}",
    ]
