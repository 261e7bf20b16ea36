"""A Grid'5000 of virtual machines: what a user's program finds there."""

from __future__ import annotations

import time

import enoslib as en
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
    told = grid.ssh(ACCESS, f"exec 3<> /dev/tcp/{name}/22 && timeout 5 cat <&3", check=False)
    return text in told.stdout


def test_access_without_a_job(grid):
    assert grid.ssh(ACCESS, "hostname").stdout == f"{SITE}.grid5000.fr\n"
    refused = grid.ssh(node(1), "true", check=False)
    assert refused.returncode == 255
    assert "Permission denied (publickey)" in refused.stderr
    assert grid.ssh(node(1), "true", user="root", check=False).returncode == 255


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


def test_a_proper_shutdown_of_the_first_node_ends_the_job(grid):
    suspected = list(grid.rehearsal.fleet.suspected)
    with grid.job() as job:
        grid.ssh(node(1), "sudo-g5k systemctl reboot", check=False)
        lab.until(lambda: job.refresh() or job.state == "error", 30)
    # it was on its way back to the standard environment, or is there
    assert set(grid.rehearsal.fleet.suspected) - set(suspected) <= {node(1)}


def test_kadeploy_writes_a_disk(grid, tiny):
    key = grid.ssh(ACCESS, "cat .ssh/authorized_keys").stdout.strip()
    grid.rehearsal.fleet.faults[node(2)] = [NOT_BACK]
    with grid.job(2, types=["deploy"]):
        started = time.monotonic()
        order = {"environment": f"{PUBLIC}/tiny.yaml", "nodes": [node(1), node(2)], "key": key}
        deployment = grid.api.sites[SITE].deployments.create(order)
        lab.until(lambda: deployment.refresh() or deployment.status == "terminated", 120)
        print("seconds of a deployment:", round(time.monotonic() - started, 1))
        states = {name: one["state"] for name, one in deployment.result.items()}
        assert states == {node(1): "OK", node(2): "KO"}
        assert _says(grid, node(1), f"SSH-2.0-tiny-on-disk\n{key}\n")
    assert grid.ssh(node(1), "true", user="root", check=False).returncode == 255
