"""What a deployment that runs keeps to, whatever its flavour; called by system tests."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Callable

from enoslib_nxc import NixOSCompose
from enoslib_nxc.model import Deployment
from enoslib_nxc.platforms.local import LOOPBACK
from tests.system import lab, machines_here

Kill = Callable[[NixOSCompose, str], None]
"""Ends a machine (of a provider, by its host name) as its flavour's machines may end."""

Left = Callable[[Deployment], list[str]]
"""Returns what is still there of a deployment, by its record, beside what all flavours have."""

RELOAD = """
    import base64, pickle
    made = pickle.loads(base64.b64decode({given!r}))
    assert made.is_created()
    print(sorted(host.address for host in made.init()[0].all()))
"""


def init_again_keeps_every_machine(made: NixOSCompose) -> None:
    """Nothing that runs as it should is booted again."""
    before = lab.boot_ids(made)
    made.init()
    assert lab.boot_ids(made) == before


def another_process_finds_it(made: NixOSCompose) -> None:
    """A provider that was pickled gives the same machines, as they are."""
    before = lab.boot_ids(made)
    given = base64.b64encode(pickle.dumps(made)).decode()
    told = lab.python(RELOAD.format(given=given)).stdout.splitlines()[-1]
    assert told == str(sorted(host.address for host in made.init()[0].all()))
    assert lab.boot_ids(made) == before


def a_machine_that_ended_comes_back_alone(made: NixOSCompose, host: str, kill: Kill) -> None:
    """The next `init()` starts it, and leaves the others as they are."""
    before = lab.boot_ids(made)
    kill(made, host)
    made.init()
    after = lab.boot_ids(made)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {host}


def nothing_is_left(made: NixOSCompose, record: Deployment, left: Left) -> None:
    """After `destroy()`: no process, network, port or file; and once more it does nothing."""
    # the ports of machines that were lent are those of their owner
    own = [m for m in record.machines.values() if m.ssh_host == LOOPBACK and not m.entry]
    lab.assert_nothing_left(record.job_name, record.token, [m.ssh_port for m in own])
    assert machines_here.left(record.token) == []
    assert left(record) == []
    assert made.deployment is None
    made.destroy()
