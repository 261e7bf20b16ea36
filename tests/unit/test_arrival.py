"""Who answers in the place of a machine that is awaited."""

import pytest

from enoslib_nxc import pins, reach, status
from enoslib_nxc.boots import arrival
from enoslib_nxc.errors import CommandError
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline
from tests.unit import factory

DENIED = "root@n: Permission denied (publickey)."
BY_THE_JUMP = (
    "ada@access: Permission denied (publickey).\nConnection closed by UNKNOWN port 65535"
)


@pytest.fixture
def greet(monkeypatch, tmp_path):
    run = factory.run(tmp_path, factory.deployment("server", state="started"))

    def greet(answer, boot_id="old"):
        def ask(access, *_args):
            if isinstance(answer, str):
                raise CommandError("ssh failed with exit status 255", details=answer)
            access.known_hosts.write_text("server ssh-ed25519 NEW\n")
            return answer

        monkeypatch.setattr(status, "ask", ask)
        machine = run.machine("server").model_copy(update={"boot_id": boot_id})
        here = run.having(machine)
        access = reach.own(here.deployment, here.home, "server")
        return arrival.greeting(here, access, Deadline(5)), here.home.known_hosts

    return greet


def test_one_that_refuses_our_key_is_someone_else(greet):
    with pytest.raises(arrival.SomeoneElseError, match="our key is refused"):
        greet(DENIED)


def test_a_jump_host_s_refusal_says_nothing_of_the_machine(greet):
    with pytest.raises(CommandError) as caught:
        greet(BY_THE_JUMP)
    assert not isinstance(caught.value, arrival.SomeoneElseError)


def test_the_key_of_another_boot_is_pinned(greet):
    report = Report("new", factory.identity("server"), "", "", "")
    with pytest.raises(arrival.SomeoneElseError, match="the same boot answers"):
        greet(report, boot_id="new")
    answer, known = greet(report)
    assert answer == report
    assert pins.pinned(known, "server")
