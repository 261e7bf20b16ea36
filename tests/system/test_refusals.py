"""What is refused: told in one message, and nothing is started or left behind."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from enoslib_nxc import NixOSComposeConf, flavours, state
from enoslib_nxc.errors import (
    ArtifactError,
    BuildError,
    ConfigError,
    NxcError,
    PlatformError,
    StateError,
    ToolMissingError,
)
from enoslib_nxc.provider import NixOSCompose
from tests.system import lab

JOB = "refused"


@pytest.fixture(autouse=True)
def _nothing_left():
    """Whatever a test has refused, it may have started no process and left no record."""
    before = lab.ours()
    yield
    assert set(lab.ours()) <= set(before)
    assert state.find(JOB) is None


@pytest.fixture
def built(tmp_path):
    """Return how to make a compose info that looks as if it had been built."""

    def built(*, initrd_mib=1, **changes):
        files = tmp_path / "nix" / "store"
        files.mkdir(parents=True)
        (files / "kernel").touch()
        with (files / "initrd").open("wb") as initrd:
            initrd.truncate(initrd_mib << 20)
        tree = {
            "flavour": {"name": "vm-ramdisk"},
            "system": "x86_64-linux",
            "compositions_info": {"composition": {"roles": {"server": "/nix/store/server"}}},
            "all": {"kernel": "/nix/store/kernel", "initrd": "/nix/store/initrd"},
        }
        file = tmp_path / "info.json"
        file.write_text(json.dumps({**tree, **changes}))
        return {"composition": str(file), "build": {"store": str(tmp_path)}}

    return built


def refused(kind: type[NxcError], roles: object = None, **wish: object) -> str:
    """Return the message with which `init()` refuses a configuration."""
    made = lab.provider(JOB, roles or {"server": 1}, **wish)
    with pytest.raises(kind) as caught:
        made.init()
    assert type(caught.value) is kind
    assert made.deployment is None or kind is StateError
    return str(caught.value)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (
            {"flavour": "vm-ramdsk"},
            'flavour: "vm-ramdsk" is not a flavour of this version\n'
            f"-> did you mean vm-ramdisk? known flavours: {', '.join(flavours.names())}",
        ),
        ({"compositon": "embedded"}, "unknown key compositon\n-> did you mean composition?"),
        (
            {"roles": {"server": 0}},
            "roles.server.nodes: 0 is less than 1\n-> number of machines, 1 to 10000",
        ),
        (
            {"roles": {"server": -2}},
            "roles.server.nodes: -2 is less than 1\n-> number of machines, 1 to 10000",
        ),
        ({"roles": {"a": ["x", "x"]}}, 'roles.a: host name "x" is given twice'),
    ],
)
@pytest.mark.parametrize("early", [True, False])
def test_configuration(wish, message, early):
    """It is refused when the provider is made, if it was not before."""
    given = {"job_name": JOB, "roles": {"server": 1}, **wish}
    with pytest.raises(ConfigError) as caught:
        NixOSCompose(NixOSComposeConf.from_dictionary(given, validate=early))
    assert str(caught.value) == message


def test_unknown_role(built):
    assert refused(ConfigError, {"serv": 1}, **built()) == (
        'role "serv" is not in the composition\n-> did you mean server? its roles: server'
    )


def test_flake_missing(tmp_path):
    assert refused(ConfigError, composition=f"{tmp_path}/nowhere") == (
        f"composition {tmp_path}/nowhere does not exist\n"
        "-> give a directory with a flake.nix, a flake reference, or a compose-info file"
    )


@pytest.mark.parametrize("given", ["nowhere.json", "./missing/dir"])
def test_neither_a_path_nor_a_reference(given, path_without):
    path_without("nix")  # told before Nix is asked
    assert refused(ConfigError, composition=given) == (
        f"composition {given} does not exist\n"
        f"  looked for {Path.cwd() / given}\n"
        "-> give a directory with a flake.nix, a flake reference, or a compose-info file"
    )


def test_directory_without_flake(tmp_path):
    assert refused(ConfigError, composition=str(tmp_path)) == (
        f"there is no flake.nix in composition {tmp_path}\n"
        "-> `nxc init` writes one; or give the directory that has it"
    )


def test_attribute_missing(tmp_path):
    flake = lab.copy_of_embedded(tmp_path / "flake")
    message = refused(BuildError, composition=str(flake), composition_name="other")
    assert message == (
        f'{flake} has no packages.x86_64-linux."other::vm-ramdisk"\n'
        "  it has: composition::docker, composition::g5k-image, composition::g5k-nfs-store, "
        "composition::g5k-ramdisk, composition::nspawn, composition::vm, "
        "composition::vm-ramdisk\n"
        "-> did you mean composition::vm-ramdisk? "
        "set composition_name and flavour to one that it has"
    )


def test_compose_info_of_another_flavour(built):
    wish = built(flavour={"name": "g5k-ramdisk"})
    assert refused(ArtifactError, **wish) == (
        f"{wish['composition']} was built for flavour g5k-ramdisk, not vm-ramdisk\n"
        "-> build it anew, or change flavour"
    )


def test_compose_info_that_is_not_json(tmp_path):
    file = tmp_path / "flake.nix"
    file.write_text("{ outputs = _: 1; }")
    assert refused(ArtifactError, composition=str(file)) == (
        f"{file} is not JSON; it looks like a Nix expression\n"
        "  key must be a string at line 1 column 3\n"
        "-> set composition to a compose-info file that nix build or nxc build made"
    )


def test_compose_info_whose_initrd_is_not_here(built, tmp_path):
    wish = built(all={"kernel": "/nix/store/kernel", "initrd": "/nix/store/other/initrd"})
    assert refused(ArtifactError, **wish) == (
        f"the initrd /nix/store/other/initrd (here {tmp_path}/nix/store/other/initrd) that "
        f"{tmp_path}/info.json names is not on this machine\n"
        "-> build the composition here, or set build.store to the root of the store that "
        "has it"
    )


def test_too_little_memory_in_the_machine(built):
    assert refused(PlatformError, **built(initrd_mib=500)) == (
        "server has 384 MiB of memory, too little for an initrd of 500 MiB\n"
        "-> set vm.memory (or roles.server.memory) to 1627 at least"
    )


@pytest.mark.parametrize(("nodes", "need"), [(1, "1 machine needs"), (2, "2 machines need")])
def test_too_little_memory_here(built, nodes, need):
    mib = 10**7
    message = refused(
        PlatformError, {"server": nodes}, **built(), vm={"memory": mib, "accel": "tcg"}
    )
    told, resolution = message.split("\n")
    assert told.startswith(f"not enough memory: {need} {nodes * (mib + 64 + 128)} MiB, ")
    assert told.endswith(" MiB are available")
    assert resolution == "-> lower vm.memory, or start fewer machines"


def test_too_long_a_kernel_command_line(built):
    message = refused(PlatformError, **built(), kernel_params="x" * 2000)
    assert message.startswith("the kernel command line of server has 21")
    assert message.endswith(" characters, the limit is 2047\n-> shorten kernel_params")


def test_kvm_that_does_not_work(built, tmp_path, monkeypatch):
    """The kernel is an empty file: with KVM it says nothing, wherever this runs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # the verdict is kept there
    message = refused(PlatformError, **built(), vm={"memory": 384, "accel": "kvm"})
    assert message == (
        "vm.accel: kvm was asked for, but a trial boot with KVM failed on this machine\n"
        '-> set vm.accel to "auto", or check /dev/kvm and its permissions'
    )


def test_too_many_machines_for_the_network(built):
    assert refused(ConfigError, {"server": 254}, **built()) == (
        "roles: 254 machines, but network 192.168.1.0/24 has room for 253\n"
        "-> give the roles fewer machines"
    )


def test_port_taken(built):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert refused(PlatformError, **built(), vm={"memory": 384, "ssh_port": port}) == (
            f"vm.ssh_port: port {port} of 127.0.0.1 is taken\n"
            "-> end what listens there, or set vm.ssh_port to another range"
        )


def test_more_ports_than_there_are(built):
    wish = built() | {"vm": {"memory": 64, "ssh_port": 65530}}
    assert refused(PlatformError, {"server": 10}, **wish) == (
        "vm.ssh_port: 10 machines need a port each, from 65530 on, and the last port is 65535\n"
        "-> set vm.ssh_port to 65526 at most"
    )


def test_no_nix(path_without, monkeypatch, tmp_path):
    path_without("nix")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert refused(ToolMissingError) == (
        "nix is not installed; it is needed to build the composition\n"
        "-> apt-get install nix-bin, or give a compose-info file that is already built as "
        "composition"
    )


def test_no_qemu(path_without):
    path_without("qemu-system-x86_64", "nix")  # told before anything is built
    assert refused(ToolMissingError) == (
        "qemu-system-x86_64 is not installed; it is needed to start virtual machines\n"
        "-> apt-get install qemu-system-x86"
    )


def test_no_switch(path_without):
    path_without("vde_switch", "nix")
    assert refused(ToolMissingError) == (
        "vde_switch is not installed; it is needed to connect virtual machines\n"
        "-> apt-get install vde2"
    )


def test_key_absent(tmp_path):
    assert refused(ConfigError, ssh={"key": f"{tmp_path}/key"}) == (
        f"ssh.key: {tmp_path}/key: no such file"
    )


def test_key_that_is_none(tmp_path):
    key = tmp_path / "key"
    key.write_text("secret")
    key.chmod(0o600)
    assert refused(ConfigError, ssh={"key": str(key)}) == f"ssh.key: {key}: not an ssh key"


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything; see test_ordinary_user")
def test_key_unreadable(tmp_path):
    key = tmp_path / "key"
    key.touch(mode=0)
    assert refused(ConfigError, ssh={"key": str(key)}) == (
        f"ssh.key: {key} cannot be read: permission denied"
    )


def test_records_that_cannot_be_kept(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(file))
    assert refused(StateError) == (
        "the record of the deployment cannot be kept in "
        f"{file}/enoslib-nxc/deployments/{JOB}: not a directory\n"
        "-> make room or give access there, or set XDG_STATE_HOME to another directory"
    )


def test_sources_that_cannot_be_kept(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    assert refused(BuildError) == (
        f"fetched files cannot be kept in {file}/enoslib-nxc/debian: not a directory\n"
        "-> give access there, or set XDG_CACHE_HOME to another directory"
    )


def test_no_network_for_pip(tmp_path, monkeypatch):
    """It is not taken for a version that has gone, whose successor would be looked for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    dead = {"CONFIG_FILE": "/dev/null", "INDEX_URL": "http://127.0.0.1:9/", "RETRIES": "0"}
    for name, value in dead.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    message = refused(BuildError, build={"store": f"{tmp_path}/store"}).splitlines()
    assert message[0].startswith("pip could not fetch nixos-compose==")
    assert message[-1] == "-> check the network and pip's configuration, and try again"


@pytest.mark.parametrize(
    ("store", "fault"),
    [
        ("/dev/null/store", "not a directory"),
        ("/proc/self/fdinfo", "no such file or directory"),  # root too makes nothing there
    ],
)
def test_a_store_that_cannot_be_made(store, fault):
    assert refused(BuildError, build={"store": store}) == (
        f"build.store: the Nix store {store} cannot be used: {fault}\n"
        "-> set build.store to a directory that you may write to"
    )


def test_too_little_time_to_fetch():
    message = refused(BuildError, deadlines={"build": 0.001}).splitlines()
    assert message[0] == "fetching and building the composition did not end within 0.001 s"
    assert message[-1] == (
        "-> give it more time with deadlines.build; what is there already is kept"
    )


def test_unknown_nix_flag():
    assert refused(BuildError, build={"nix_flags": ["--bogus"]}) == (
        "cannot evaluate composition::vm-ramdisk of embedded: unrecognised flag '--bogus'\n"
        "-> check build.nix_flags"
    )


def test_unknown_variant():
    message = refused(ConfigError, build={"setup": "nowhere"})
    assert message.endswith(
        "/setup.toml has no variant 'nowhere' (build.setup)\n"
        "-> leave build.setup out: the file has no variant"
    )
