"""Flavour vm: machines whose store is that of this computer, mounted by 9p."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import enoslib as en
import pytest

from enoslib_nxc import nix, state
from enoslib_nxc.config_sections import Build
from enoslib_nxc.debian import EMBEDDED_DIR, LOCK_NAME, read_lock
from enoslib_nxc.debian.store import store_path
from enoslib_nxc.errors import ArtifactError, BootError, PlatformError, ToolMissingError
from enoslib_nxc.ramdisk import memory_mib
from tests.system import embedded_build, lab

JOB = "sharing"
ROLES = {"server": 1, "agent": 1}


@pytest.fixture(scope="module")
def store():
    return nix.choose(Build())


@pytest.fixture(scope="module")
def built(store):
    return embedded_build.build(store, EMBEDDED_DIR, '"composition::vm"')


@pytest.fixture(scope="module")
def ramdisk(store):
    return embedded_build.build(store, EMBEDDED_DIR, '"composition::vm-ramdisk"')


@pytest.fixture(scope="module")
def composition(tmp_path_factory):
    return lab.copy_of_embedded(tmp_path_factory.mktemp("vm") / "composition")


def provider(job_name, roles, **more):
    return lab.provider(job_name, roles, **{"flavour": "vm", "vm": {"memory": 256}, **more})


@pytest.fixture(scope="module")
def pair(composition):
    made = provider(JOB, ROLES, composition=str(composition))
    made.init()
    yield made
    made.destroy()


# what a build gives


def test_the_compose_info_is_nxc_s(built, ramdisk):
    info, everything = built.info, built.info["all"]
    image = {"distribution": "all-in-one"}
    assert info["flavour"] == {"name": "vm", "description": "vm ", "image": image}
    assert set(everything) == {
        *("kernel", "initrd", "stage1", "qemu_script", "init"),
        "all_compositions_registration_store_path",
    }
    assert info["compositions_info"] == ramdisk.info["compositions_info"]
    sizes = [one.real(one.info["all"]["initrd"]).stat().st_size for one in (built, ramdisk)]
    print("initrd:", *(f"{size / 1e6:.1f} MB" for size in sizes))
    assert sizes[0] < sizes[1] / 4
    script = built.real(everything["qemu_script"]).read_text()
    assert [tag in script for tag in ("nix-store", "nxc-composition", " shared\n")] == [
        True
    ] * 3


def test_stage_1_is_nxc_s_text_to_the_letter(store, built, tmp_path):
    wheel = built.real(store_path(read_lock(EMBEDDED_DIR / LOCK_NAME).wheel))
    source = tmp_path / "vm-stage-1-cmds.nix"
    with zipfile.ZipFile(wheel) as archive:
        source.write_bytes(archive.read("nix/flavours/shared/vm-stage-1-cmds.nix"))
    module = f'import {source} {{ pkgs = {{ jq = "j"; kexec-tools = "k"; }}; config = {{ }}; }}'
    evaluated = store.run(
        *("nix-instantiate", "--eval", "--json", "-E"),
        f"({module}).boot.initrd.postMountCommands",
        timeout=30,
    )
    text = json.loads(evaluated.stdout)
    assert "mount -t 9p" in text
    assert text.encode() in built.real(built.info["all"]["initrd"]).read_bytes()
    assert text in built.real(built.info["all"]["stage1"]).read_text()


# one deployment, which the tests share, in order


def test_roles_names_and_addresses(pair):
    roles, networks = pair.init()
    assert {role: [h.alias for h in hosts] for role, hosts in roles.items()} == {
        role: [role] for role in ROLES
    }
    assert [str(n.network) for n in networks["nxc"]] == ["192.168.1.0/24"]
    for host, other in (("server", "agent"), ("agent", "server")):
        said = lab.on(pair, host, "hostname; cat /etc/nxc/role; readlink /run/current-system")
        assert said.split() == [host, host, pair.deployment.artifacts.roles[host].toplevel]
        assert "1 received" in lab.on(pair, host, f"ping -c 1 -W 10 {other}")


@pytest.mark.full
def test_a_measurement_by_enoslib(pair, tmp_path):
    roles, _ = pair.init()
    with en.actions(roles=roles["agent"], gather_facts=False) as run:
        run.shell("iperf3 -c server -t 1 -J > /root/out.json", task_name="iperf3")
        run.fetch(src="/root/out.json", dest=f"{tmp_path}/", task_name="fetch")
    assert {r.status for r in run.results} == {"OK"}
    assert '"sum_received"' in (tmp_path / "agent" / "root" / "out.json").read_text()


def test_modules_are_those_of_the_kernel_that_runs(pair):
    assert "cloud" not in lab.on(pair, "agent", "uname -r")
    assert lab.on(pair, "agent", "modprobe ifb && lsmod | grep -c ^ifb") == "1"
    lab.on(
        pair,
        "agent",
        "tc qdisc add dev eth1 root netem delay 1ms && tc qdisc del dev eth1 root",
    )


def test_the_store_is_the_one_here_and_cannot_be_changed(pair):
    shared = pair.deployment.artifacts.store.real("/nix/store")
    before = shared.stat().st_mtime_ns
    refused = lab.on(pair, "agent", "touch /nix/.ro-store/x 2>&1 || true")
    assert refused.endswith("Read-only file system")
    assert lab.on(pair, "agent", "touch /nix/store/x && ls /nix/store/x") == "/nix/store/x"
    assert not (shared / "x").exists()
    assert shared.stat().st_mtime_ns >= before


def test_a_directory_in_common(pair):
    shared = state.find(JOB).shared
    lab.on(pair, "server", "echo from server > /tmp/shared/word")
    assert lab.on(pair, "agent", "cat /tmp/shared/word") == "from server"
    assert (shared / "word").read_text() == "from server\n"
    (shared / "back").write_text("from here\n")
    assert lab.on(pair, "server", "cat /tmp/shared/back") == "from here"


def test_no_more_is_shared_than_must_be(pair):
    home = state.find(JOB)
    assert [file.name for file in home.composition.iterdir()] == ["deployment.json"]
    told = json.loads((home.composition / "deployment.json").read_text())
    assert told["deployment"] == {
        "192.168.1.1": {"role": "server", "host": "server"},
        "192.168.1.2": {"role": "agent", "host": "agent"},
    }
    private = home.key.read_text().splitlines()[1]
    assert private not in (home.composition / "deployment.json").read_text()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (home.composition, home.shared)]
    assert modes == [0o700, 0o700]
    line = lab.on(pair, "server", "cat /proc/cmdline")
    assert " deploy=deployment.json " in line


def test_another_process_boots_nothing(pair):
    before = lab.boot_ids(pair)
    composition = pair.settings.composition
    text = f"""
        from tests.system import lab, test_vm
        made = test_vm.provider({JOB!r}, test_vm.ROLES, composition={composition!r})
        assert made.is_created()
        print(sorted(h.address for h in made.init()[0].all()))
    """
    assert lab.python(text).stdout.strip() == "['192.168.1.1', '192.168.1.2']"
    assert lab.boot_ids(pair) == before


@pytest.mark.full
def test_a_changed_role_boots_only_its_machine(pair, composition):
    before = lab.boot_ids(pair)
    file = composition / "composition.nix"
    server, agent = file.read_text().split("agent = {", 1)
    changed = agent.replace("[ pkgs.iperf3 ]", "[ pkgs.iperf3 pkgs.hello ]", 1)
    file.write_text(f"{server}agent = {{{changed}")
    pair.init()
    after = lab.boot_ids(pair)
    assert {host for host in after if after[host] != before[host]} == {"agent"}
    assert lab.on(pair, "agent", "hello") == "Hello, world!"
    assert lab.on(pair, "agent", "cat /tmp/shared/word") == "from server"


@pytest.mark.full
def test_a_changed_parameter_boots_all(pair, composition):
    before = lab.boot_ids(pair)
    # no kernel command line holds so much
    wish = {"composition": str(composition), "parameters": {"long": "x" * 3000, "clients": 7}}
    changed = provider(JOB, ROLES, **wish)
    changed.init()
    after = lab.boot_ids(changed)
    assert all(after[host] != before[host] for host in after)
    assert '"clients":7' in lab.on(changed, "agent", "cat /etc/nxc/deployment.json")
    changed.init()
    assert lab.boot_ids(changed) == after


def test_destroy_leaves_nothing(pair):
    record = pair.deployment
    pair.destroy()
    lab.assert_all_gone(pair, record)


# what goes wrong


def _info(built, file: Path, **changes: str) -> str:
    """Write a compose info that differs in keys of `all`; return its path."""
    info = {**built.info, "all": {**built.info["all"], **changes}}
    file.write_text(json.dumps(info))
    return str(file)


@pytest.mark.full
def test_a_kernel_without_9p(built, ramdisk, tmp_path):
    info = _info(built, tmp_path / "info.json", kernel=ramdisk.info["all"]["kernel"])
    made = provider("no9p", {"server": 1}, composition=info, retries={"boot": 0})
    with pytest.raises(BootError) as caught:
        made.init()
    assert caught.value.brief == "1 of 1 machines did not come up: server"
    assert caught.value.details.splitlines()[0] == (
        "server did not come up: its kernel has no 9p, by which it was to mount the store "
        "of this computer"
    )
    record = made.deployment
    made.destroy()
    lab.assert_all_gone(made, record)


def test_systems_that_are_not_here(built, tmp_path):
    gone = f"/nix/store/{'0' * 32}-nixos-system-server"
    role = built.composition["roles"]["server"]
    file = tmp_path / "info.json"
    file.write_text(json.dumps(built.info).replace(role, gone))
    made = provider("away", {"server": 1}, composition=str(file))
    with pytest.raises(ArtifactError) as caught:
        made.init()
    assert str(caught.value) == (
        f"{gone} is not in the store of this computer, {built.real('/nix/store')}, "
        "which machines of flavour vm mount\n"
        "-> build the composition here, without build.on; or use flavour vm-ramdisk"
    )
    assert state.find("away") is None


def test_a_qemu_without_virtfs(path_without, tmp_path):
    """It is told before anything is built."""
    path_without("qemu-system-x86_64", "nix")
    program = tmp_path / "bin" / "qemu-system-x86_64"
    told = "qemu-system-x86_64: -device virtio-9p-pci,help: Device 'virtio-9p-pci' not found"
    program.write_text(f'#!/bin/sh\necho "{told}" >&2\nexit 1\n')
    program.chmod(0o755)
    with pytest.raises(ToolMissingError) as caught:
        provider("novirtfs", {"server": 1}).init()
    assert str(caught.value) == (
        f"{program} was built without virtfs, by which flavour vm shares the store\n"
        f"  $ {program} -device virtio-9p-pci,help\n"
        f"  {told}\n"
        "-> install a QEMU that has it (Debian's qemu-system-x86), or use flavour vm-ramdisk"
    )
    assert state.find("novirtfs") is None


def test_too_little_memory(built):
    size = built.real(built.info["all"]["initrd"]).stat().st_size >> 20
    with pytest.raises(PlatformError) as caught:
        provider("small", {"server": 1}, vm={"memory": 96}).init()
    assert str(caught.value) == (
        f"server has 96 MiB of memory, too little for an initrd of {size} MiB\n"
        f"-> set vm.memory (or roles.server.memory) to {memory_mib(size << 20)} at least"
    )
    assert state.find("small") is None


KILLED = """
    import os, signal
    from enoslib_nxc import shell
    from tests.system import test_vm

    run = shell.run
    def run_and_die(argv, **kw):
        result = run(argv, **kw)
        if "-daemonize" in argv:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    shell.run = run_and_die
    test_vm.provider("killed-vm", {"server": 1}).init()
"""


@pytest.mark.parametrize("then", ["destroy", pytest.param("init", marks=pytest.mark.full)])
def test_killed_once_qemu_runs(then):
    died = lab.python(KILLED, check=False)
    assert died.returncode == -9, died.stderr
    made = provider("killed-vm", {"server": 1})
    record = made.deployment
    assert len(lab.ours(f"enoslib-nxc:{record.token}")) == 1
    if then == "init":
        made.init()
        assert lab.on(made, "server", "cat /etc/nxc/role") == "server"
        assert len(lab.ours(f"enoslib-nxc:{record.token}")) == 1
    made.destroy()
    lab.assert_all_gone(made, record)
