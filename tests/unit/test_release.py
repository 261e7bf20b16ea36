"""Nodes sent back to their disks, without one: who counts as back, who is named."""

import pytest

from enoslib_nxc import ssh, status
from enoslib_nxc.errors import CommandError
from enoslib_nxc.g5k import release
from enoslib_nxc.model import Reserved
from enoslib_nxc.shell import Result
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report
from tests.unit import factory

DENIED = CommandError("ssh failed", details="root@n: Permission denied (publickey).")
SILENT = CommandError("ssh failed", details="Connection timed out")


@pytest.fixture
def after(monkeypatch):
    """Answer in turn what a host says once it was told to reboot."""

    def after(**answers):
        def script(access, *_args, **_more):
            if answers[access.name][0] == "deaf":
                raise SILENT
            return Result((), 0, "old\n", "", 0.0)

        def ask(access, *_args):
            left = answers[access.name]
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, CommandError):
                raise answer
            return Report(answer, factory.identity(access.name), "", "", "")

        monkeypatch.setattr(ssh, "script", script)
        monkeypatch.setattr(status, "ask", ask)
        monkeypatch.setattr(release, "PAUSE_SECONDS", 0.01)

    return after


def lose(tmp_path, *hosts, timeout=0.2, flavour="g5k-ramdisk"):
    made = factory.deployment(*hosts, state="up")
    machines = {
        host: machine.model_copy(
            update={"reserved": Reserved(node=f"n-{i}", site="lille", job=1)}
        )
        for i, (host, machine) in enumerate(made.machines.items(), 1)
    }
    made = made.model_copy(update={"machines": machines, "flavour": flavour})
    return release.release_nodes(made, Home(tmp_path), timeout)


def test_those_that_come_back(after, tmp_path):
    after(server=["old", SILENT, "new"], agent1=[SILENT, DENIED])
    assert lose(tmp_path, "server", "agent1", timeout=20) == ()


def test_those_that_do_not_are_named(after, tmp_path):
    after(server=["old"], agent1=[SILENT], agent2=["deaf"])
    assert lose(tmp_path, "server", "agent1", "agent2") == (
        "server (n-1) still runs our system within 0.2 s (deadlines.destroy)",
        "agent1 (n-2) is on its way back to its disk, and was not seen there "
        "within 0.2 s (deadlines.destroy)",
        "agent2 (n-3) was not rebooted: Connection timed out",
    )


def test_what_is_installed_is_the_site_s_to_reset(tmp_path):
    assert lose(tmp_path, "server", flavour="g5k-image") == ()
