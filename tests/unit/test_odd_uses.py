"""The command line where a user's world is odd: pipes, stray files, links, a job that waits."""

from __future__ import annotations

import sys
from pathlib import Path

import enoslib as en
import pytest
from click.testing import CliRunner, Result

from enoslib_nxc import NixOSCompose, NixOSComposeConf, cli, execo, health, shell, state, tasks
from enoslib_nxc.config_file import read
from enoslib_nxc.errors import ConfigError, StateError
from enoslib_nxc.machine import Hosted
from enoslib_nxc.scaffold import write

from .factory import deployment


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def waiting() -> None:
    """A deployment whose machines have not been had yet."""
    with state.claim("waiting") as home:
        made = deployment("server", "agent1")
        home.save(made.model_copy(update={"job_name": "waiting", "machines": {}}))


def test_what_has_no_machine_yet_is_not_as_planned(waiting):
    done = run("status")
    assert done.exit_code == 3
    assert done.stdout.count("it has no machine yet") == 2
    home = state.find("waiting")
    record = home.load()
    assert execo._reached(record, home) == {}


def test_a_virtual_machine_on_a_host_is_not_on_this_computer():
    machine = deployment("server").machines["server"]
    assert health.place(machine) == "this computer"
    hosted = Hosted(name="vmhost1", mtu=1400, port=4789)
    assert health.place(machine.model_copy(update={"hosted": hosted})) == "vmhost1"


def test_a_full_disk_takes_help_too(monkeypatch):
    def full(*_args, **_given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("click.decorators.echo", full)
    done = run("--help")
    assert (done.exit_code, done.stderr) == (1, "error: [Errno 28] No space left on device\n")


def test_a_table_where_standard_output_is_closed(monkeypatch):
    from enoslib_nxc.commands import show

    monkeypatch.setattr(sys, "stdout", None)
    show.table(("a", "b"), [("1", "2")])


def test_a_plan_has_no_blanks_at_the_ends_of_lines(here):
    write(here, "embedded")
    done = run("plan", "conf.yaml")
    assert "agent2" in done.stdout
    assert [line for line in done.stdout.splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e300", "0", "0.04"])
@pytest.mark.parametrize("words", [["exec", "all", "true"], ["status"], ["test", "conf.yaml"]])
def test_times_that_no_clock_has(here, words, seconds):
    (here / "conf.yaml").touch()
    done = run(*words, "--timeout", seconds)
    assert done.exit_code == 2
    assert "'--timeout'" in done.stderr


def test_what_is_no_deployment_among_them(waiting):
    (state.state_root() / "stray").touch()
    assert run("list").stdout == "waiting\tvm-ramdisk\tnone up\n"
    assert run("status").exit_code == 3


def test_a_record_that_cannot_be_read():
    home = state.Home(state.state_root() / "odd")
    home.record.mkdir(parents=True)
    with pytest.raises(
        StateError, match=r"the record of deployment odd cannot be read: .*/odd"
    ):
        home.load()
    home.record.rmdir()
    home.record.write_bytes(b"\xff")
    with pytest.raises(StateError, match=r"cannot be read: .*: not text"):
        home.load()


def test_completion_says_nothing_of_what_it_cannot_read(monkeypatch):
    def denied(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", denied)
    for command, name in (("exec", "where"), ("status", "job")):
        made = cli.main.commands[command]
        (parameter,) = [each for each in made.params if each.name == name]
        ctx = made.make_context(command, [], resilient_parsing=True)
        assert parameter.shell_complete(ctx, "") == []


def test_a_reservation_of_nothing():
    done = run("walltime", "nothing")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (
        1,
        "error: there is no deployment nothing",
    )


def test_flavours_of_sources_are_known(here):
    done = run("fetch", here, "--flavour", "vm-ramdsk")
    assert done.exit_code == 2
    assert "vm-ramdsk" in done.stderr


@pytest.mark.parametrize("name", ["42", "2026-11-28", "no", "null"])
def test_projects_whose_names_yaml_takes_for_something_else(here, name):
    for template in ("embedded", "nixpkgs"):
        write(here / template / name, template)
        conf = NixOSComposeConf.from_file(here / template / name / "conf.yaml")
        assert conf.settings.job_name == name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("roles: &a [*a]", "an alias (*) is part of what it stands for"),
        ("roles: 1\n? [a]\n: b", "line 2, column 3: not YAML: a key is a list or a mapping"),
    ],
)
def test_yaml_that_python_cannot_have(here, text, told):
    file = here / "conf.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(file)
    assert caught.value.brief == f"{file}: {told}"


def test_several_machines_need_a_terminal(monkeypatch):
    monkeypatch.setattr(shell, "become", lambda _line: pytest.fail("tmux was started"))
    monkeypatch.setattr("enoslib_nxc.terminal.panes", lambda *_a, **_g: ["tmux"])
    monkeypatch.setattr("os.isatty", lambda _number: False)
    with state.claim("mine") as home:
        home.save(deployment("server", "agent").model_copy(update={"job_name": "mine"}))
    done = run("connect")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: several machines are shown in a terminal, and ")


@pytest.fixture
def brought_up(monkeypatch, here) -> Path:
    monkeypatch.setattr(
        NixOSCompose, "init", lambda _self, **_given: (en.Roles(), en.Networks())
    )
    conf = here / "conf.yaml"
    conf.write_text("job_name: one\nroles: {server: 1}\n")
    return conf


def test_a_link_to_an_environment_that_was_removed_is_made_anew(here, brought_up):
    Path("current").symlink_to("removed")
    assert run("up", brought_up).exit_code == 0
    assert tasks.current(None) == "one"


def test_a_module_that_ends_the_program_when_it_is_imported(here, brought_up, monkeypatch):
    (here / "script.py").write_text("class Value: pass\n")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(here)
    import script  # type: ignore[import-not-found]

    assert run("up", brought_up).exit_code == 0
    env = tasks.load(None)
    env["value"] = script.Value()
    env.dump()
    monkeypatch.delitem(sys.modules, "script")
    (here / "script.py").write_text("import sys\nsys.exit('usage: script.py')\n")
    done = run("status")
    assert done.exit_code == 1
    assert "cannot be read: SystemExit: usage: script.py" in done.stderr
