"""provider.phase(): names, hosts, failures, nesting, other processes."""

from __future__ import annotations

import pickle

import pytest
from enoslib.objects import Host, Networks, Roles

from enoslib_nxc import (
    NixOSCompose,
    NixOSComposeConf,
    deploy,
    history,
    hosts,
    prepare,
    runs,
    standing,
    state,
)
from enoslib_nxc.errors import NxcError, StateError
from enoslib_nxc.events import Event, Phase, Status, step
from enoslib_nxc.model import Reserved

from .factory import deployment


@pytest.fixture
def provider(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    conf = {"job_name": "mine", "roles": {"server": 1, "agent": 1}, "progress": "silent"}
    made = NixOSCompose(NixOSComposeConf.from_dictionary(conf))
    with state.claim("mine") as home, history.kept(home, made.settings) as noted:
        home.save(deployment("server", "agent").model_copy(update={"job_name": "mine"}))
        with step(noted, Phase.BOOT, "boot"):
            pass
    return made


def steps():
    return [each for each in history.read("mine")[-1].steps if each.user]


def test_a_phase_is_part_of_the_run(provider):
    again = pickle.loads(pickle.dumps(provider))
    with provider.phase("warm-up"), again.phase("Run"):
        pass
    assert [(each.phase, each.outcome) for each in steps()] == [
        ("run", "done"),
        ("warm-up", "done"),
    ]
    (run,) = provider.report().runs
    assert list(runs.columns([run])) == ["Boot", "Run", "warm-up"]


def test_what_fails_inside_goes_on(provider):
    with pytest.raises(ZeroDivisionError), provider.phase("run"):
        raise ZeroDivisionError("by zero")
    (failed,) = steps()
    assert (failed.outcome, failed.message) == ("failed", "ZeroDivisionError: by zero")
    assert provider.report().runs[0].failed == "run: ZeroDivisionError: by zero"


def test_a_phase_tells_what_it_does(provider):
    told: list[Event] = []
    with provider.phase("run", nodes=["server"], reporter=told.append):
        pass
    assert [(each.phase, each.status) for each in told] == [
        (Phase.RUN, Status.STARTED),
        (Phase.RUN, Status.DONE),
    ]
    assert told[0].message == "run on server"


@pytest.mark.parametrize(
    "nodes", ["agent", Host("10.0.0.2", alias="agent"), ["agent", Host("x", alias="agent")]]
)
def test_a_phase_of_some_hosts(provider, nodes):
    with provider.phase("load", nodes=nodes):
        pass
    assert [each.node for each in steps()] == ["agent"]


def test_a_phase_of_roles_and_of_nodes_of_a_testbed(provider):
    node = Reserved(node="dahu-1.grenoble.grid5000.fr", site="grenoble", job=1)
    made = deployment("server", "agent")
    machine = made.machines["server"].model_copy(update={"reserved": node})
    with state.claim("mine") as home:
        home.save(made.having({"server": machine}).model_copy(update={"job_name": "mine"}))
    dahu = Host(node.node, alias=node.node)
    with provider.phase(
        "load", nodes=Roles({"a": [dahu, Host("x", alias="agent")], "b": [dahu]})
    ):
        pass
    assert [each.node for each in steps()] == ["server", "agent"]


def test_hosts_that_are_none(provider):
    with (
        pytest.raises(StateError, match='deployment mine has no host "agnt"') as caught,
        provider.phase("load", nodes=["agnt"]),
    ):
        pytest.fail("it must not begin")
    assert "did you mean agent?" in caught.value.resolution


@pytest.mark.parametrize("name", ["", " run", "run ", "a" * 41, "[red]", "a\nb", "-x", None, 7])
def test_names_that_cannot_be(provider, name):
    with pytest.raises(NxcError, match="cannot be the name of a phase"), provider.phase(name):
        pytest.fail("it must not begin")


@pytest.mark.parametrize("name", ["boot", "Boot", "reserve", "destroy", "init", "fetch"])
def test_names_of_this_package(provider, name):
    with (
        pytest.raises(NxcError, match=f"phase {name} is one of enoslib-nxc"),
        provider.phase(name),
    ):
        pytest.fail("it must not begin")


@pytest.mark.parametrize("name", ["run", "provision", "warm-up", "phase 2", "échauffement"])
def test_names_that_can_be(provider, name):
    with provider.phase(name):
        pass
    assert [each.phase for each in steps()] == [name]


def test_without_a_deployment(provider):
    state.find("mine").remove()
    with pytest.raises(StateError, match="there is no deployment mine"), provider.phase("run"):
        pytest.fail("it must not begin")


def test_a_phase_shows_itself_as_lines(provider, capsys):
    conf = provider.provider_conf.set(progress="rich").finalize()
    with NixOSCompose(conf).phase("run"):
        pass
    assert "run       done in 0.0 s: run" in capsys.readouterr().err


def test_repetitions_add_up_over_destroy(provider, monkeypatch):
    assert history.forget("mine")
    state.find("mine").remove()
    made = deployment("server", "agent").model_copy(update={"job_name": "mine"})

    def prepared(_settings, _home, report, _source):
        with step(report, Phase.BUILD, "build the composition") as building:
            building.noop("as before")

    def deployed(_ready, home, report, *, force):
        home.save(made)
        with step(report, Phase.BOOT, "boot server, agent"):
            for host in made.machines:
                with step(report, Phase.BOOT, "start", subject=host):
                    pass
        return made

    monkeypatch.setattr(prepare, "prepare", prepared)
    monkeypatch.setattr(deploy, "deploy", deployed)
    monkeypatch.setattr(hosts, "to_roles", lambda *_: Roles())
    monkeypatch.setattr(hosts, "to_networks", lambda *_: Networks())
    monkeypatch.setattr(standing, "_released", lambda *_: ())
    for _ in range(5):
        with provider, provider.phase("run"):
            pass
    with pytest.raises(ZeroDivisionError), provider, provider.phase("run"):
        raise ZeroDivisionError
    assert provider.deployment is None
    report = provider.report()
    assert [run.machines for run in report.runs] == [2] * 6
    assert [run.failed for run in report.runs] == [""] * 5 + ["run: ZeroDivisionError"]
    assert [run.steps[-1].phase for run in report.runs] == ["destroy"] * 6
    (means,) = report.means
    assert {name: mean.count for name, mean in means.seconds.items()} == {
        "Build": 5,
        "Boot": 5,
        "Run": 5,
    }
    assert all(call.fresh for call in history.read("mine"))
