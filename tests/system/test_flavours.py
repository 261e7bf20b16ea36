"""The flavours of Grid'5000: the same systems, carried to machines in other ways."""

from __future__ import annotations

import json
import os
import tarfile

import pytest

from enoslib_nxc import nix, shell
from enoslib_nxc.config_sections import Build
from enoslib_nxc.debian import EMBEDDED_DIR
from tests.system import embedded_build
from tests.system.embedded_build import deploy, qemu

FLAVOURS = ("vm-ramdisk", "g5k-ramdisk", "g5k-nfs-store", "g5k-image")


@pytest.fixture(scope="module")
def store():
    return nix.choose(Build())


@pytest.fixture(scope="module")
def built(store):
    return {
        flavour: embedded_build.build(store, EMBEDDED_DIR, f'"composition::{flavour}"')
        for flavour in FLAVOURS
    }


def test_a_role_is_the_same_in_each_flavour(built):
    compositions = [one.info["compositions_info"] for one in built.values()]
    assert all(composition == compositions[0] for composition in compositions)
    kernels = {one.info["all"]["kernel"] for one in built.values()}
    assert len(kernels) == 1


def test_the_compose_infos_are_nxc_s(built):
    common = {"kernel", "initrd", "stage1", "qemu_script"}
    remote = common | {"init", "all_compositions_registration_store_path"}
    expected = {
        "g5k-ramdisk": ("ramdisk", common),
        "g5k-nfs-store": ("remote-store", remote),
        "g5k-image": ("tarball", remote | {"image"}),
    }
    for flavour, (kind, keys) in expected.items():
        info = built[flavour].info
        assert info["flavour"] == {
            "name": flavour,
            "description": "Flavour for Grid'5000 platform",
            "image": {"type": kind, "distribution": "all-in-one"},
        }
        assert set(info["all"]) == keys
        # what NXC writes where no script is wanted
        assert info["all"]["qemu_script"] == "Disable_for_space_saving"
    everything = {flavour: one.info["all"] for flavour, one in built.items()}
    assert everything["g5k-ramdisk"]["initrd"] == everything["vm-ramdisk"]["initrd"]
    assert everything["g5k-image"]["initrd"] == everything["g5k-nfs-store"]["initrd"]
    # check_kernel_initrd then finds the role's own initrd booted
    toplevel = built["g5k-image"].composition["roles"]["server"]
    initrd = (built["g5k-image"].real(toplevel) / "initrd").readlink()
    assert str(initrd) == everything["g5k-image"]["initrd"]


def test_a_store_to_serve_is_listed(built):
    one = built["g5k-nfs-store"]
    registration = one.real(one.info["all"]["all_compositions_registration_store_path"])
    paths = (registration / "all-store-paths").read_text().split()
    assert set(one.composition["roles"].values()) <= set(paths)
    assert all(one.real(path).exists() for path in paths)
    assert {path.name for path in registration.glob("nix-path-registration-*")} == {
        *("nix-path-registration-composition-agent",),
        *("nix-path-registration-composition-server",),
    }


def test_the_tarball_has_nxc_s_layout(built):
    image = built["g5k-image"]
    with tarfile.open(image.real(image.info["all"]["image"])) as archive:
        members = {member.name: member for member in archive}
        content = json.load(archive.extractfile("nix/store/compositions-info.json"))
    assert {"boot/bzImage", "boot/initrd", "boot/init", "nix-path-registration"} <= set(members)
    assert "nix/store/nix-path-registration-composition-server" in members
    assert content == image.info["compositions_info"]
    assert members["run/current-system"].linkname + "/init" == image.info["all"]["init"]
    for toplevel in [
        *image.composition["roles"].values(),
        members["run/current-system"].linkname,
    ]:
        assert members[f"{toplevel[1:]}/init"].mode == 0o555
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {
        (0, 0, 1)
    }


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """What Kadeploy makes of the tarball: a partition, and the kernel and initrd in it."""
    if os.geteuid() != 0:
        pytest.skip("only root can unpack a tarball with its owners")
    directory = tmp_path_factory.mktemp("installed")
    root, disk = directory / "root", directory / "disk"
    root.mkdir()
    image = built["g5k-image"]
    shell.run(["tar", "-xJf", image.real(image.info["all"]["image"]), "-C", root], timeout=120)
    shell.run(["truncate", "-s", "512M", disk], timeout=10)
    shell.run(["mkfs.ext4", "-q", "-d", root, disk], timeout=120)
    return disk, root / "boot/bzImage", root / "boot/initrd"


@pytest.mark.full
def test_an_installed_image_boots_and_reboots(built, installed, tmp_path):
    disk, kernel, initrd = installed
    image = built["g5k-image"]
    where = deploy(image, tmp_path, {"10.0.2.15": "server"})
    drive = ("-drive", f"file={disk},format=raw,if=virtio,cache=unsafe")
    append = f"root=/dev/vda {where}"
    with qemu(tmp_path, kernel, initrd, append, *drive, restrict="off") as on:
        assert on.ready().startswith("nxc-ready server1 role=server")
        assert on("readlink /run/current-system") == image.composition["roles"]["server"]
        assert on("stat -f -c %T /; findmnt -no FSTYPE /") == "ext2/ext3\next4"
        assert on("cat /etc/nxc/ip_addr") == "10.0.2.15"
        first = on("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key; cat /etc/machine-id")
        boot_id = on("cat /proc/sys/kernel/random/boot_id")
        files = "sha256sum /etc/hosts /root/.ssh/authorized_keys /etc/nxc/deployment.json"
        sums = on(files)
        on("echo kept | tee /root/kept /etc/kept /usr/kept > /dev/null && useradd ada")
        on("systemctl --no-block reboot")
        on.ready(boots=2)
        assert on("cat /proc/sys/kernel/random/boot_id") != boot_id
        assert on("cat /root/kept /etc/kept /usr/kept; id -un ada") == ("kept\nkept\nkept\nada")
        assert on("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key; cat /etc/machine-id") == first
        assert on(files) == sums
        assert on("grep -c server1 /etc/hosts") == "1"
        assert on("systemctl is-active iperf3") == "active"
        assert on("systemctl --failed --no-legend") == ""
        on("systemctl --no-block poweroff")
        on.process.wait(60)

    # the same partition with another role: the machine stays itself, its system does not
    append = f"root=/dev/vda {deploy(image, tmp_path, {'10.0.2.15': 'agent'})}"
    with qemu(tmp_path, kernel, initrd, append, *drive, name="-agent", restrict="off") as on:
        assert on.ready().startswith("nxc-ready agent1 role=agent")
        assert on("readlink /run/current-system") == image.composition["roles"]["agent"]
        assert on("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key") == first.splitlines()[0]
        assert on("cat /root/kept; ls /etc/kept /usr/kept 2> /dev/null || echo none") == (
            "kept\nnone"
        )


@pytest.mark.full
def test_the_parts_of_a_tarball_come_out_the_same_again(store, built):
    listed = store.run("nix-store", "-qR", built["g5k-image"].drv, timeout=30).stdout.split()
    made = [path for path in listed if path.endswith((".tar.xz.drv", "-stage-1.drv"))]
    assert len(made) == 3
    for drv in made:
        store.run("nix-store", "--realise", "--check", drv, timeout=600)
