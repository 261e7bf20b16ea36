"""What EnOSlib's hosts tell tasks of the system that they run."""

from __future__ import annotations

from enoslib_nxc import hosts
from enoslib_nxc.model import Entry
from enoslib_nxc.names import ROLE_VARIABLE
from tests.unit import factory


def test_only_systems_of_the_composition_are_told_of(tmp_path):
    made = factory.deployment("server", "agent", state="up")
    update = {"stock": True, "entry": Entry(user="root")}
    machines = {**made.machines, "agent": made.machines["agent"].model_copy(update=update)}
    made = made.model_copy(update={"machines": machines})
    roles = hosts.to_roles(made, factory.run(tmp_path, made).home)
    (server,), (agent,) = roles["server"], roles["agent"]
    assert server.extra[ROLE_VARIABLE] == "server"
    assert ROLE_VARIABLE not in agent.extra
