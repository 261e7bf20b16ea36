"""Tasks that install something, by EnOSlib's Ansible, on this computer under two names.

`ours` passes for a machine that runs a composition's system, `debian` for any other host. No
machine is needed: what is asked of one is what it has in its PATH and in its Python.
"""

from __future__ import annotations

import sys

import enoslib as en
import pytest
from enoslib.errors import EnosFailedHostsError

import enoslib_nxc
from enoslib_nxc import presence
from enoslib_nxc.names import ROLE_VARIABLE
from tests.system import lab

DOOL = "/tmp/__enoslib_dstat__/dool"


def host(alias, **extra):
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    return en.Host("127.0.0.1", alias=alias, extra={**here, **extra})


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # EnOSlib writes its plays to where it runs
    return [host("ours", **{ROLE_VARIABLE: "agent"}), host("debian")]


def run(hosts, task, /, **arguments):
    """Run a task; return its result on each host by name, failed or not."""
    with en.actions(roles=hosts, gather_facts=False, on_error_continue=True) as play:
        getattr(play, task)(**arguments)
    return {one.host: one for one in play.results}


def refused(hosts, task, **arguments):
    """Return what is said on our system, where a task fails as a user sees it fail."""
    with (
        pytest.raises(EnosFailedHostsError) as caught,
        en.actions(roles=hosts[:1], gather_facts=False) as play,
    ):
        getattr(play, task)(**arguments)
    (record,) = caught.value.hosts
    return record.payload["msg"]


def test_packages_that_are_there(hosts):
    result = run(hosts[:1], "apt", name=["tmux", "python3-pip"], update_cache="yes")["ours"]
    assert result.status == "OK"
    assert result.payload["msg"] == "in the composition: tmux, python3-pip"
    assert result.payload["changed"] is False
    result = run(hosts[:1], "apt", update_cache="yes")["ours"]
    assert (result.status, result.payload["msg"]) == ("OK", "nothing to install")


@pytest.mark.parametrize(
    ("task", "arguments", "message"),
    [
        (
            "apt",
            {"name": "no-such-program, tmux=3.3a-3"},
            "apt: no-such-program is not in the system that this host runs, and nothing can "
            "be installed there: add it to environment.systemPackages of role agent of the "
            "composition",
        ),
        (
            "apt",
            {"name": "tmux", "state": "absent"},
            "apt: tmux is part of the system that this host runs: take it out of role agent "
            "of the composition",
        ),
        (
            "apt",
            {"deb": "/root/x.deb"},
            "apt: /root/x.deb is not in the system that this host runs, and nothing can be "
            "installed there: add it to environment.systemPackages of role agent of the "
            "composition",
        ),
        (
            "pip",
            {"name": "locust"},
            "pip: locust is not in the system that this host runs, and nothing can be "
            'installed there: add `enoslib.compat = [ "locust" ];` to role agent of the '
            "composition",
        ),
        (
            "get_url",
            {"url": "https://localhost/", "dest": DOOL},
            f"get_url: {DOOL} is not in the system that this host runs, and nothing can be "
            'installed there: add `enoslib.compat = [ "dstat" ];` to role agent of the '
            "composition",
        ),
    ],
)
def test_what_is_not_there_is_named(hosts, task, arguments, message):
    assert refused(hosts, task, **arguments) == message


def test_a_version_that_was_not_asked_for_is_told(hosts, tmp_path):
    (tmp_path / "requirements.txt").write_text(
        "# both are here\npackaging # any\n--no-index\npydantic<1,>=0.1\n"
    )
    result = run(hosts[:1], "pip", requirements="requirements.txt", chdir=str(tmp_path))["ours"]
    assert (result.status, result.payload["msg"]) == (
        "OK",
        "in the composition: packaging, pydantic",
    )
    (warning,) = result.payload["warnings"]
    assert warning.startswith("pydantic<1,>=0.1 was asked for, the composition has 2.")


def test_a_file_that_names_another_one(hosts, tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("packaging\n-r other\n")
    told = run(hosts[:1], "pip", requirements=str(file))["ours"]
    assert told.status == "FAILED"
    assert f"{file} has -r other, which is not looked into here" in told.payload["msg"]


def test_other_hosts_of_the_same_play_have_ansible_s_own_modules(hosts):
    results = run(hosts, "pip", name="packaging")
    assert results["ours"].payload["msg"] == "in the composition: packaging"
    there = results["debian"]
    assert there.status == "OK"
    assert "pip" in str(there.payload["cmd"])
    assert any("already satisfied" in line for line in there.payload["stdout_lines"])


def test_what_ansible_s_own_module_says_is_the_same(hosts):
    """By arguments that its apt refuses on the host itself, so that nothing is installed."""
    said = []
    for name in ("apt", "ansible.builtin.apt"):
        play = {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [{"name": "it", name: {"name": "tmux", "deb": "/nowhere.deb"}}],
        }
        (result,) = en.run_play(play, roles=hosts[1:], on_error_continue=True)
        assert result.status == "FAILED"
        said.append({key: result.payload[key] for key in ("msg", "invocation", "changed")})
    assert said[0] == said[1]
    assert said[0]["msg"] == "parameters are mutually exclusive: deb|package|upgrade"


def test_ansible_s_own_module_by_its_full_name_is_never_ours(hosts):
    play = {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.apt": {"name": "tmux", "deb": "/nowhere.deb"}}],
    }
    (result,) = en.run_play(play, roles=hosts[:1], on_error_continue=True)
    assert result.payload["msg"] == "parameters are mutually exclusive: deb|package|upgrade"


def test_a_library_of_one_s_own_stays_in_force():
    """ANSIBLE_LIBRARY, as its users set it: their apt runs on hosts that are not ours."""
    done = lab.python(
        f"""
        import os, sys, tempfile
        from pathlib import Path

        home = tempfile.TemporaryDirectory()
        os.chdir(home.name)
        os.environ["ANSIBLE_LIBRARY"] = home.name
        Path("apt.py").write_text('''#!/usr/bin/python3
        import json
        print(json.dumps({{"changed": False, "msg": "an apt of one's own"}}))
        '''.replace("        ", ""))
        import enoslib as en, enoslib_nxc
        here = {{"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
        hosts = [
            en.Host("127.0.0.1", alias="ours", extra={{**here, "{ROLE_VARIABLE}": "agent"}}),
            en.Host("127.0.0.1", alias="debian", extra=here),
        ]
        with en.actions(roles=hosts, gather_facts=False) as play:
            play.apt(name="tmux")
        print({{one.host: one.payload["msg"] for one in play.results}})
        """
    )
    assert done.stdout.splitlines()[-1] == str(
        {"debian": "an apt of one's own", "ours": "in the composition: tmux"}
    ) or done.stdout.splitlines()[-1] == str(
        {"ours": "in the composition: tmux", "debian": "an apt of one's own"}
    )


def test_it_is_active_with_the_import():
    assert enoslib_nxc.presence is presence
    from ansible.plugins.loader import action_loader

    for name in ("apt", "pip", "get_url"):
        found = action_loader.find_plugin(name)
        assert found == str(presence.DIRECTORY / f"{name}.py")
    assert action_loader.find_plugin("ansible.builtin.apt") is None
