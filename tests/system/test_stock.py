"""A role on a machine that keeps its own system, beside one that is booted by kexec."""

from __future__ import annotations

import enoslib as en
import pytest

from enoslib_nxc import state
from tests.system import lab
from tests.system.test_kexec import static
from tests.system.test_mixed import foreseen

pytestmark = pytest.mark.full

JOB, LENDER = "stock", "stock-lender"

MARKS = r"""
cd / && printf '%s\n' '192.0.2.9 no-newline' | tr -d '\n' >> /etc/hosts
printf 'ssh-rsa CCCC ada' >> /root/.ssh/authorized_keys
"""
"""Lines of the machine's own, the last ones without a newline."""

CONTENT = r"""
cd / && find etc root -xdev \( -type f -exec sha256sum {} + -o -true \) | sort
find etc root -xdev -printf '%p %m %u %g %l\n' | sort
"""
"""All that the machine has of its own: names, owners, modes, bytes."""


@pytest.fixture(scope="module")
def lent():
    """Two guests that run something else, and what the first has on its disk."""
    made = lab.provider(LENDER, {"agent": 2}, vm={"memory": 512}, kernel_params="lender")
    try:
        roles, _ = made.init()
        lab.on(made, "agent1", MARKS)
        yield made, static(roles), lab.on(made, "agent1", CONTENT)
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def made(lent):
    """The lab's first machine is left as it is; the second is taken by kexec."""
    roles = {
        "database": {"nodes": 1, "flavour": "stock", "tags": ["disk"]},
        "server": 1,
    }
    mixed = lab.provider(JOB, roles, hosts=lent[1], kexec={"push": "send"})
    yield mixed
    mixed.destroy()


@pytest.fixture(scope="module")
def up(made):
    told = [(each.then, each.reason) for each in made.plan().hosts]
    assert told == [("keep", "own system, left as it is"), ("boot", "new")]
    print(f"stock and kexec: {lab.timed(made.init):.1f} s; {made.phases}")
    return made.init()


def test_a_stock_role_is_among_the_others(made, up, lent):
    roles, _ = up
    assert {name: [h.alias for h in roles[name]] for name in roles} == {
        "database": ["database"],
        "disk": ["database"],
        "server": ["server"],
    }
    assert lab.boot_id(made, "database") == lab.boot_id(lent[0], "agent1")
    assert "lender" in lab.on(made, "database", "cat /proc/cmdline")
    assert "lender" not in lab.on(made, "server", "cat /proc/cmdline")
    (build,) = made.plan().builds
    assert build.flavour == "vm-ramdisk"


def test_they_reach_each_other_as_foreseen(made, up):
    roles, _ = up
    expected = foreseen(made.plan())
    assert expected == {"database": {"server"}, "server": {"database"}}
    # the machine as it is knows the host keys of the others; those that booted ask
    trusting = {"database": "", "server": "-o StrictHostKeyChecking=accept-new"}
    for name, others in expected.items():
        for other in others:
            (pinged,) = en.run_command(f"ping -c 1 -W 10 {other}", roles=roles[name])
            assert "1 received" in pinged.stdout
            (told,) = en.run_command(
                f"ssh -o BatchMode=yes {trusting[name]} {other} "
                "cat /proc/sys/kernel/random/boot_id",
                roles=roles[name],
            )
            assert told.stdout.strip() == lab.boot_id(made, other)


def test_init_again_changes_nothing(made, up):
    listing = "cd / && find etc/hosts root -type f -printf '%p %i %C@\\n'"
    before = lab.on(made, "database", listing)
    took = lab.timed(made.init)
    print(f"init again: {took:.2f} s")
    # what only names and the key of this deployment are is written anew, and nothing else
    after = lab.on(made, "database", listing)
    own = set(before.splitlines()) ^ set(after.splitlines())
    assert all("/enoslib-nxc-" in line for line in own)


def test_destroy_leaves_it_as_it_was(made, up, lent):
    lender, _, before = lent
    boot_id = lab.boot_id(lender, "agent1")
    assert lab.on(lender, "agent1", CONTENT) != before
    made.destroy()
    assert lab.on(lender, "agent1", CONTENT) == before
    assert lab.boot_id(lender, "agent1") == boot_id
    assert state.find(JOB) is None
