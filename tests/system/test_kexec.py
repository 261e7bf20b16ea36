"""kexec on machines that another provider gave: guests of ours, handed on by en.Static.

The guests stand for hosts of any kind: QEMU's reset brings back what they ran first, as a
disk would.
"""

from __future__ import annotations

import copy
import pickle
import re
import shlex
import time

import enoslib as en
import pytest

from enoslib_nxc import pins, procs, ssh, state, status
from enoslib_nxc.errors import BootError, PlatformError, StateError
from enoslib_nxc.events import Status
from enoslib_nxc.ssh import Access, HostKey
from tests.system import lab

JOB = "kexec"
PAIR = {"server": 1, "agent": {"nodes": 1, "tags": ["compute"]}}


def lender(job_name, roles):
    return lab.provider(job_name, roles, vm={"memory": 512}, kernel_params="lender")


def static(roles):
    """Return the hosts of a deployment as en.Static would have them from its user."""
    conf = en.StaticConf()
    for host in sorted(roles.all(), key=lambda host: host.address):
        conf.add_machine(
            roles=["lent"],
            address=host.address,
            alias=f"lent-{host.alias}",
            user=host.user,
            keyfile=host.keyfile,
            port=host.port,
            extra=dict(host.extra),
        )
    conf.add_network(
        roles=["lent"],
        cidr="192.168.1.0/24",
        start="192.168.1.1",
        end="192.168.1.250",
        gateway="192.168.1.254",
        dns="192.168.1.254",
    )
    return en.Static(conf)


@pytest.fixture(scope="module")
def hosts():
    """Two guests that run something else: all that follows happens to them."""
    made = lender("lender", {"agent": 2})
    roles, _ = made.init()
    yield made, static(roles), lab.boot_ids(made)
    made.destroy()


@pytest.fixture(scope="module")
def make(hosts):
    def make(**changes):
        wish = {"roles": PAIR, "kexec": {"push": "send"}, "retries": {"boot": 0}, **changes}
        return lab.provider(wish.pop("job_name", JOB), wish.pop("roles"), **wish)

    def lent(**changes):
        made = make(**changes)
        made.hosts = changes.get("hosts", hosts[1])
        return made

    return lent


@pytest.fixture(scope="module")
def pair(make):
    made = make()
    print(f"kexec of 2 hosts: {lab.timed(made.init):.1f} s; {made.phases}")
    yield made
    made.destroy()


# what is refused leaves the hosts as they are


def remaining(hosts):
    """Assert that the lent hosts were not touched."""
    made, _, before = hosts
    assert lab.boot_ids(made) == before
    for host in before:
        assert lab.on(made, host, "ls -d /tmp/enoslib-nxc* /run/enoslib-nxc-* || :") == ""
        assert lab.on(made, host, "cat /sys/kernel/kexec_loaded") == "0"
    assert state.find(JOB) is None


def test_too_few_hosts(make, hosts):
    with pytest.raises(PlatformError) as caught:
        make(roles={"server": 1, "agent": 3}).init()
    assert caught.value.brief == (
        "the other provider gave 2 machines, 4 are needed: none is left for agent2, agent3"
    )
    remaining(hosts)


@pytest.mark.full
def test_hosts_that_cannot_call_back(make, hosts):
    with pytest.raises(PlatformError) as caught:
        make(kexec={"push": "http"}).init()
    assert str(caught.value) == (
        "server, agent cannot fetch kernel and initrd (kexec.push: http) from this computer\n"
        "-> set kexec.push to auto or send"
    )
    with pytest.raises(PlatformError) as caught:
        make(parameters={f"parameter{n}": "value" * 20 for n in range(30)}).init()
    assert str(caught.value).splitlines()[:2] == [
        "server, agent cannot fetch the deployment JSON from this computer",
        "  it is too long for the kernel command line",
    ]
    remaining(hosts)


def test_a_host_key_that_nobody_vouches_for(make, hosts):
    given = [copy.deepcopy(host) for host in hosts[1].init()[0]["lent"]]
    given[1].extra["ansible_ssh_common_args"] = (
        "-F none -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null"
    )
    with pytest.raises(PlatformError) as caught:
        make(hosts=given).init()
    assert caught.value.brief == "1 of 2 machines cannot be used: agent (127.0.0.1)"
    assert "Host key verification failed" in caught.value.details
    assert caught.value.resolution == (
        "reach each by ssh once; or set kexec.host_keys to first-contact"
    )
    remaining(hosts)


@pytest.mark.full
def test_a_host_with_too_little_memory(make, hosts):
    made = hosts[0]
    lab.on(made, "agent2", "head -c 180M /dev/zero > /dev/shm/fill")
    try:
        with pytest.raises(BootError) as caught:
            make().init()
    finally:
        lab.on(made, "agent2", "rm /dev/shm/fill")
    assert caught.value.brief == "1 of 2 machines cannot be booted: agent"
    assert re.fullmatch(
        r"agent: it has \d+ MiB of memory available, an image of 7\d MiB needs 2\d\d",
        caught.value.details,
    )
    remaining(hosts)


# the life of a deployment, in order


def test_hosts_are_taken_by_kexec(pair, hosts):
    roles, networks = pair.init()
    before = list(hosts[2].values())
    after = lab.boot_ids(pair)
    assert set(after) == {"server", "agent"}
    assert not set(after.values()) & set(before)
    assert sorted(h.alias for h in roles.all()) == ["agent", "server"]
    assert [h.address for h in roles["server"]] == ["192.168.1.1"]
    assert roles["compute"] == roles["agent"]
    assert [str(n.network) for n in networks["nxc"]] == ["192.168.1.0/24"]
    for host, role in (("server", "server"), ("agent", "agent")):
        assert lab.on(pair, host, "hostname; cat /etc/nxc/role").split() == [host, role]
        line = lab.on(pair, host, "cat /proc/cmdline").split()
        assert "lender" not in line
        assert "net.ifnames=0" in line


def test_names_and_commands(pair):
    roles, _ = pair.init()
    assert "1 received" in lab.on(pair, "server", "ping -c 1 -W 10 agent")
    assert "1 received" in lab.on(pair, "agent", "ping -c 1 -W 10 server")
    results = en.run_command("cat /etc/nxc/role", roles=roles)
    assert {r.host: r.stdout for r in results} == {"server": "server", "agent": "agent"}


def test_what_was_given_is_replaced(pair, hosts):
    """The lender's keys do not open the machines any more, nor do its pins hold."""
    assert lab.on(pair, "server", "grep ^root: /etc/shadow").startswith("root:*:")
    lender_key = state.find("lender").key.with_suffix(".pub").read_text().split()[1]
    assert lender_key not in lab.on(pair, "server", "cat /root/.ssh/authorized_keys")


def test_init_again_does_nothing(pair):
    before = lab.boot_ids(pair)
    took = lab.timed(pair.init)
    print(f"init again: {took:.2f} s")
    assert lab.boot_ids(pair) == before
    for duplicate in (pickle.loads(pickle.dumps(pair)), copy.deepcopy(pair)):
        assert duplicate.is_created()
        duplicate.init()
    assert lab.boot_ids(pair) == before


def test_the_same_job_without_hosts_is_refused(pair):
    with pytest.raises(StateError) as caught:
        lab.provider(JOB, PAIR).init()
    assert caught.value.brief == "deployment kexec runs on hosts of another provider"


@pytest.mark.full
def test_force_deploy_by_kexec_from_our_own_system(pair):
    before = lab.boot_ids(pair)
    print(f"force_deploy: {lab.timed(lambda: pair.init(force_deploy=True)):.1f} s")
    after = lab.boot_ids(pair)
    assert all(after[host] != before[host] for host in before)


@pytest.mark.full
def test_only_the_host_whose_role_differs_is_booted(make, pair):
    """An agent becomes a second server: its name is new, and so is its machine's system."""
    before = lab.boot_ids(pair)
    changed = make(roles={"server": ["server", "second"]})
    changed.init()
    after = lab.boot_ids(changed)
    assert after["server"] == before["server"]
    assert after["second"] != before["agent"]
    assert lab.on(changed, "second", "cat /etc/nxc/role") == "server"
    assert "1 received" in lab.on(changed, "server", "ping -c 1 -W 10 second")


@pytest.mark.full
def test_a_host_that_does_not_leave_its_system(make, pair):
    """What was on its way to a machine when it failed is done by the next init()."""
    real = lab.on(pair, "server", "readlink -f $(command -v kexec)")
    fake = 'case $1 in -e) exit 7;; *) exec /root/kexec "$@";; esac'
    lab.on(
        pair,
        "server",
        f"cp {real} /root/kexec && printf '#!/bin/sh\n%s\n' {shlex.quote(fake)} > /root/fake "
        f"&& chmod 755 /root/fake && mount --bind /root/fake {real}",
    )
    stuck = make(roles={"agent": ["server"], "server": ["second"]})
    before = lab.boot_ids(stuck)
    with pytest.raises(BootError) as caught:
        stuck.init()
    assert caught.value.details.splitlines()[0] == "server still runs its old system"
    assert "kexec -e failed with status 7" in caught.value.details
    assert lab.boot_ids(stuck) == before
    lab.on(stuck, "server", f"umount {real}")
    stuck.init()
    after = lab.boot_ids(stuck)
    assert {host for host in after if after[host] != before[host]} == {"server"}
    assert lab.on(stuck, "server", "cat /etc/nxc/role") == "agent"


class Killer:
    """A reporter that ends a guest as soon as it was told to leave its system."""

    def __init__(self, host: str, guest: str) -> None:
        self.host, self.guest = host, guest

    def __call__(self, event):
        left = event.message == "start" and event.status is Status.DONE
        if left and event.subject == self.host:
            time.sleep(2)
            token = state.find("lender").load().token
            procs.end(procs.tagged(f"enoslib-nxc:{token}:{self.guest}"), 10)


@pytest.mark.full
def test_a_host_that_does_not_come_back(make, pair):
    roles = {"agent": ["server"], "server": ["third"]}
    lost = make(roles=roles, deadlines={"boot": 45})
    with pytest.raises(BootError) as caught:
        lost.init(reporter=Killer("third", "agent2"))
    assert str(caught.value).splitlines()[:3] == [
        "1 of 2 machines did not come up: third",
        "  third did not come back from kexec within 45 s",
        "  -> look at its console, or reset it by its own means",
    ]
    assert {m.host: m.state for m in lost.deployment.machines.values()} == {
        "server": "up",
        "third": "started",
    }


def test_destroy_gives_the_hosts_back(pair, hosts, tmp_path):
    """The one that is left runs its first system again; the lost one does not hinder it."""
    machine = hosts[0].deployment.machines["agent1"]
    before = lab.boot_id(pair, "server")
    pair.destroy()
    assert state.find(JOB) is None
    key = state.find("lender").key
    there = Access("back", "127.0.0.1", machine.ssh_port, "root", key, tmp_path / "known")

    def back():
        try:
            report = status.ask(there, HostKey.FIRST_CONTACT)
        except Exception:
            pins.pin(there.known_hosts, "back")
            return False
        return report.identity.host == "agent1" and report.boot_id != before

    lab.until(back, 90)
    assert "lender" in ssh.script(there, "cat /proc/cmdline", timeout=30).stdout.split()
