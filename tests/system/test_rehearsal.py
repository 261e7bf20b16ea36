"""A stand-in for a Grid'5000 site: nodes that are taken by kexec, a frontend that serves."""

from __future__ import annotations

import json
import time

import pytest

from enoslib_nxc import nix, shell
from enoslib_nxc.config_sections import Build
from enoslib_nxc.debian import EMBEDDED_DIR, LOCK_NAME, read_lock
from tests.system import embedded_build
from tests.system.embedded_build import deploy, deployment, kernel_and_initrd, key_of, qemu

REHEARSAL = EMBEDDED_DIR / "rehearsal"


@pytest.fixture(scope="module")
def store():
    return nix.choose(Build())


@pytest.fixture(scope="module")
def site(store):
    return embedded_build.build(store, REHEARSAL)


@pytest.fixture(scope="module")
def built(store):
    def built(flavour):
        return embedded_build.build(store, EMBEDDED_DIR, f'"composition::{flavour}"')

    return built


def test_both_locks_have_the_same_versions():
    embedded, rehearsal = (read_lock(top / LOCK_NAME) for top in (EMBEDDED_DIR, REHEARSAL))
    assert set(embedded.packages) <= set(rehearsal.packages)
    assert embedded.groups | {"extra": ()} == rehearsal.groups | {"extra": ()}


def _second_card(number: int, own, other) -> tuple[str, ...]:
    """A network of two machines: a cable made of unix sockets."""
    ends = f"local.type=unix,local.path={own},remote.type=unix,remote.path={other}"
    card = f"virtio-net-pci,netdev=n1,mac=52:54:00:12:01:{number:02x},romfile=,addr=0x11"
    return ("-netdev", f"dgram,id=n1,{ends}", "-device", card, "-no-reboot")


@pytest.mark.full
def test_a_node_is_taken_by_kexec(site, built, tmp_path):
    image = built("g5k-ramdisk")
    kernel, initrd = kernel_and_initrd(site)
    address = {"10.0.2.15": "node"}
    user = tmp_path / "user"
    user.mkdir()
    public = key_of(user).with_suffix(".pub").read_text().strip()
    append = deploy(site, tmp_path, address, keys={"ada": public})
    with qemu(tmp_path, kernel, initrd, append, memory=640, restrict="off") as on:
        on.ready()
        boot_id = on("cat /proc/sys/kernel/random/boot_id")
        assert on("cat /etc/grid5000/release") == "debian12-x64-std"
        assert on("id -un ada grace") == "ada\ngrace"

        ada = on.known_by(key_of(user))
        assert ada("id -un; cat /etc/shadow 2>&1 | tail -1", "ada") == (
            "ada\ncat: /etc/shadow: Permission denied"
        )
        with pytest.raises(shell.CommandError):
            ada("true")
        # as EnOSlib does it
        ada("cat ~/.ssh/authorized_keys | sudo-g5k tee -a /root/.ssh/authorized_keys", "ada")
        assert ada("id -un; which kexec curl wget xz mkfs.ext4 | wc -l") == "root\n5"

        for file in kernel_and_initrd(image):
            ada.push(file, f"/tmp/{file.name}")
        where = deploy(image, tmp_path, {"10.0.2.15": "agent"})
        parameters = f"console=ttyS0 quiet net.ifnames=0 panic=-1 {where}"
        ada(f"kexec -l /tmp/kernel --initrd=/tmp/initrd --append='{parameters}'")
        ada("nohup sh -c 'sleep 1; kexec -e' > /dev/null 2>&1 < /dev/null &")
        assert on.ready(boots=2).startswith("nxc-ready agent1 role=agent")
        assert on("cat /proc/sys/kernel/random/boot_id") != boot_id
        assert on("readlink /run/current-system") == image.composition["roles"]["agent"]
        assert on("cat /etc/nxc/ip_addr; ip route show default | cut -d' ' -f1-5") == (
            "10.0.2.15\ndefault via 10.0.2.2 dev eth0"
        )


def _disk(image, directory):
    """A disk for the frontend to export: what all-store-paths lists, and compositions_info."""
    listed = image.real(image.info["all"]["all_compositions_registration_store_path"])
    paths = [*(listed / "all-store-paths").read_text().split()]
    paths.append(image.info["compositions_info_path"])
    top, disk = directory / "export", directory / "disk"
    (top / "nix/store").mkdir(parents=True)
    shell.run(
        [
            "cp",
            "-r",
            "--preserve=mode,links",
            *(image.real(path) for path in paths),
            top / "nix/store",
        ],
        timeout=60,
    )
    # a user of the site has put it there
    shell.run(["chown", "-R", "10001:100", top / "nix"], timeout=60)
    shell.run(["truncate", "-s", "512M", disk], timeout=10)
    shell.run(["mkfs.ext4", "-q", "-d", top, disk], timeout=60)
    return disk


@pytest.mark.full
def test_a_store_on_nfs(site, built, tmp_path):
    image = built("g5k-nfs-store")
    ends = tmp_path / "a", tmp_path / "b"
    kernel, initrd = kernel_and_initrd(site)
    append = "ip=192.168.1.254::192.168.1.253:255.255.255.0::eth1:off " + deploy(
        site, tmp_path, {"192.168.1.254": "frontend"}
    )
    drive = ("-drive", f"file={_disk(image, tmp_path)},format=raw,if=virtio,cache=unsafe")
    card = _second_card(254, *ends)
    with qemu(
        tmp_path, kernel, initrd, append, *card, *drive, name="frontend", memory=512
    ) as on:
        on.ready()
        services = "dhcp http rpcbind nfs nfs-mountd"
        on(f"systemctl start {services}; systemctl is-active {services}")

        content = json.dumps(deployment(image, tmp_path, {"192.168.1.5": "server"}))
        on("cat > public/deploy.json", "ada", stdin=content)
        head = on("curl -sI http://localhost/~ada/deploy.json").lower()
        assert all(f"\n{name}: " in head for name in ("etag", "last-modified"))
        assert f"\ncontent-length: {len(content)}" in head
        assert on("showmount -e --no-headers localhost") == "/export *"

        append = (
            "nfs_store=nfs.site.grid5000.fr:/export/nix/store "
            "deploy=http://public.site.grid5000.fr/~ada/deploy.json"
        )
        card = _second_card(5, *reversed(ends))
        start = time.monotonic()
        with qemu(tmp_path, *kernel_and_initrd(image), append, *card, name="node") as node:
            assert node.ready().startswith("nxc-ready server1 role=server")
            print("seconds to the console's ready:", round(time.monotonic() - start, 1))
            assert node("readlink /run/current-system") == image.composition["roles"]["server"]
            assert node("cat /etc/nxc/ip_addr") == "192.168.1.5"
            mounted = node("grep ' nfs ' /proc/mounts")
            assert mounted.startswith(
                "nfs.site.grid5000.fr:/export/nix/store /nix/.server-ro-store nfs ro,"
            )
            assert "vers=3" in mounted
            assert "nolock" in mounted
            assert node("systemctl is-active iperf3") == "active"
            # the store can be written to, here
            assert node("touch /nix/store/x && ls /nix/store/x") == "/nix/store/x"
            assert on("ls /export/nix/store/x || echo none") == "none"
