"""Nodes sent back to their disks, without one: who counts as back, who is named."""

import pytest

from enoslib_nxc import ssh, status
from enoslib_nxc.errors import CommandError
from enoslib_nxc.g5k import release
from enoslib_nxc.model import Entry, Reserved
from enoslib_nxc.shell import Result
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report
from tests.unit import factory

DENIED = CommandError("ssh failed", details="root@n: Permission denied (publickey).")
BEFORE = CommandError(
    "ssh failed",
    details="ada@access: Permission denied (publickey).\n"
    "Connection closed by UNKNOWN port 65535",
)
SILENT = CommandError("ssh failed", details="Connection timed out")


@pytest.fixture
def after(monkeypatch):
    """Answer in turn what a host says; remember who was told to reboot, by which keys."""
    told = []

    def after(**answers):
        def script(access, *_args, **_more):
            if answers[access.name][0] == "deaf":
                raise SILENT
            told.append((access.name, access.known_hosts.name))
            return Result((), 0, "old\n", "", 0.0)

        def ask(access, *_args):
            left = answers[access.name]
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, CommandError):
                raise answer
            identity = factory.identity(access.name)
            if answer == "disk":
                identity = identity.model_copy(update={"digest": ""})
            return Report(answer, identity, "", "", "")

        monkeypatch.setattr(ssh, "script", script)
        monkeypatch.setattr(status, "ask", ask)
        monkeypatch.setattr(release, "PAUSE_SECONDS", 0.01)
        monkeypatch.setattr(release, "LEAVE_SECONDS", 0.01)
        return told

    return after


def lose(tmp_path, *hosts, timeout=0.2, flavour="g5k-ramdisk", state="up"):
    made = factory.deployment(*hosts, state=state)
    home = Home(tmp_path)
    home.known_hosts.write_text("".join(f"{host} ssh-ed25519 A\n" for host in hosts))
    machines = {
        host: machine.model_copy(
            update={"reserved": Reserved(node=f"n-{i}", site="lille", job=1)}
        )
        for i, (host, machine) in enumerate(made.machines.items(), 1)
    }
    made = factory.having(made, machines=machines.values(), flavour=flavour)
    return release.release_nodes(made, home, timeout)


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


def test_those_that_were_never_greeted(after, tmp_path):
    told = after(
        server=[SILENT, "old", "old", DENIED],  # came up after all
        agent1=["disk"],  # was not left
        agent2=["disk", SILENT, "old", DENIED],  # was about to be left
        agent3=[DENIED],  # is back
    )
    hosts = ("server", "agent1", "agent2", "agent3")
    assert lose(tmp_path, *hosts, timeout=20, state="started") == ()
    # whatever key was pinned before, theirs is another
    assert sorted(told) == [("agent2", "agent2"), ("server", "server")]


def test_one_that_never_came_up(after, tmp_path):
    told = after(server=[SILENT], agent1=[BEFORE])
    assert lose(tmp_path, "server", "agent1", state="started") == (
        "server (n-1) was not rebooted: Connection timed out",
        "agent1 (n-2) was not rebooted: ada@access: Permission denied (publickey).",
    )
    assert told == []


def test_machines_of_all_kinds_are_told_to_reboot_in_one_way(after, tmp_path):
    told = after(node=["old"], lent=["old"], kept=["old"], seen=[SILENT, "old"], gone=["deaf"])
    hosts = ("node", "lent", "kept", "seen", "gone")
    made = factory.deployment(*hosts, state="up")
    updates = {
        "node": {"reserved": Reserved(node="n-1", site="lille", job=1)},
        "lent": {"entry": Entry(user="root")},
        "kept": {"entry": Entry(user="root", reboot=False)},
        "seen": {"entry": Entry(user="root"), "state": "started"},
        "gone": {"entry": Entry(user="root")},
    }
    machines = {h: made.machines[h].model_copy(update=updates[h]) for h in hosts}
    made = made.model_copy(update={"machines": machines})
    home = Home(tmp_path)
    home.known_hosts.write_text("".join(f"{host} ssh-ed25519 A\n" for host in hosts))
    answer = release.reboot(made, home, hosts, 20)
    assert answer == ("gone was not rebooted: Connection timed out",)
    assert sorted(told) == [
        ("lent", "known_hosts"),
        ("node", "known_hosts"),
        # its pinned key may be that of an earlier start
        ("seen", "seen"),
    ]
