from dataclasses import replace
from pathlib import Path

import pytest

from enoslib_nxc.boots import qemu
from enoslib_nxc.errors import CommandError, PlatformError
from tests.unit import factory

COMMAND = qemu.Command(
    name="enoslib-nxc:t:server",
    kernel=Path("/nix/store/k/kernel"),
    initrd=Path("/nix/store/i/initrd"),
    append="console=ttyS0 nxc.id=d",
    memory=512,
    cores=2,
    accel="tcg",
    ssh_port=20001,
    mac="52:54:00:12:01:01",
    switch=Path("/run/x/switch"),
    console=Path("/state/a,b/server.log"),
    served=None,
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


def _append(tmp_path, made, **settings):
    run = factory.run(tmp_path, made, **settings)
    return qemu._append(run, run.machine("server"), factory.identity("server"))


def test_small_context_is_inline(tmp_path):
    line, served = _append(tmp_path, factory.deployment("server"))
    assert served is None
    assert " ip=192.168.1.1::192.168.1.254:255.255.255.0::eth1:off " in line
    assert " deploy=e30= " in line
    assert line.endswith(f" nxc.id={'d' * 16}")


def test_large_context_is_served(tmp_path):
    run = factory.run(tmp_path, factory.deployment("server"), kernel_params="quiet")
    run.context.__dict__["text"] = "x" * 2000
    line, served = qemu._append(run, run.machine("server"), factory.identity("server"))
    assert " deploy=http://10.0.2.100/deployment.json " in line
    assert served == run.home.node_context
    assert served.read_text() == "x" * 2000


def test_kernel_parameters_that_leave_no_room(tmp_path):
    with pytest.raises(PlatformError) as caught:
        _append(tmp_path, factory.deployment("server"), kernel_params="x" * 2000)
    assert caught.value.brief.startswith("the kernel command line of server has ")
    assert caught.value.brief.endswith("the limit is 2047")
    assert caught.value.resolution == "shorten kernel_params"


def test_taken_port_is_named():
    details = "Could not set up host forwarding rule 'tcp:127.0.0.1:20001-:22'"
    error = CommandError("qemu failed with exit status 1", details=details)
    told = qemu._refusal(error, factory.machine("server", 1))
    assert told.brief == "port 20001 of 127.0.0.1, for ssh to server, is taken"
