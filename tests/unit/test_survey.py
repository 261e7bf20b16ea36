"""A host's own account before kexec, and what speaks against it."""

import pytest

from enoslib_nxc import survey

ACCOUNT = """\
uid=0
machine=x86_64
boot_id=11111111-2222-3333-4444-555555555555
kexec=/usr/sbin/kexec
kexec_disabled=0
lockdown=
MemTotal=1000000
MemAvailable=600000
room=/var/tmp 4000000 ext2/ext3
room=/tmp 300000 tmpfs
word=console=ttyS0,115200
word=net.ifnames=0
gateway=192.168.1.254
device=eth1
inet=3: eth1    inet 10.9.0.1/8 brd 10.255.255.255 scope global eth1\\  valid_lft forever
inet=3: eth1    inet 192.168.1.7/24 brd 192.168.1.255 scope global eth1\\  valid_lft forever
address=192.168.1.7
"""

MIB = 1 << 20
IMAGE = {"machine": "x86_64", "kernel": 10 * MIB, "initrd": 90 * MIB}


def account(**changes):
    lines = [line for line in ACCOUNT.splitlines() if line.partition("=")[0] not in changes]
    more = [f"{key}={value}" for key, value in changes.items() if value is not None]
    return survey.parse("\n".join([*lines, *more]))


def test_an_account_is_read():
    found = account()
    assert found.boot_id == "11111111-2222-3333-4444-555555555555"
    assert str(found.interface) == "192.168.1.7/24"
    assert found.words == ("console=ttyS0,115200", "net.ifnames=0")
    assert found.ip == "ip=192.168.1.7::192.168.1.254:255.255.255.0::eth1:off"
    assert not found.leased
    assert found.faults(**IMAGE) == []


def test_a_leased_address():
    line = (
        "2: eno1  inet 172.16.1.2/20 brd 172.16.15.255 scope global dynamic eno1\\ valid_lft 9s"
    )
    found = account(inet=line, address="172.16.1.2")
    assert found.leased
    assert str(found.interface.network) == "172.16.0.0/20"


def test_without_a_route_there_is_no_address():
    found = account(address=None, gateway=None, device=None, inet=None)
    assert found.interface is None
    assert found.ip == ""


def test_room_on_disk_comes_first():
    found = survey.parse("room=/tmp 500 tmpfs\nroom=/var/tmp 900 xfs\nroom=/run 50 tmpfs")
    assert found.room(400).path == "/var/tmp"
    assert found.room(40).path == "/var/tmp"
    assert found.room(901) is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"uid": "1000"}, "it lets us in as uid 1000, not as root"),
        ({"kexec": ""}, "kexec is not installed (package kexec-tools)"),
        (
            {"kexec_disabled": "1"},
            "its kernel refuses kexec (kernel.kexec_load_disabled, or lockdown)",
        ),
        (
            {"lockdown": "none [integrity] confidentiality"},
            "its kernel refuses kexec (kernel.kexec_load_disabled, or lockdown)",
        ),
        ({"machine": "aarch64"}, "it is aarch64, the image is for x86_64"),
        (
            {"room": "/tmp 5000 tmpfs", "MemAvailable": "900000"},
            "it has no room for 100 MiB in any of /tmp",
        ),
        # twice the image beside what is on disk, and 32 MiB
        (
            {"MemAvailable": "200000"},
            "it has 195 MiB of memory available, an image of 100 MiB needs 232",
        ),
        # and once more where the file itself is in memory
        (
            {"room": "/tmp 300000 tmpfs", "MemAvailable": "300000"},
            "it has 292 MiB of memory available, an image of 100 MiB needs 332",
        ),
        (
            {"MemTotal": "260000", "MemAvailable": "250000"},
            "it has 253 MiB of memory, the image needs 371",
        ),
    ],
)
def test_faults(changes, fault):
    assert account(**changes).faults(**IMAGE) == [fault]


def test_all_faults_are_told():
    assert len(account(uid="7", kexec="", machine="riscv64").faults(**IMAGE)) == 3
