"""What apt said on Debian 12, as recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from enoslib_nxc.debian.stanzas import Stanza, closure, parse_stanzas, selected
from enoslib_nxc.errors import BuildError

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture
def recorded():
    return {one.name: one for one in parse_stanzas((DATA / "apt-show.txt").read_text())}


def test_the_solver_s_choice_is_read():
    assert selected((DATA / "apt-print-uris.txt").read_text()) == {
        "gcc-12-base": "12.2.0-14+deb12u1",
        "libc6": "2.36-9+deb12u14",
        "libgcc-s1": "12.2.0-14+deb12u1",
        "hello": "2.10-3",
        "openssh-client": "1:9.2p1-2+deb12u10",
    }


def test_stanzas_are_read(recorded):
    cron = recorded["cron"]
    assert cron.version == "3.0pl1-162"
    assert cron.provides == ("cron-daemon",)
    assert cron.depends[:2] == (("init-system-helpers",), ("cron-daemon-common",))
    assert ("libpam0g",) in cron.depends
    kernel = recorded["linux-image-6.1.0-56-cloud-amd64"]
    assert ("initramfs-tools", "linux-initramfs-tool") in kernel.depends
    assert len(recorded["hello"].sha256) == 64


def test_dependencies_are_settled_within_the_choice(recorded):
    packages = closure(["hello"], recorded.values())
    assert {one.name: one.depends for one in packages} == {
        "gcc-12-base": (),
        "hello": ("libc6",),
        "libc6": ("libgcc-s1",),
        "libgcc-s1": ("gcc-12-base", "libc6"),
    }
    assert packages[1].filename == "hello_2.10-3_amd64.deb"


def test_a_kernel_needs_none_of_what_its_scripts_need(recorded):
    names = [one.name for one in closure(["linux-image-cloud-amd64"], recorded.values())]
    assert names == ["linux-image-6.1.0-56-cloud-amd64", "linux-image-cloud-amd64"]


def stanza(name: str, *depends: tuple[str, ...], provides: tuple[str, ...] = ()) -> Stanza:
    return Stanza(name, "1", "amd64", "a" * 64, depends, provides)


def test_alternatives_and_virtual_packages():
    chosen = [
        stanza("a", ("absent", "b"), ("awk",), ("debconf", "debconf-2.0")),
        stanza("b"),
        stanza("mawk", provides=("awk",)),
    ]
    assert closure(["a"], chosen)[0].depends == ("b", "mawk")


def test_what_apt_did_not_select_is_an_error():
    with pytest.raises(BuildError) as caught:
        closure(["a"], [stanza("a", ("x", "y"))])
    assert caught.value.brief == "apt selected nothing for x | y of a"
    with pytest.raises(BuildError, match="package awk is not among those that apt selected"):
        closure(["awk"], [stanza("mawk", provides=("awk",))])
