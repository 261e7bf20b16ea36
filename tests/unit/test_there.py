"""A host of virtual machines that does not answer: once, or at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from enoslib_nxc import greeting, ssh
from enoslib_nxc.boots import delivery
from enoslib_nxc.boots.qemu import QemuBoot
from enoslib_nxc.boots.there import there
from enoslib_nxc.errors import BootError, CommandError
from enoslib_nxc.model import Deployment, Entry, Hosted, Machine
from enoslib_nxc.shell import Result
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home
from enoslib_nxc.wait import Deadline
from tests.unit import factory

LOST = CommandError("ssh failed with exit status 255", details="kex_exchange: reset by peer")
SAYS = "boot_id=1\nguest=server 1024\n"


def deployment() -> Deployment:
    made = factory.deployment("server", state="up")
    seat = {"hosted": Hosted(name="h1", mtu=1450, port=4789)}
    machine = made.machines["server"].model_copy(update=seat)
    host = Machine(
        host="h1", address="192.168.1.9", ssh_host="h1", ssh_port=22, entry=Entry(user="root")
    )
    return factory.having(made, machines=[machine], vm_hosts=(host,))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str | CommandError]:
    """What ssh to the host comes to, one after the other; then nothing but `LOST`."""
    coming: list[str | CommandError] = []

    def script(_access: Access, _text: str, **_more: object) -> Result:
        answer = coming.pop(0) if coming else LOST
        if isinstance(answer, CommandError):
            raise answer
        return Result((), 0, answer, "", 0.0)

    monkeypatch.setattr(ssh, "script", script)
    monkeypatch.setattr(delivery, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(greeting, "greets", lambda *_w, **_m: False)
    return coming


def test_a_machine_is_not_taken_for_gone_by_one_connection_that_fails(
    answers: list[str | CommandError], tmp_path: Path
) -> None:
    boot = QemuBoot(computers=there)
    answers += [LOST, SAYS]
    assert boot.alive(deployment(), Home(tmp_path)) == {"server"}
    assert boot.alive(deployment(), Home(tmp_path)) == set()


def test_it_is_waited_for_in_spite_of_one(
    answers: list[str | CommandError], tmp_path: Path
) -> None:
    run = factory.run(tmp_path, deployment())
    access = Access("server", "127.0.0.1", 20001, "root", None, None, gate="h1")
    answers += [LOST, "Kernel starts\r\n", SAYS.replace("server", "other")]
    with pytest.raises(BootError) as caught:
        QemuBoot(computers=there).arrive(run, access, Deadline(10))
    assert caught.value.brief == "server did not come up: its QEMU process ended"


def test_a_host_that_is_gone_is_named_as_the_reason(
    answers: list[str | CommandError], tmp_path: Path
) -> None:
    run = factory.run(tmp_path, deployment())
    access = Access("server", "127.0.0.1", 20001, "root", None, None, gate="h1")
    with pytest.raises(BootError) as caught:
        QemuBoot(computers=there).arrive(run, access, Deadline(10))
    assert str(caught.value) == (
        "server did not come up: h1, which runs it, does not answer\n"
        "  kex_exchange: reset by peer"
    )
