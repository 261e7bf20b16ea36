"""What the machines of a rehearsed Grid'5000 are told, and what Kadeploy makes of a tarball."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from enoslib_nxc.built import Artifacts, RoleImage
from enoslib_nxc.rehearsal import network
from enoslib_nxc.rehearsal.client import Operator
from enoslib_nxc.rehearsal.guests import Guest
from enoslib_nxc.rehearsal.kadeploy import inside
from enoslib_nxc.rehearsal.machines import Machines
from enoslib_nxc.rehearsal.site import build, read_site
from enoslib_nxc.rehearsal.testbed import DeploymentError

LILLE, NANCY = (
    build(read_site({"site": site, "cluster": cluster, "nodes": 1, "nics": 2}))
    for site, cluster in (("lille", "chiclet"), ("nancy", "gros"))
)
ARTIFACTS = Artifacts(
    flavour="vm-ramdisk",
    system="x86_64-linux",
    composition="composition",
    compose_info=Path("info"),
    compositions_info_path="/nix/store/infos",
    roles={"node": RoleImage(toplevel="/nix/store/t", init="/nix/store/t/init")},
    kernel="/nix/store/kernel",
    initrd="/nix/store/initrd",
)
MACHINES = Machines(ARTIFACTS, "ssh-ed25519 AAAA operator", {"ada": "ssh-rsa AAAA ada"}, 384)


def test_leases_follow_the_networks_of_cards():
    assert network.leases(LILLE, {("chiclet-1.lille.grid5000.fr", 1): "4"}) == (
        "52:54:00:12:00:01,172.16.32.1,chiclet-1.lille.grid5000.fr",
        "52:54:00:12:01:01,10.8.1.1,chiclet-1-eth1-kavlan-4.lille.grid5000.fr",
    )


def test_cards_of_two_sites_differ():
    lines = [*network.leases(LILLE, {}), *network.leases(NANCY, {})]
    assert len({line.split(",")[0] for line in lines}) == 4


def test_the_first_site_is_the_way_in():
    first, second = (network.frontend(one, [LILLE, NANCY]) for one in (LILLE, NANCY))
    assert first.address == "172.16.47.254"
    assert first.names == second.names
    ways_in = [name for name in first.names if "access.grid5000.fr" in name]
    assert ways_in == [
        "172.16.47.254 lille.grid5000.fr frontend.lille.grid5000.fr public.lille.grid5000.fr "
        "nfs.lille.grid5000.fr oar.lille.grid5000.fr dns.lille.grid5000.fr access.grid5000.fr"
    ]
    assert "172.16.64.0/20 via 192.0.2.5" in first.routes
    assert not any(route.startswith("192.168.") for route in first.routes)


def test_a_node_is_told_its_site_and_its_keys():
    guest = MACHINES.node(LILLE, LILLE.nodes[0], "4", key="ssh-rsa BBBB me", release="min")
    told = json.loads(base64.b64decode(guest.append.partition(" deploy=")[2]))
    assert told == {
        "ssh_key.pub": "ssh-ed25519 AAAA operator\nssh-rsa BBBB me",
        "deployment": {
            "10.8.0.1": {"role": "node", "host": "chiclet-1-kavlan-4.lille.grid5000.fr"}
        },
        "compositions_info_path": "/nix/store/infos",
        "composition": "composition",
        "parameters": {"domain": "lille.grid5000.fr", "release": "min"},
    }
    assert "ip=10.8.0.1::10.8.63.254:255.255.192.0::eth0:off" in guest.append


def test_only_a_frontend_can_be_reached_from_here():
    node = MACHINES.node(LILLE, LILLE.nodes[0], "default")
    argv = node.argv("tag", Path("/s"), Path("/log"), "tcg")
    assert [word for word in argv if "hostfwd" in word] == []
    guest = Guest("f", Path("k"), None, "", 64, 1, ("52:54:00:00:00:01",), {22: 2022})
    argv = guest.argv("tag", Path("/s"), Path("/log"), "kvm")
    assert "user,id=user,restrict=on,hostfwd=tcp:127.0.0.1:2022-:22" in argv
    assert "-initrd" not in argv


def test_nodes_are_reached_through_their_frontend():
    operator = Operator(Path("/d/operator"), "ssh-ed25519 AAAA", {"lille": 2022})
    argv = operator.on_node("lille", "chiclet-1.lille.grid5000.fr", "id", "-u")
    (proxy,) = [word for word in argv if word.startswith("ProxyCommand=")]
    assert proxy.endswith("-p 2022 -W chiclet-1.lille.grid5000.fr:22 root@127.0.0.1")
    assert argv[-2:] == ["root@chiclet-1.lille.grid5000.fr", "id -u"]


def test_a_kernel_is_found_inside_its_tree(tmp_path):
    (tmp_path / "nix/store").mkdir(parents=True)
    (tmp_path / "boot").mkdir()
    (tmp_path / "nix/store/kernel").write_text("it")
    (tmp_path / "boot/bzImage").symlink_to("/nix/store/kernel")
    (tmp_path / "vmlinuz").symlink_to("boot/../boot/bzImage")
    assert inside(tmp_path, "/vmlinuz") == tmp_path / "nix/store/kernel"
    (tmp_path / "out").symlink_to("../../../../../../../../etc/passwd")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DeploymentError, match=r"^/out is not in the image$"):
        inside(tmp_path, "/out")
    with pytest.raises(DeploymentError, match=r"^/loop of the image: too many symbolic links$"):
        inside(tmp_path, "/loop")
