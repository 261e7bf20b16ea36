"""The doctor, templates, and pages for notebooks."""

from __future__ import annotations

import sys
from pathlib import Path

import enoslib
import pytest
from click.testing import CliRunner, Result
from enoslib.config import config_context

from enoslib_nxc import NixOSComposeConf, account, cli, doctor, listed, scaffold
from enoslib_nxc.commands.init import TEMPLATES
from enoslib_nxc.config import Settings
from enoslib_nxc.config_sections import Ssh
from enoslib_nxc.doctor import checks
from enoslib_nxc.doctor.model import ok, warning
from enoslib_nxc.errors import ToolMissingError

from .factory import deployment


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def healthy(monkeypatch) -> pytest.MonkeyPatch:
    """Have every check find that all is well."""
    names = ("versions", "programs", "virtual_machines", "docker_daemon", "grid5000", "tmux")
    for name in names:
        monkeypatch.setattr(checks, name, lambda: ok("fine"))
    for name in ("nix_store", "ssh_keys", "kvm", "nspawn"):
        monkeypatch.setattr(checks, name, lambda _given: ok("fine"))
    monkeypatch.setattr(doctor, "_of_flavour", lambda _row, _settings: lambda: ok("fine"))
    return monkeypatch


def lacks(*_given: object):
    raise ToolMissingError(
        "it is not installed", details="$ it\nfirst\nlast", resolution="apt-get install it"
    )


def test_all_is_well(healthy):
    done = run("doctor")
    assert done.exit_code == 0
    assert all(line.startswith("ok ") for line in done.stdout.splitlines())


def test_what_is_not_needed_does_not_count(healthy, tmp_path):
    healthy.setattr(checks, "docker_daemon", lacks)
    conf = tmp_path / "conf.yaml"
    conf.write_text("roles: {server: 1}\n")
    done = run("doctor", conf)
    assert done.exit_code == 0
    assert (
        "missing  docker: it is not installed: first; last  (not needed)\n"
        "         -> apt-get install it\n"
    ) in done.stdout


def test_what_the_flavour_lacks_is_not_called_needless(healthy, tmp_path):
    healthy.setattr(doctor, "_of_flavour", lambda _row, _settings: lacks)
    healthy.setattr(checks, "docker_daemon", lacks)
    conf = tmp_path / "conf.yaml"
    conf.write_text("roles: {server: 1}\n")
    assert "not needed" not in run("doctor", conf).stdout


def test_a_check_that_may_not_look_does_not_end_the_others(healthy):
    def denied():
        raise PermissionError(13, "Permission denied", "/there")

    healthy.setattr(checks, "tmux", denied)
    done = run("doctor")
    assert done.exit_code == 0
    assert "missing  tmux: [Errno 13] Permission denied: '/there'\n" in done.stdout


def test_what_is_needed_counts(healthy, tmp_path):
    healthy.setattr(doctor, "_of_flavour", lambda _row, _settings: lacks)
    conf = tmp_path / "conf.yaml"
    conf.write_text("roles: {server: 1}\n")
    assert run("doctor", conf).exit_code == 3
    assert run("doctor").exit_code == 0
    healthy.setattr(checks, "nix_store", lacks)
    assert run("doctor").exit_code == 3
    assert run("doctor", "--flavour", "docker").exit_code == 2


def test_a_warning_does_not_count(healthy):
    healthy.setattr(checks, "ssh_keys", lambda _given: warning("none", "ssh-keygen"))
    assert run("doctor").exit_code == 0


def test_keys_that_others_may_read(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(checks.ssh, "agent_keys", lambda: None)
    assert checks.ssh_keys(Ssh()).remedy == "ssh-keygen -t ed25519"
    key = tmp_path / ".ssh" / "id_ed25519"
    key.parent.mkdir()
    key.write_text("secret")
    key.chmod(0o640)
    told = checks.ssh_keys(Ssh())
    assert (told.state, told.remedy) == ("warning", f"chmod go-rwx {key}")


def test_versions_that_do_not_go_together(monkeypatch):
    assert checks.versions().state == "ok"
    monkeypatch.setitem(checks.SUPPORTED, "enoslib", ("99.0", "100"))
    told = checks.versions()
    assert told.state == "missing"
    assert told.remedy == "pip install 'enoslib>=99.0,<100'"


def test_the_list_of_enoslib():
    assert (listed.SHORT, listed.NAME, "") in enoslib.PROVIDERS
    assert sys.modules[f"enoslib.infra.{listed.NAME}.provider"] is listed
    listed.enlist()
    assert sum(entry[0] == listed.SHORT for entry in enoslib.PROVIDERS) == 1


def test_the_check_of_enoslib(healthy):
    healthy.setattr(checks, "docker_daemon", lacks)
    rows = {subject: (state, hint) for subject, state, hint in listed.check()}
    assert rows["docker"] == (False, "apt-get install it")
    assert rows["nix"] == (True, "fine")
    assert "grid5000" not in rows


def test_templates(monkeypatch, tmp_path):
    assert set(TEMPLATES) == set(scaffold.names())
    for template in TEMPLATES:
        directory = tmp_path / f"my {template}"
        assert run("init", directory, "--template", template).exit_code == 0
        monkeypatch.chdir(directory)
        conf = NixOSComposeConf.from_file("conf.yaml")
        assert conf.settings.job_name == f"my-{template}"
        assert set(conf.settings.roles) == {"server", "agent"}
        assert Path("composition/flake.nix").is_file()
        compile(Path("experiment.py").read_text(), "experiment.py", "exec")


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "conf.yaml").write_text("mine")
    done = run("init", tmp_path)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {tmp_path}/conf.yaml: there already")
    assert [path.name for path in tmp_path.iterdir()] == ["conf.yaml"]


@pytest.mark.parametrize(
    ("directory", "name"), [("a b", "a-b"), (".hidden", "hidden"), ("é", "my-experiment")]
)
def test_names_of_projects(tmp_path, directory, name):
    assert scaffold.job_name(tmp_path / directory) == name


def test_pages_show_whole_values_and_escape_them():
    made = deployment("server", "agent", state="up")
    toplevel = made.artifacts.roles["server"].toplevel
    bad = made.model_copy(update={"job_name": "<script>"})
    conf = NixOSComposeConf.from_dictionary(
        {"roles": {"server": 1}, "parameters": {"<i>": "<script>"}}
    )
    with config_context(display="html"):
        report = account.of(bad)
        pages = [page._repr_html_() for page in (bad, report, conf)]
    assert toplevel in pages[1]
    for page in pages:
        assert "<script>" not in page
        assert "&lt;script&gt;" in page
    assert "<i>" not in pages[2]


def test_a_configuration_says_which_flavour_is_looked_at(monkeypatch):
    settings = Settings.model_validate({"roles": {"server": {"nodes": 1, "flavour": "docker"}}})
    looked, needed = doctor._checks(settings)
    assert next(iter(looked)) == "flavour docker"
    assert {"flavour docker", "nix"} <= needed
