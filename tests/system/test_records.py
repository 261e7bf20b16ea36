"""Records of deployments that cannot be used: held, damaged, or of another flavour."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from enoslib_nxc import state
from enoslib_nxc.errors import StateError
from enoslib_nxc.flavours import FLAVOURS
from tests.system import lab
from tests.unit import factory

JOB = "recorded"

pytestmark = pytest.mark.usefixtures("providers_forgotten")
HOLDER = f"""
    import sys, time
    from tests.system import lab

    def hold(event):
        print("held", flush=True)
        time.sleep(60)

    lab.provider({JOB!r}, {{"server": 1}}).init(reporter=hold)
"""


def test_two_processes_with_one_job_name():
    words = [sys.executable, "-c", textwrap.dedent(HOLDER)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            wanted = (
                f"deployment {JOB} is in use by process {holder.pid}\n"
                "-> wait for it to end, or give this configuration another job_name"
            )
            made = lab.provider(JOB, {"server": 1})
            for action in (made.init, made.destroy):
                with pytest.raises(StateError) as caught:
                    action()
                assert str(caught.value) == wanted
        finally:
            holder.kill()
    lab.provider(JOB, {"server": 1}).destroy()


def _recorded(**changes: object) -> state.Home:
    """Record a deployment that this process did not make."""
    with state.claim(JOB) as home:
        home.save(factory.deployment("server").model_copy(update={"job_name": JOB, **changes}))
    return home


def test_another_flavour_under_the_job_name(monkeypatch):
    """It is refused, and `with` does not end what it did not start."""
    monkeypatch.setitem(FLAVOURS, "vm", FLAVOURS["vm-ramdisk"])
    home = _recorded()
    made = lab.provider(JOB, {"server": 1}, flavour="vm")
    with pytest.raises(StateError) as caught, made:
        pass
    assert str(caught.value) == (
        f"deployment {JOB} runs with flavour vm-ramdisk, not vm\n"
        "-> destroy() it first, or give this configuration another job_name"
    )
    assert home.load()
    made.destroy()


@pytest.mark.parametrize("action", ["init", "destroy", "is_created"])
def test_damaged_record(action):
    home = _recorded()
    home.record.write_text(home.record.read_text()[:-100])
    made = lab.provider(JOB, {"server": 1})
    with pytest.raises(StateError) as caught:
        getattr(made, action)()
    assert caught.value.brief == (
        f"the record of deployment {JOB} is damaged or of another version of enoslib-nxc: "
        f"{home.record}"
    )
    assert caught.value.resolution == (
        "destroy() it with the version that made it, or end its processes "
        f"(pgrep -af {factory.deployment('server').token}) and remove {home.path}"
    )
    home.remove()
