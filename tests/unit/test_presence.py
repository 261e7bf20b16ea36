"""`apt`, `pip` and `get_url` on systems of ours, whose machine is a table here."""

from types import SimpleNamespace

import pytest
from ansible.plugins.action import normal

from enoslib_nxc.names import ROLE_VARIABLE
from enoslib_nxc.presence import apt, get_url, pip

OURS = {ROLE_VARIABLE: "agent"}


@pytest.fixture
def task(monkeypatch):
    """Return a function that runs a task on a machine that has some things."""
    monkeypatch.setattr(
        normal.ActionModule, "run", lambda *_args: {"changed": True, "msg": "Ansible's own"}
    )

    def run(module, has="", *, known=OURS, file=None, delegate_to=None, **args):
        def execute(script, **_more):
            if script.startswith("cat "):
                return {"rc": 0 if file is not None else 1, "stdout": file or ""}
            asked = [line for line in has.splitlines() if line.split()[1] in script]
            return {"rc": 0, "stdout": "\n".join(asked)}

        action = object.__new__(module.ActionModule)
        action._task = SimpleNamespace(args=args, async_val=9, delegate_to=delegate_to)
        action._low_level_execute_command = execute
        return action.run(None, known)

    return run


def test_what_is_there_is_well_and_what_is_not_is_named(task):
    there = task(apt, "command tmux", name="tmux")
    assert there == {"changed": False, "msg": "in the composition: tmux"}
    lacking = task(apt, "command tmux", name=["tmux", "tcpdump=4.99"])
    assert lacking["failed"]
    assert lacking["missing"] == ["tcpdump"]
    assert 'add `enoslib.compat = [ "tcpdump" ];` to role agent' in lacking["msg"]


@pytest.mark.parametrize("args", [{"update_cache": True}, {"name": "*", "state": "latest"}])
def test_updates_and_upgrades_have_nothing_to_do(task, args):
    assert task(apt, **args) == {"changed": False, "msg": "nothing to install"}


@pytest.mark.parametrize("file", ["/tmp/x.deb", "./x.deb"])
@pytest.mark.parametrize("key", ["name", "deb"])
def test_a_package_in_a_file_is_not_there(task, key, file):
    # the shell has a command `.`
    found = task(apt, "command .", **{key: file})
    assert found["failed"]
    assert found["missing"] == [file]


@pytest.mark.parametrize(
    ("module", "has"), [(apt, "command docker"), (pip, "python docker 5.0")]
)
def test_what_is_to_be_absent(task, module, has):
    away = task(module, name="docker", state="absent")
    assert away == {"changed": False, "msg": "not in the composition: docker"}
    here = task(module, has, name="docker", state="absent")
    assert here["failed"]
    assert "docker is part of the system" in here["msg"]


def test_versions_of_python_packages(task):
    has = "python docker 7.1.0\npython gpg 1.18.0-unknown"
    assert "warnings" not in task(pip, has, name=["docker>=7", "gpg"])
    found = task(pip, has, name=["docker<7.1.0", "gpg>=1"])
    assert "failed" not in found
    # a distribution's version need not be one of PyPI's
    assert found["warnings"] == [
        "docker<7.1.0 was asked for, the composition has 7.1.0",
        "gpg>=1 was asked for, the composition has 1.18.0-unknown",
    ]


def test_extras_are_part_of_a_name(task):
    found = task(pip, "python dask 2023.1", name="dask[array,distributed],docker")
    assert found["missing"] == ["docker"]


def test_requirements_of_a_file(task):
    text = "# what we need\n--index-url https://x\ndocker # the client\n"
    assert "failed" not in task(pip, "python docker 5.0", file=text, requirements="r.txt")
    assert task(pip, file=text, requirements="r.txt")["missing"] == ["docker"]


@pytest.mark.parametrize("line", ["-r more.txt", "-e ./mine", "--requirement=more.txt"])
def test_what_a_file_hands_on_is_not_passed_over(task, line):
    found = task(pip, file=f"docker\n{line}\n", requirements="r.txt")
    assert found["failed"]
    assert found["msg"] == (
        f"pip: ./r.txt has {line}, which is not looked into here: "
        "give a file that names its packages"
    )


def test_a_file_of_requirements_that_is_not_there(task):
    found = task(pip, requirements="r.txt", chdir="/srv")
    assert found == {"changed": False, "failed": True, "msg": "pip: cannot read /srv/r.txt"}


def test_files(task):
    dool = "/tmp/__enoslib_dstat__/dool"
    assert "failed" not in task(get_url, f"file {dool}", url="http://x", dest=dool)
    assert task(get_url, url="http://x", dest=dool)["missing"] == [dool]
    assert task(get_url, url="http://x", dest="/tmp/x")["msg"] == "Ansible's own"


def test_hosts_of_others_have_ansible_s_own(task):
    assert task(apt, name="tmux", known={})["msg"] == "Ansible's own"
    assert task(pip, name="docker", virtualenv="/v")["msg"] == "Ansible's own"


def test_it_is_the_host_that_a_task_is_delegated_to_which_counts(task):
    theirs = {**OURS, "ansible_delegated_vars": {"localhost": {}}}
    found = task(apt, name="tmux", known=theirs, delegate_to="localhost")
    assert found["msg"] == "Ansible's own"
    ours = {"ansible_delegated_vars": {"agent": {ROLE_VARIABLE: "server"}}}
    found = task(apt, name="tmux", known=ours, delegate_to="agent")
    assert "role server of the composition" in found["msg"]
