from dataclasses import replace
from pathlib import Path

import pytest

from enoslib_nxc import shell
from enoslib_nxc.boots import qemu
from enoslib_nxc.boots.computer import SERVE, refusal
from enoslib_nxc.boots.here import here
from enoslib_nxc.boots.qemu_argv import Command, Share
from enoslib_nxc.boots.qemu_image import Ramdisk, SharedStore
from enoslib_nxc.built import StoreMap
from enoslib_nxc.errors import (
    ArtifactError,
    CommandError,
    PlatformError,
    StateError,
    ToolMissingError,
)
from tests.unit import factory

COMMAND = Command(
    name="enoslib-nxc:t:server",
    kernel=Path("/nix/store/k/kernel"),
    initrd=Path("/nix/store/i/initrd"),
    append="console=ttyS0 nxc.id=d",
    memory=512,
    cores=2,
    accel="tcg",
    ssh_port=20001,
    mac="52:54:00:12:01:01",
    card="vde,id=n1,sock=/run/x/switch",
    console=Path("/state/a,b/server.log"),
)


def test_whole_command_line():
    assert COMMAND.argv("/usr/bin/qemu") == [
        *["/usr/bin/qemu", "-name", "enoslib-nxc:t:server", "-daemonize"],
        *["-nodefaults", "-no-user-config", "-display", "none"],
        *["-machine", "q35", "-accel", "tcg,thread=multi,tb-size=128", "-cpu", "max"],
        *["-m", "512", "-smp", "2"],
        *["-kernel", "/nix/store/k/kernel", "-initrd", "/nix/store/i/initrd"],
        *["-append", "console=ttyS0 nxc.id=d"],
        *["-serial", "file:/state/a,,b/server.log"],
        *["-device", "virtio-rng-pci"],
        *["-netdev", "user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:20001-:22"],
        *["-device", "virtio-net-pci,netdev=n0,romfile=,addr=0x10"],
        *["-netdev", "vde,id=n1,sock=/run/x/switch"],
        *["-device", "virtio-net-pci,netdev=n1,mac=52:54:00:12:01:01,romfile=,addr=0x11"],
    ]


def test_kvm_uses_the_host_processor():
    words = replace(COMMAND, accel="kvm").argv("qemu")
    assert words[words.index("-accel") + 1] == "kvm"
    assert words[words.index("-cpu") + 1] == "host"


def test_a_network_with_smaller_packets():
    words = replace(COMMAND, mtu=1450).argv("qemu")
    assert words[-1].endswith(",addr=0x11,host_mtu=1450")


def test_what_answers_for_the_context_is_quoted_twice():
    words = replace(COMMAND, answer=("sh", "/a b/serve", "/c,d")).argv("qemu")
    user = words[words.index("-netdev") + 1]
    assert user.endswith(",guestfwd=tcp:10.0.2.100:80-cmd:sh '/a b/serve' /c,,d")


def test_what_is_shared_is_read_only_unless_it_is_to_be_written_to():
    shares = (Share("nix-store", Path("/s,t")), Share("shared", Path("/d"), writable=True))
    words = replace(COMMAND, shares=shares).argv("qemu")
    more = "security_model=none,multidevs=remap"
    assert words[-4:] == [
        *["-virtfs", f"local,path=/s,,t,mount_tag=nix-store,{more},readonly=on"],
        *["-virtfs", f"local,path=/d,mount_tag=shared,{more}"],
    ]


def _command(run, image):
    machine = run.machine("server").model_copy(
        update={"identity": factory.identity("server"), "state": "started"}
    )
    computer = here(run.deployment, run.home)["server"]
    return qemu._command(run.having(machine), image, computer, "server")


def _append(run, image):
    return qemu._append(run, image, run.machine("server"), factory.identity("server"))


def test_small_context_is_inline(tmp_path):
    run = factory.run(tmp_path, factory.deployment("server"))
    line, way = _append(run, Ramdisk())
    assert not way.served
    assert " ip=192.168.1.1::192.168.1.254:255.255.255.0::eth1:off " in line
    assert " deploy=e30= " in line
    assert line.endswith(f" nxc.id={'d' * 16}")


def test_large_context_is_served(tmp_path):
    run = factory.run(tmp_path, factory.deployment("server"), vm={"accel": "tcg"})
    run.context.__dict__["text"] = "x" * 2000
    line, way = _append(run, Ramdisk())
    assert " deploy=http://10.0.2.100/deployment.json " in line
    assert way.served
    command = _command(run, Ramdisk())
    assert command.answer == ("sh", str(SERVE), str(run.home.node_context))
    assert run.home.node_context.read_text() == "x" * 2000


def test_a_shared_directory_holds_a_context_of_any_size(tmp_path):
    run = factory.run(tmp_path, factory.deployment("server"))
    run.context.__dict__["text"] = "x" * 2000
    line, way = _append(run, SharedStore())
    assert " deploy=deployment.json " in line
    assert not way.served


@pytest.mark.parametrize("image", [Ramdisk(), SharedStore()])
def test_kernel_parameters_that_leave_no_room(tmp_path, image):
    run = factory.run(tmp_path, factory.deployment("server"), kernel_params="x" * 2000)
    with pytest.raises(PlatformError) as caught:
        _append(run, image)
    assert caught.value.brief.startswith("the kernel command line of server has ")
    assert caught.value.brief.endswith("the limit is 2047")
    assert caught.value.resolution == "shorten kernel_params"


def test_taken_port_is_named():
    details = "Could not set up host forwarding rule 'tcp:127.0.0.1:20001-:22'"
    error = CommandError("qemu failed with exit status 1", details=details)
    told = refusal(error, factory.machine("server", 1), "127.0.0.1")
    assert told.brief == "port 20001 of 127.0.0.1, for ssh to server, is taken"


# flavour vm


@pytest.fixture
def mounting(tmp_path):
    """A run whose store is a directory, with all that it needs in it."""
    made = factory.deployment("server")
    store = StoreMap(root=tmp_path / "root")
    built = made.artifacts.model_copy(update={"store": store})
    store.real(built.roles["server"].toplevel).mkdir(parents=True)
    store.real(built.compositions_info_path).touch()
    (tmp_path / "home").mkdir()
    made = factory.having(made, artifacts=built)
    return factory.run(tmp_path / "home", made, vm={"accel": "tcg"})


def test_the_store_is_shared_from_where_it_really_is(tmp_path, mounting):
    assert _command(mounting, SharedStore()).shares == (
        Share("nix-store", tmp_path / "root/nix/store"),
        Share("nxc-composition", tmp_path / "home/composition"),
        Share("shared", tmp_path / "home/shared", writable=True),
    )


def test_the_shared_composition_directory_holds_the_context_alone(mounting):
    mounting.context.__dict__["text"] = "old"
    SharedStore().check(mounting)
    mounting.context.__dict__["text"] = "new"
    SharedStore().check(mounting)
    directory = mounting.home.composition
    assert [file.name for file in directory.iterdir()] == ["deployment.json"]
    assert (directory / "deployment.json").read_text() == "new"
    assert [path.stat().st_mode & 0o777 for path in (directory, mounting.home.shared)] == [
        *(0o700, 0o700)
    ]


def test_a_system_that_is_not_in_the_store_here(tmp_path, mounting):
    toplevel = factory.image("server").toplevel
    mounting.deployment.artifacts.store.real(toplevel).rmdir()
    with pytest.raises(ArtifactError) as caught:
        SharedStore().check(mounting)
    assert str(caught.value) == (
        f"{toplevel} is not in the store of this computer, {tmp_path}/root/nix/store, "
        "which machines of flavour vm mount\n"
        "-> build the composition here, without build.on; or use flavour vm-ramdisk"
    )


def test_a_qemu_that_shares_nothing(monkeypatch):
    told = "Device 'virtio-9p-pci' not found"

    def run(argv, *, timeout):
        assert argv == ["/opt/qemu", "-device", "virtio-9p-pci,help"]
        raise CommandError("qemu failed with exit status 1", details=told)

    monkeypatch.setattr(shell, "run", run)
    with pytest.raises(ToolMissingError) as caught:
        SharedStore().require("/opt/qemu")
    assert str(caught.value) == (
        "/opt/qemu was built without virtfs, by which flavour vm shares the store\n"
        f"  {told}\n"
        "-> install a QEMU that has it (Debian's qemu-system-x86), or use flavour vm-ramdisk"
    )


def test_no_room_for_the_context(mounting):
    mounting.home.composition.touch()
    with pytest.raises(StateError) as caught:
        SharedStore().check(mounting)
    assert caught.value.brief == (
        "the record of the deployment cannot be kept in "
        f"{mounting.home.composition}: file exists"
    )
