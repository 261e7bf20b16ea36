"""A deploying process that is killed at any point leaves nothing that cannot be picked up."""

from __future__ import annotations

import pytest

from tests.system import lab

JOB = "killed"
POINTS = [
    "check started",
    "build noop",
    "plan done",
    "acquire started",
    "acquire done",
    "boot started",
    "boot started server",
    "boot done server",
    "boot done",
    "provision started",
    "provision done",
]
"""Events at which the process is killed: "PHASE STATUS [SUBJECT]", in their order."""

BODY = """
    import os, signal
    from enoslib_nxc import shell
    from tests.system import lab

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def at(event):
        words = [event.phase.value, event.status.value, event.subject]
        if " ".join(filter(None, words)) == POINT:
            die()

    run = shell.run
    def run_and_die(argv, **kw):
        result = run(argv, **kw)
        if POINT == "after qemu" and "qemu" in str(argv[0]) and "-daemonize" in argv:
            die()
        return result
    shell.run = run_and_die

    lab.provider(JOB, {"server": 1}).init(reporter=at)
"""


@pytest.fixture(scope="module", autouse=True)
def _built():
    """Have the composition built, so that each process comes to its point at once."""
    made = lab.provider("built", {"server": 1})
    made.init()
    made.destroy()


@pytest.mark.parametrize("point", [*POINTS, "after qemu"])
def test_init_after_a_kill(point):
    body = BODY.replace("POINT", repr(point)).replace("JOB", repr(JOB))
    died = lab.python(body, check=False)
    assert died.returncode == -9, f"{point} was never reached: {died.stderr}"
    made = lab.provider(JOB, {"server": 1})
    try:
        roles, _ = made.init()
        assert [h.alias for h in roles["server"]] == ["server"]
        assert lab.on(made, "server", "cat /etc/nxc/role") == "server"
        token = made.deployment.token
        assert len(lab.ours(f"enoslib-nxc:{token}:server")) == 1
        assert len(lab.ours("enoslib-nxc:")) == 1
    finally:
        made.destroy()
    assert lab.ours("enoslib-nxc") == []


@pytest.mark.parametrize("point", ["acquire done", "after qemu", "boot done server"])
def test_destroy_after_a_kill(point):
    body = BODY.replace("POINT", repr(point)).replace("JOB", repr(JOB))
    assert lab.python(body, check=False).returncode == -9
    made = lab.provider(JOB, {"server": 1})
    record = made.deployment
    made.destroy()
    ports = [machine.ssh_port for machine in record.machines.values()]
    lab.assert_nothing_left(JOB, record.token, ports)
