"""A deploying process that is killed at any point leaves nothing that cannot be picked up."""

from __future__ import annotations

import pytest

from enoslib_nxc import artifacts
from enoslib_nxc.events import silent
from tests.system import lab

JOB = "killed"
BEFORE_BOOT = [
    "check started",
    "check done",
    "fetch started",
    "fetch noop",
    "build started",
    "build noop",
    "plan started",
    "plan done",
    "acquire started",
    "acquire done",
]
FROM_BOOT = [
    "boot started",
    "boot started server start",
    "boot done server start",
    "boot started server come up",
    "boot done server come up",
    "provision started server set up",
    "provision done server set up",
    "boot done",
    "provision started",
    "provision done",
]
"""Every event of a first init(), where the process is killed: "PHASE STATUS", and for a
machine's steps its host and what is done."""

BODY = """
    import os, signal
    from enoslib_nxc import shell
    from tests.system import lab

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def at(event):
        if lab.point(event) == POINT:
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


def _kill(point):
    body = BODY.replace("POINT", repr(point)).replace("JOB", repr(JOB))
    died = lab.python(body, check=False)
    assert died.returncode == -9, f"{point} was never reached: {died.stderr}"


@pytest.fixture(scope="module", autouse=True)
def _events(tmp_path_factory):
    """Have the composition built, and see that no event is missing from the lists."""
    seen = []
    made = lab.provider("built", {"server": 1})
    artifacts.obtain(made.settings, None, silent, keep=tmp_path_factory.mktemp("b") / "result")
    made.init(reporter=lambda event: seen.append(lab.point(event)))
    made.destroy()
    assert [point for point in seen if "progress" not in point] == [*BEFORE_BOOT, *FROM_BOOT]


def _recovers():
    made = lab.provider(JOB, {"server": 1})
    try:
        roles, _ = made.init()
        assert [h.alias for h in roles["server"]] == ["server"]
        assert lab.on(made, "server", "cat /etc/nxc/role") == "server"
        assert len(lab.ours("enoslib-nxc:")) == 1
    finally:
        made.destroy()
    assert lab.ours() == []


@pytest.mark.parametrize(
    "points",
    [
        ("build started", "acquire done"),
        pytest.param(BEFORE_BOOT, marks=pytest.mark.full),
    ],
    ids=["some", "all"],
)
def test_init_after_kills_before_anything_was_started(points):
    for point in points:
        _kill(point)
        assert lab.ours() == [], point
    _recovers()


@pytest.mark.parametrize(
    "point",
    [
        "after qemu",
        *(pytest.param(point, marks=pytest.mark.full) for point in FROM_BOOT),
    ],
)
def test_init_after_a_kill(point):
    _kill(point)
    _recovers()


@pytest.mark.parametrize(
    "point",
    [
        "after qemu",
        pytest.param("boot started", marks=pytest.mark.full),
        pytest.param("boot done server come up", marks=pytest.mark.full),
    ],
)
def test_destroy_after_a_kill(point):
    _kill(point)
    made = lab.provider(JOB, {"server": 1})
    record = made.deployment
    made.destroy()
    ports = [machine.ssh_port for machine in record.machines.values()]
    lab.assert_nothing_left(JOB, record.token, ports)
