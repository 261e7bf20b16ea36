"""Virtual machines on two hosts that are reached by ssh."""

from __future__ import annotations

import base64
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import enoslib as en
import pytest

from enoslib_nxc import netns, state
from enoslib_nxc.errors import BootError, PlatformError
from enoslib_nxc.events import Event
from enoslib_nxc.provider import NixOSCompose
from tests.system import lab, vm_hosts
from tests.system.vm_hosts import VmHost

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="network namespaces need root")

JOB = "vm-hosts"
ROLES = {"server": 1, "agent": {"nodes": 1, "tags": ["clients"]}}
DIE_SECONDS = 10

FOUND = "grep -lzs '^enoslib-nxc:' /proc/[0-9]*/cmdline || :"
"""Is there a virtual machine?"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[VmHost, VmHost]]:
    with vm_hosts.pair(tmp_path_factory.mktemp("vm-hosts")) as pair:
        yield pair


def provider(hosts: tuple[VmHost, VmHost], **changes: object) -> NixOSCompose:
    wish: dict[str, object] = {"vm": {"memory": lab.MEMORY, "accel": "tcg"}, **changes}
    made = lab.provider(JOB, wish.pop("roles", ROLES), **wish)
    made.vm_hosts = [host.host() for host in hosts]
    return made


def refused(made: NixOSCompose, hosts: tuple[VmHost, VmHost]) -> PlatformError:
    """Return the error of an `init()` that leaves nothing anywhere."""
    with pytest.raises(PlatformError) as caught:
        made.init()
    assert state.find(JOB) is None
    for host in hosts:
        assert host.run("ls", "-A", "/var/tmp", "/run/netns").split() == [
            *("/run/netns:", "/var/tmp:")
        ]
    return caught.value


def test_a_host_without_qemu_is_named_with_the_package(hosts: tuple[VmHost, VmHost]) -> None:
    program = "/usr/bin/qemu-system-x86_64"
    hosts[1].run("mount", "--bind", "/dev/null", program)
    try:
        error = refused(provider(hosts), hosts)
    finally:
        hosts[1].run("umount", program)
    assert str(error) == (
        "1 of 2 VM hosts cannot run virtual machines\n"
        "  vmhost2: qemu-system-x86_64 is not installed (package qemu-system-x86)\n"
        "-> mend them, or leave them out"
    )


def test_too_little_memory_is_refused_with_the_numbers_of_each(
    hosts: tuple[VmHost, VmHost],
) -> None:
    error = refused(provider(hosts, vm={"memory": 1 << 20, "accel": "tcg"}), hosts)
    assert error.brief == ("not enough memory on 2 hosts for 2 machines: server finds no room")
    lines = error.details.splitlines()
    assert [line.split()[0] for line in lines] == ["vmhost1:", "vmhost2:"]
    assert all(line.endswith("MiB are taken, server needs 1048768") for line in lines)


def test_a_host_that_does_not_answer_is_named(hosts: tuple[VmHost, VmHost]) -> None:
    hosts[1].die()
    try:
        with pytest.raises(PlatformError) as caught:
            provider(hosts).init()
    finally:
        hosts[1].revive()
    assert caught.value.brief == (
        f"1 of 2 VM hosts cannot be used: vmhost2 ({hosts[1].address})"
    )
    assert f"connect to host {hosts[1].address}" in caught.value.details
    assert state.find(JOB) is None


def test_hosts_that_do_not_hear_each_other(hosts: tuple[VmHost, VmHost]) -> None:
    """As with a firewall between them; found before a machine starts."""
    drop = "route add prohibit {address}/32"
    undo = "route delete prohibit {address}/32"
    netns.configure(hosts[0].namespace, drop.format(address=hosts[1].address))
    try:
        error = refused(provider(hosts), hosts)
    finally:
        netns.configure(hosts[0].namespace, undo.format(address=hosts[1].address))
    assert error.brief == "hosts do not hear each other by UDP port 4789 (VXLAN)"
    # what the second sends does arrive
    assert "vmhost2 does not hear vmhost1" in error.details.splitlines()


@pytest.fixture(scope="module")
def running(hosts: tuple[VmHost, VmHost]) -> Iterator[NixOSCompose]:
    """A server on the first host, an agent on the second."""
    made = provider(hosts)
    print(f"VMs on two hosts: {lab.timed(made.init):.1f} s; {made.phases}")
    yield made
    made.destroy()


def places(made: NixOSCompose) -> dict[str, str]:
    assert made.deployment
    machines = made.deployment.machines.values()
    return {m.host: m.hosted.name for m in machines if m.hosted}


@pytest.mark.full
def test_one_flat_network_over_both(
    running: NixOSCompose, hosts: tuple[VmHost, VmHost]
) -> None:
    assert places(running) == {"server": "vmhost1", "agent": "vmhost2"}
    assert {h.host: h.place for h in running.plan().hosts} == places(running)
    roles, networks = running.init()
    told = en.run_command("ping -c 1 -W 10 server && ping -c 1 -W 10 agent", roles=roles)
    assert [one.rc for one in told] == [0, 0]
    assert [str(network.network) for network in networks["nxc"]] == ["192.168.1.0/24"]
    measured = json.loads(lab.on(running, "agent", "iperf3 -c server -t 1 -J"))
    assert measured["end"]["sum_received"]["bits_per_second"] > 0
    # what fits goes through whole, and no larger packet is sent
    room = vm_hosts.MTU - 50
    assert lab.on(running, "agent", "cat /sys/class/net/eth1/mtu") == str(room)
    lab.on(running, "agent", f"ping -M do -s {room - 28} -c 1 -W 10 server")


@pytest.mark.full
def test_ssh_is_on_the_loopback_of_the_hosts_alone(
    running: NixOSCompose, hosts: tuple[VmHost, VmHost]
) -> None:
    assert running.deployment
    server = running.deployment.machines["server"]
    listening = hosts[0].run("ss", "-Htln")
    assert f"127.0.0.1:{server.ssh_port} " in listening
    assert f"0.0.0.0:{server.ssh_port} " not in listening


@pytest.mark.full
def test_a_host_that_dies_with_its_machines(
    running: NixOSCompose, hosts: tuple[VmHost, VmHost]
) -> None:
    """Named without `min`; with it, the other host takes them; nothing is left in the end."""
    assert running.deployment
    token = running.deployment.token
    before = lab.boot_id(running, "server")
    hosts[1].die()
    assert not running.is_created()
    with pytest.raises(PlatformError) as caught:
        running.init()
    assert caught.value.brief == (
        f"1 of 2 VM hosts cannot be used: vmhost2 ({hosts[1].address}); "
        "machines that were there: agent on vmhost2"
    )
    again = provider(hosts, min=1)
    again.init()
    assert places(again) == {"server": "vmhost1", "agent": "vmhost1"}
    assert lab.boot_id(again, "server") == before
    lab.on(again, "agent", "ping -c 1 -W 10 server")
    with pytest.raises(PlatformError) as refusal:
        again.destroy()
    assert refusal.value.brief == (
        f"what runs of deployment {JOB} could not be ended on vmhost2 (no machines)"
    )
    assert hosts[0].left(token) == []
    hosts[1].revive()
    again.destroy()
    assert state.find(JOB) is None
    assert hosts[1].left(token) == []


@pytest.mark.full
def test_a_host_that_dies_during_the_first_init(hosts: tuple[VmHost, VmHost]) -> None:
    """What is told is why the machine did not come up; the rest is ended by `destroy()`."""

    def die(event: Event) -> None:
        if lab.point(event) == "boot done agent start":
            hosts[1].die()

    made = provider(hosts)
    try:
        with pytest.raises(BootError) as caught:
            made.init(reporter=die)
    finally:
        hosts[1].revive()
    assert caught.value.brief == "1 of 2 machines did not come up: agent"
    assert caught.value.details.splitlines()[0] == (
        "agent did not come up: vmhost2, which runs it, does not answer"
    )
    assert made.deployment
    token = made.deployment.token
    made.destroy()
    assert state.find(JOB) is None
    assert [line for host in hosts for line in host.left(token)] == []


DEPLOYS = """
    import base64, pickle
    pickle.loads(base64.b64decode({given!r})).init()
"""


@pytest.mark.full
def test_what_a_killed_process_left(hosts: tuple[VmHost, VmHost]) -> None:
    """Ended by another one, and by the name alone."""
    made = provider(hosts)
    given = base64.b64encode(pickle.dumps(made)).decode()
    text = textwrap.dedent(DEPLOYS.format(given=given))
    process = subprocess.Popen([sys.executable, "-c", text])
    try:
        lab.until(lambda: any(host.run("sh", "-c", FOUND) for host in hosts), 120)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(DIE_SECONDS)
    assert made.deployment
    token = made.deployment.token
    assert any(host.left(token) for host in hosts)
    command = Path(sys.executable).with_name("enoslib-nxc")
    subprocess.run([command, "destroy", JOB], check=True, timeout=120)
    assert [line for host in hosts for line in host.left(token)] == []
    assert state.find(JOB) is None
