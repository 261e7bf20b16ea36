"""The whole way as an ordinary user: own Nix store, own machines, nothing of root's.

Run by root, the tests run in a process without its rights.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from enoslib_nxc import debian, state
from enoslib_nxc.nix import choose
from tests.system import lab

NOBODY = 65534
USER = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
ROOT = os.getuid() == 0
CHECKOUT = Path(__file__).parents[2]
REFUSALS = Path(__file__).with_name("test_refusals.py")

unprivileged = pytest.mark.skipif(ROOT, reason="root runs it as another user, see below")


@pytest.fixture(scope="module")
def made():
    made = lab.provider("user", {"server": 1})
    yield made
    made.destroy()


@unprivileged
def test_one_machine(made):
    roles, networks = made.init()
    assert [host.alias for host in roles["server"]] == ["server"]
    assert set(networks) == {"nxc"}
    assert lab.on(made, "server", "hostname; cat /etc/nxc/role").split() == ["server", "server"]
    print({phase: round(seconds, 1) for phase, seconds in made.phases.items()})


@unprivileged
def test_the_store_is_the_user_s(made):
    artifacts = made.deployment.artifacts
    assert artifacts.store == choose(made.settings.build).map
    for path in (artifacts.kernel, artifacts.initrd):
        assert artifacts.store.real(path).is_file()


@unprivileged
def test_init_again_boots_nothing(made):
    before = lab.boot_ids(made)
    took = lab.timed(made.init)
    assert lab.boot_ids(made) == before
    print(f"init again: {took:.1f} s")


@unprivileged
@pytest.mark.full
def test_three_machines(made):
    before = lab.boot_ids(made)
    more = lab.provider("user", {"server": 1, "agent": 2})
    roles, _ = more.init()
    assert sorted(host.alias for host in roles["agent"]) == ["agent1", "agent2"]
    assert lab.boot_ids(more)["server"] == before["server"]
    for host in ("server", "agent1", "agent2"):
        for other in ("server", "agent1", "agent2"):
            assert "1 received" in lab.on(more, host, f"ping -c 1 -W 10 {other}")


@unprivileged
def test_destroy_leaves_nothing(made):
    record = made.deployment
    ports = [machine.ssh_port for machine in record.machines.values()]
    private = [state.find("user").path, *Path("/tmp").glob(f"*{record.token}*")]
    assert len(private) == 2
    assert {path.stat().st_mode & 0o777 for path in private} == {0o700}
    made.destroy()
    lab.assert_nothing_left("user", record.token, ports)


@pytest.fixture
def area():
    """Give a directory that the other user owns and reaches, with what root has fetched."""
    with TemporaryDirectory(prefix="nxc-user-") as name:
        area = Path(name)
        area.chmod(0o755)
        home = area / "home"
        fetched = debian.cache_root()
        for part in ("debian", "apt", "locks"):
            if (fetched / part).is_dir():
                shutil.copytree(fetched / part, home / ".cache" / "enoslib-nxc" / part)
        home.mkdir(exist_ok=True)
        for path in (home, *home.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        yield area


def owned(places, uid):
    """Return the files directly in some directories that a user owns."""
    return {path for place in places for path in place.iterdir() if path.lstat().st_uid == uid}


def processes(uid):
    """Return a user's processes that run; in a container, ended orphans may stay listed."""
    found = psutil.process_iter(["name", "uids", "status"])
    mine = (process.info for process in found if process.info["uids"].real == uid)
    return [info for info in mine if info["status"] != psutil.STATUS_ZOMBIE]


def usable_python(home):
    """Return the command of a Python that the other user can run, None when there is none."""
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"
    system = shutil.which(here, path="/usr/local/bin:/usr/bin")  # ours may be in root's home
    paths = os.pathsep.join([str(CHECKOUT), *filter(lambda p: "-packages" in p, sys.path)])
    clean = ["env", "-i", "PATH=/usr/bin:/bin", f"HOME={home}", f"PYTHONPATH={paths}"]
    for program in filter(None, (sys.executable, system)):
        words = [*USER, *clean, program, "-B"]
        needs = [*words, "-c", "import enoslib_nxc.config, enoslib, psutil, pytest"]
        if subprocess.run(needs, check=False, capture_output=True).returncode == 0:
            return words
    return None


def as_the_other_user(area, *words):
    """Run tests as the other user; check that they pass and leave nothing of that user's."""
    home = area / "home"
    python = usable_python(home)
    if python is None:
        pytest.skip(f"user {NOBODY} cannot run a Python with {sys.path}")
    foreign = [Path("/tmp"), CHECKOUT, Path.home()]
    before = owned(foreign, NOBODY)
    always = ["-m", "pytest", "-p", "no:cacheprovider", "-rA", f"--basetemp={home}/tmp"]
    ended = subprocess.run(
        [*python, *always, *words],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
        cwd=CHECKOUT,
    )
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert processes(NOBODY) == []
    assert owned(foreign, NOBODY) == before
    assert (home / ".local/share/enoslib-nxc/store/nix/store").is_dir()
    assert owned([home, *home.iterdir()], 0) == set()
    return ended.stdout


@pytest.mark.skipif(not ROOT, reason="the other tests run as this user")
@pytest.mark.parametrize(
    ("marked", "ended"),
    [
        ("not full", "5 passed, 1 skipped, 3 deselected"),
        pytest.param("", "6 passed, 3 skipped", marks=pytest.mark.full),
    ],
    ids=["most", "all"],
)
def test_as_an_ordinary_user(area, marked, ended):
    said = as_the_other_user(area, "-m", marked, __file__, f"{REFUSALS}::test_key_unreadable")
    assert ended in said


@pytest.mark.full
@pytest.mark.skipif(not ROOT, reason="the other tests run as this user")
def test_flavour_vm_as_an_ordinary_user(area):
    """The store that is shared is the user's own, and so are the files in it."""
    file = Path(__file__).with_name("test_vm.py")
    tests = (
        "test_roles_names_and_addresses",
        "test_the_store_is_the_one_here_and_cannot_be_changed",
        "test_a_directory_in_common",
        "test_no_more_is_shared_than_must_be",
        "test_destroy_leaves_nothing",
    )
    assert "5 passed" in as_the_other_user(area, *(f"{file}::{test}" for test in tests))
