"""The embedded composition: what a build gives, what a change costs, what boots."""

from __future__ import annotations

import json
import shutil
import uuid
import zipfile
from pathlib import Path

import pytest

from enoslib_nxc import compose_info, nix
from enoslib_nxc.config_sections import Build
from enoslib_nxc.debian import EMBEDDED_DIR, LOCK_NAME, read_lock
from enoslib_nxc.debian.store import store_path
from enoslib_nxc.errors import CommandError
from enoslib_nxc.g5k import nfs_store
from tests.system import embedded_build

CHANGED = """
{ setup, ... }@arguments:
let original = import ./original.nix arguments;
in original // { roles = original.roles // {
  agent = { pkgs, ... }: {
    imports = [ original.roles.agent ];
    environment.systemPackages = [ pkgs.hello ];
    environment.etc."token".text = "TOKEN";
    environment.etc."secret" = { text = "x"; mode = "0600"; };
    environment.variables.GREETING = "good day";
    systemd.services.greet = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig.Type = "oneshot";
      serviceConfig.RemainAfterExit = true;
      environment.TO = "the \\"world\\" 100%";
      script = "hello --greeting \\"$TO\\" > /run/greeting";
    };
    boot.kernelModules = [ "ifb" ];
    boot.kernel.sysctl."net.core.somaxconn" = 4242;
  };
}; }
"""


@pytest.fixture(scope="module")
def store():
    return nix.choose(Build())


@pytest.fixture(scope="module")
def built(store):
    return embedded_build.build(store, EMBEDDED_DIR)


@pytest.fixture(scope="module")
def token():
    return uuid.uuid4().hex


@pytest.fixture(scope="module")
def changed(store, built, token, tmp_path_factory):
    """The embedded composition with more in the role agent, never built before."""
    flake = _flake(tmp_path_factory.mktemp("changed"), CHANGED.replace("TOKEN", token))
    shutil.copy(EMBEDDED_DIR / "composition.nix", flake / "original.nix")
    return embedded_build.build(store, flake)


def _flake(directory: Path, composition: str) -> Path:
    for name in ("flake.nix", "setup.toml", LOCK_NAME):
        shutil.copy(EMBEDDED_DIR / name, directory)
    (directory / "composition.nix").write_text(composition)
    return directory


def test_a_second_build_builds_nothing(store, built):
    again = embedded_build.build(store, EMBEDDED_DIR)
    assert again.names == []
    assert again.info == built.info


def test_the_compose_info_is_nxc_s(built):
    info, everything = built.info, built.info["all"]
    assert set(info) == {
        *("flavour", "system", "compositions_info_path", "compositions_info", "all"),
    }
    assert info["flavour"]["image"] == {"type": "ramdisk", "distribution": "all-in-one"}
    assert set(built.composition["roles"]) == {"server", "agent"}
    assert "wait_for_unit" in built.real(built.composition["test_script"]).read_text()
    assert all(built.real(path).is_file() for path in everything.values())
    on_node = json.loads(built.real(info["compositions_info_path"]).read_text())
    assert on_node == info["compositions_info"]
    # what stage 1 compares under check_kernel_initrd
    booted = built.real(everything["kernel"] + "_store_path").read_text().strip()
    for toplevel in built.composition["roles"].values():
        assert str((built.real(toplevel) / "kernel").readlink()) == booted
        assert (built.real(toplevel) / "initrd").is_symlink()


def test_all_store_info_registers_each_role(built):
    info = built.real(built.composition["all_store_info"])
    merged = (info / "merged-store-paths").read_text().split()
    assert set(built.composition["roles"].values()) <= set(merged)
    for role, toplevel in built.composition["roles"].items():
        lines = (info / f"nix-path-registration-composition-{role}").read_text().splitlines()
        place = lines.index(toplevel)
        assert lines[place + 1].startswith("sha256:")
        assert int(lines[place + 4]) == len(
            built.store.run(
                "nix-store", "-q", "--references", toplevel, timeout=30
            ).stdout.split()
        )


def test_the_older_compose_info_has_init_and_closure_info(store, built):
    older = embedded_build.build(
        store, EMBEDDED_DIR, 'older.x86_64-linux."composition::vm-ramdisk"'
    )
    role = older.composition["roles"]["server"]
    assert role["toplevel"] == built.composition["roles"]["server"]
    assert role["init"] == role["toplevel"] + "/init"
    paths = (older.real(role["closure_info"]) / "store-paths").read_text().split()
    assert role["toplevel"] in paths


def test_a_build_brings_all_that_nodes_mount(store):
    attribute = f'"composition::{nfs_store.FLAVOUR}"'
    drv = embedded_build.build(store, EMBEDDED_DIR, attribute).drv
    outputs = store.run("nix-store", "-q", "--outputs", drv, timeout=30).stdout
    closure = store.run("nix-store", "-qR", *outputs.split(), timeout=30).stdout
    made = compose_info.read(
        store.map.real(outputs.strip()),
        flavour=nfs_store.FLAVOUR,
        composition="composition",
        store=store.map,
    )
    # what is here from another build is of no use: it may not be there elsewhere
    assert {f"{nfs_store.STORE}{name}" for name in nfs_store.names(made)} <= set(
        closure.split()
    )


def test_stage_1_is_nxc_s_text_to_the_letter(store, built, tmp_path):
    wheel = built.real(store_path(read_lock(EMBEDDED_DIR / LOCK_NAME).wheel))
    source = tmp_path / "stage-1-cmds.nix"
    with zipfile.ZipFile(wheel) as archive:
        source.write_bytes(archive.read("nix/flavours/shared/stage-1-cmds.nix"))
    module = f"import {source} {{ lib.mkForce = x: x; pkgs = {{ }}; }}"
    evaluated = store.run(
        *("nix-instantiate", "--eval", "--json", "-E"),
        f"({module}).boot.initrd.postMountCommands",
        timeout=30,
    )
    text = json.loads(evaluated.stdout)
    assert "deployment.json" in text
    assert text.encode() in built.real(built.info["all"]["initrd"]).read_bytes()
    assert text in built.real(built.info["all"]["stage1"]).read_text()


def test_a_change_of_one_role_builds_no_more_than_it_must(changed):
    must = {
        *("nixos-system-agent-debian", "etc", "etc-token", "closure-info", "all-store-info"),
        *("compositions-info.json", "store-files", "nix-store.squashfs.cpio", "initrd"),
        "compose-info.json",
    }
    # these may be there from an earlier run, which had another token
    may = {
        *("debian-hello_2.10-3_amd64.deb", "role-packages", "units", "etc-secret"),
        *("unit-script-greet-start", "unit-greet.service", "etc-nxc.sh", "etc-nxc.conf"),
        "etc-60-nxc.conf",
    }
    assert must <= set(changed.names)
    assert set(changed.names) <= must | may
    assert len(changed.names) == len(set(changed.names))


def test_the_other_role_is_the_same(built, changed):
    assert changed.composition["roles"]["server"] == built.composition["roles"]["server"]
    assert changed.composition["roles"]["agent"] != built.composition["roles"]["agent"]


@pytest.mark.full
def test_a_server_boots(built, tmp_path):
    with embedded_build.machine(built, "server", tmp_path) as on:
        ready = on.ready()
        boot_id = on("cat /proc/sys/kernel/random/boot_id")
        assert ready == f"nxc-ready server1 role=server boot_id={boot_id}"
        assert on("cat /etc/nxc/role; hostname") == "server\nserver1"
        assert on("readlink /run/current-system") == built.composition["roles"]["server"]
        assert "192.168.1.1 server1" in on("cat /etc/hosts").splitlines()
        assert on("ip route show default") == "default via 192.168.1.254 dev eth1"
        assert on("/run/current-system/sw/bin/python3 -c 'import shutil, ssl; print(1)'") == "1"
        assert on("systemctl is-active iperf3 cron") == "active\nactive"
        assert on("systemctl --failed --no-legend") == ""
        assert "receiver" in on("iperf3 -c 192.168.1.1 -t 1")
        on("tc qdisc add dev eth1 root netem delay 1ms && tc qdisc del dev eth1 root")
        assert on("which fping tcpdump tmux rsync ip ping wget | wc -l") == "7"
        assert (
            on("stat -c %a /etc/shadow /root/.ssh /root/.ssh/authorized_keys")
            == "640\n700\n600"
        )
        assert on("grep -c . /root/.ssh/authorized_keys") == "1"
        assert on("command -v hello || echo none") == "none"


@pytest.mark.full
def test_a_changed_agent_boots(changed, token, tmp_path):
    with embedded_build.machine(changed, "agent", tmp_path) as on:
        on.ready()
        assert on("hello") == "Hello, world!"
        assert on("cat /etc/token; stat -c %a /etc/secret") == f"{token}600"
        assert on("echo $GREETING; bash -lc 'echo $GREETING'") == "good day\ngood day"
        assert on("systemctl start greet; cat /run/greeting") == 'the "world" 100%'
        assert on("lsmod | grep -c ^ifb; sysctl -n net.core.somaxconn") == "1\n4242"


@pytest.mark.parametrize(
    ("role", "message"),
    [
        (
            "services.nginx.enable = true;",
            "role `a' of `composition': The option `services.nginx' does not exist.",
        ),
        (
            "environment.systemPackages = pkgs.hello;",
            "role `a' of `composition': A definition for option `environment.systemPackages' "
            "is not of type `list'.",
        ),
        (
            'networking.hostName = lib.mkMerge [ "x" "y" ];',
            "role `a' of `composition': The option `networking.hostName' has conflicting",
        ),
        ("environment.systemPackages = [ pkgs.nothing ];", "attribute 'nothing' missing"),
    ],
)
def test_a_wrong_role_is_named(store, tmp_path, role, message):
    flake = _flake(tmp_path, f"{{ pkgs, lib, ... }}: {{ roles.a = {{ {role} }}; }}")
    with pytest.raises(CommandError) as caught:
        embedded_build.build(store, flake)
    assert message in caught.value.details


def test_several_compositions_share_an_image(store, tmp_path):
    flake = _flake(tmp_path, "")
    (flake / "flake.nix").write_text(
        """{ outputs = { self }: { packages.x86_64-linux =
        (import ./nxc { lock = ./debian.lock.json; }).compose { compositions = {
          first = { nodes.a = { }; rolesDistribution = { a = 2; }; };
          second = { lib, ... }: { roles.b = { config, ... }: lib.mkMerge [
            { networking.hostName = lib.mkDefault "x"; }
            (lib.mkIf (config.networking.hostName == "x") { environment.etc.y.text = "y"; })
          ]; };
        }; }; }; }"""
    )
    made = embedded_build.build(store, flake, '"::vm-ramdisk"')
    assert set(made.info["compositions_info"]) == {"first", "second"}
    assert made.info["compositions_info"]["first"]["roles_distribution"] == {"a": 2}
    toplevel = made.real(made.info["compositions_info"]["second"]["roles"]["b"])
    etc = made.real((toplevel / "etc").readlink())
    assert (etc / "y").read_text() == "y"
    for name in ("first", "second"):
        embedded_build.build(store, flake, f'"{name}::vm-ramdisk"')


@pytest.mark.full
def test_every_derivation_gives_the_same_again(store, built):
    listed = store.run("nix-store", "-qR", built.drv, timeout=30).stdout.split()
    # sources are fixed by their hash, and have no builder that could make them
    made = [path for path in listed if path.endswith(".drv") and ".deb.drv" not in path]
    for drv in made:
        if not drv.endswith(".whl.drv"):
            store.run("nix-store", "--realise", "--check", drv, timeout=600)
