"""A Grid'5000 of virtual machines: what a user's program finds there."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import enoslib as en
import psutil
import pytest

from enoslib_nxc import shell
from enoslib_nxc.rehearsal.testbed import NOT_BACK
from tests.system import lab, tiny_system
from tests.system.grid import ACCESS, CLUSTER, SITE, node

PUBLIC = f"http://public.{SITE}.grid5000.fr/~ada"

DESCRIPTION = """
name: tiny
os: linux
image: {file: "%s/tiny.tar.gz", kind: tar, compression: gzip}
boot: {kernel: /vmlinuz, initrd: /boot/initrd, kernel_params: "console=ttyS0 net.ifnames=0"}
filesystem: ext4
partition_type: 131
"""


@pytest.fixture
def grid(shared_grid):
    return shared_grid


@pytest.fixture(scope="module")
def tiny(shared_grid, tmp_path_factory):
    """A small system, in the user's home on the site."""
    made = tiny_system.make(tmp_path_factory.mktemp("tiny"))
    options = ["-o", "LogLevel=ERROR", "-p"]
    files = [made.kernel, made.initrd, made.tarball]
    shell.run(["scp", *options, *files, f"ada@{ACCESS}:public/"], timeout=120)
    shared_grid.ssh(ACCESS, f"cat > public/tiny.yaml <<'E'\n{DESCRIPTION % PUBLIC}\nE")
    return made


def _says(grid, name, text):
    """Tell whether who listens on a node's ssh port says something."""
    look = f"timeout 5 bash -c 'exec 3<> /dev/tcp/{name}/22 && cat <&3'"
    told = grid.ssh(ACCESS, look, check=False)
    return text in told.stdout


def test_access_without_a_job(grid):
    assert grid.ssh(ACCESS, "hostname").stdout == f"{SITE}.grid5000.fr\n"
    refused = grid.ssh(node(1), "true", check=False)
    assert refused.returncode == 255
    assert "Permission denied (publickey)" in refused.stderr
    assert grid.ssh(node(1), "true", user="root", check=False).returncode == 255


@pytest.mark.full  # as our own provider does in test_g5k_life
def test_enoslib_reserves_and_becomes_root(grid):
    conf = en.G5kConf.from_settings(job_name="plain", job_type=[], walltime="00:10:00")
    conf.add_machine(roles=["c"], cluster=CLUSTER, nodes=2)
    provider = en.G5k(conf.finalize())
    started = time.monotonic()
    roles, _networks = provider.init()
    try:
        results = en.run_command("hostname; id -u", roles=roles)
        assert {result.stdout for result in results} == {f"{node(1)}\n0", f"{node(2)}\n0"}
        print("seconds from init to a command as root:", round(time.monotonic() - started, 1))
        assert grid.ssh(node(2), "mount | grep -c ' /home type nfs'").stdout == "1\n"
    finally:
        provider.destroy(wait=True)
    # somebody was root there: the nodes are not left to others as they are
    lab.until(lambda: grid.state(node(1)) == "Absent", 10)
    grid.settle()
    assert grid.rehearsal.fleet.suspected == []
    assert grid.ssh(node(1), "true", user="root", check=False).returncode == 255


def test_a_job_s_command(grid):
    with grid.job(command="hostname; echo $OAR_JOB_ID >&2") as job:
        lab.until(lambda: job.refresh() or job.state == "terminated", 30)
        output = f"cat OAR.{job.uid}.stdout OAR.{job.uid}.stderr"
        assert grid.ssh(ACCESS, output).stdout == f"{node(1)}\n{job.uid}\n"


@pytest.mark.full
def test_a_node_taken_by_kexec_is_suspected(grid, tiny):
    with grid.job() as job:
        grid.ssh(node(1), "sudo-g5k true")
        load = "kexec -l vmlinuz-1 --initrd=initrd --append='console=ttyS0 net.ifnames=0'"
        grid.ssh(node(1), f"cd ~ada/public && {load}", user="root")
        leave = "nohup sh -c 'sleep 1; kexec -e' > /dev/null 2>&1 < /dev/null &"
        grid.ssh(node(1), leave, user="root")
        started = time.monotonic()
        lab.until(lambda: _says(grid, node(1), "SSH-2.0-tiny\n"))
        print("seconds of kexec:", round(time.monotonic() - started, 1))
        job.refresh()
        assert job.state == "running"  # nobody told OAR
        job.delete()
        lab.until(lambda: grid.state(node(1)) == "Suspected")
        hard = grid.api.sites[SITE].clusters[CLUSTER].status.list().nodes[node(1)]["hard"]
        assert hard == "suspected"
        started = time.monotonic()
        grid.settle()
        print("seconds until it is back:", round(time.monotonic() - started, 1))
    assert grid.rehearsal.fleet.suspected == [node(1)]


@pytest.mark.full
def test_a_proper_shutdown_of_the_first_node_ends_the_job(grid):
    suspected = list(grid.rehearsal.fleet.suspected)
    with grid.job() as job:
        grid.ssh(node(1), "sudo-g5k systemctl reboot", check=False)
        lab.until(lambda: job.refresh() or job.state == "error", 30)
    # it was on its way back to the standard environment, or is there
    assert set(grid.rehearsal.fleet.suspected) - set(suspected) <= {node(1)}


def _deployed(grid, **order):
    started = time.monotonic()
    body = {"environment": f"{PUBLIC}/tiny.yaml", **order}
    deployment = grid.api.sites[SITE].deployments.create(body)
    lab.until(lambda: deployment.refresh() or deployment.status == "terminated", 200)
    print("seconds of a deployment:", round(time.monotonic() - started, 1))
    return {name: one["state"] for name, one in deployment.result.items()}


@pytest.mark.full
def test_kadeploy_writes_a_disk(grid, tiny):
    key = grid.ssh(ACCESS, "cat .ssh/authorized_keys").stdout.strip()
    grid.rehearsal.fleet.faults[node(2)] = [NOT_BACK]
    with grid.job(2, types=["deploy"]):
        states = _deployed(grid, nodes=[node(1), node(2)], key=key)
        assert states == {node(1): "OK", node(2): "KO"}
        assert _says(grid, node(1), f"SSH-2.0-tiny-on-disk\n{key}\n")
    assert grid.ssh(node(1), "true", user="root", check=False).returncode == 255


@pytest.mark.full
def test_a_node_on_a_kavlan_has_another_name(grid, tiny):
    resources = "{type='kavlan'}/vlan=1+nodes=1,walltime=00:20:00"
    translated = f"{CLUSTER}-1-kavlan-4.{SITE}.grid5000.fr"
    with grid.job(types=["deploy"], resources=resources) as job:
        assert job.resources_by_type["vlans"] == ["4"]
        assert _deployed(grid, nodes=[node(1)], vlan="4") == {node(1): "OK"}
        assert _says(grid, translated, "SSH-2.0-tiny-on-disk\n")
        assert not _says(grid, node(1), "SSH-")
        address = grid.ssh(ACCESS, f"getent hosts {translated}").stdout.split()[0]
        assert address == "10.8.0.1"
    lab.until(lambda: _says(grid, node(1), "SSH-2.0-OpenSSH"))


OWNER = """
import sys
from enoslib_nxc.rehearsal.grid import GridRehearsal
from tests.system.grid import SPEC
with GridRehearsal([SPEC]) as grid:
    print(grid.directory)
"""


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(sent, marks=pytest.mark.full)
        for sent in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
    ],
)
def test_nothing_is_left_of_a_process_that_ends(ending):
    before = set(Path("/tmp").glob("enoslib-nxc-grid-*"))
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stderr=subprocess.DEVNULL)
    try:
        mine = []

        def machines():
            fresh = set(Path("/tmp").glob("enoslib-nxc-grid-*")) - before
            mine[:] = [d for d in fresh if _owned(d.name, owner.pid)]
            return mine and len(_with(mine[0].name, "qemu-system")) == 3

        lab.until(machines, 60)
        owner.send_signal(ending)
        owner.wait(60)
        lab.until(lambda: not mine[0].exists() and not _with(mine[0].name, ""), 30)
    finally:
        owner.kill()


def _with(word, program):
    """Return the processes of a program that have a word in their command line."""
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if any(word in part for part in one.info["cmdline"] or ())
        and program in (one.info["cmdline"] or [""])[0]
    ]


def _owned(word, pid):
    """Tell whether processes with a word in their command line are children of one."""
    return any(one.ppid() == pid for one in _with(word, "qemu-system"))
