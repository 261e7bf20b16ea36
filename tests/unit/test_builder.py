from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest
from enoslib.config import config_context
from enoslib.infra.configuration import BaseConfiguration

from enoslib_nxc.builder import NixOSComposeConf
from enoslib_nxc.errors import ConfigError
from enoslib_nxc.machine_conf import MachineConfiguration

FULL = {
    "composition": "./k3s",
    "job_name": "k3s",
    "parameters": {"x": 1, "y": "two", "z": True},
    "vm": {"memory": 1024, "network": "10.1.2.0/24"},
    "ssh": {"key": "~/.ssh/id_ed25519"},
    "build": {"nix_flags": ["--impure"]},
    "min": 2,
    "roles": {
        "server": 1,
        "agent": {"nodes": 40, "tags": ["compute"], "min": 38, "memory": 256, "cores": 2},
        "db": ["alpha", "beta"],
        "lb": {},
    },
    "networks": [{"roles": ["private", "lan"]}],
}


def make() -> NixOSComposeConf:
    return NixOSComposeConf().add_machine(roles=["server"])


def message(caught: pytest.ExceptionInfo[ConfigError]) -> str:
    return str(caught.value)


def test_it_is_an_enoslib_configuration() -> None:
    assert isinstance(make(), BaseConfiguration)


def test_round_trip() -> None:
    conf = NixOSComposeConf.from_dictionary(FULL)
    assert conf.to_dict() == FULL
    assert json.loads(json.dumps(conf.to_dict())) == FULL
    assert NixOSComposeConf.from_dictionary(conf.to_dict()).settings == conf.settings


def test_objects_become_plain_data() -> None:
    conf = make().set(composition=Path("./k3s"), build={"nix_flags": ("a",)})
    assert conf.to_dict() == {
        "composition": "./k3s",
        "build": {"nix_flags": ["a"]},
        "roles": {"server": {}},
    }


def test_enoslib_s_form() -> None:
    conf = NixOSComposeConf.from_dictionary(
        {
            "job_name": "x",
            "resources": {
                "machines": [
                    {"roles": ["server"], "nodes": 1},
                    {"roles": ["agent", "compute"], "nodes": 2},
                ],
                "networks": [{"roles": ["private"]}],
            },
        }
    )
    assert conf.to_dict() == {
        "job_name": "x",
        "roles": {"server": 1, "agent": {"nodes": 2, "tags": ["compute"]}},
        "networks": [{"roles": ["private"]}],
    }
    assert conf.settings.networks[0].roles == ("private",)


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        ([], "resources: [] is not a mapping"),
        (
            {"machines": {}},
            "roles: empty\n-> role -> count, host names, or a full description; "
            "one role at least",
        ),
        ({"machines": ["x"]}, 'resources.machines[0]: "x" is not a mapping'),
        ({"machines": "x"}, 'resources.machines: "x" is not a list'),
        ({"machine": []}, "resources: unknown key machine\n-> did you mean machines?"),
        (
            {"machines": [{"roles": ["a"], "node": 1}]},
            "resources.machines[0]: unknown key node\n-> did you mean nodes?",
        ),
        (
            {"machines": [{"roles": ["a"], "nodes": 0}]},
            "resources.machines[0].nodes: 0 is less than 1\n-> number of machines, 1 to 10000",
        ),
        (
            {"machines": [{"roles": [], "nodes": 1}, {"roles": ["a"], "hosts": []}]},
            "2 mistakes in the configuration\n"
            "  resources.machines[0]: [] names no role -> "
            'roles=["ROLE"]; the first is the composition\'s, others are tags\n'
            "  resources.machines[1].hosts: empty -> host names, instead of nodes",
        ),
        (
            {"machines": [{"roles": ["a"]}], "networks": [{}]},
            "resources.networks[0]: null names no role",
        ),
    ],
)
def test_faulty_resources(resources: object, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        NixOSComposeConf.from_dictionary({"resources": resources})
    assert message(caught) == text


def test_resources_beside_roles() -> None:
    with pytest.raises(ConfigError) as caught:
        NixOSComposeConf.from_dictionary({"resources": {"machines": []}, "roles": {"a": 1}})
    assert message(caught) == "resources: give resources or roles, not both"


def test_from_settings() -> None:
    conf = NixOSComposeConf.from_settings(flavour="vm-ramdisk", vm={"cores": 2})
    assert conf.add_machine(roles=["a"], nodes=2).finalize().settings.vm.cores == 2


def test_methods_change_it_and_return_it() -> None:
    conf = make()
    assert conf.set(job_name="x") is conf
    assert conf.add_machine(role="b", nodes=2) is conf
    assert conf.add_network(roles=["n"]) is conf
    assert conf.finalize() is conf
    assert conf.finalize() is conf
    assert conf.job_name == "x"


def test_first_role_is_the_composition_s_others_are_tags() -> None:
    conf = NixOSComposeConf().add_machine(roles=["agent", "compute"], tags=["x"], nodes=2)
    role = conf.finalize().settings.roles["agent"]
    assert (role.nodes, role.tags) == (2, ("compute", "x"))


def test_a_role_added_twice_grows() -> None:
    conf = NixOSComposeConf()
    conf.add_machine(roles=["a"], nodes=2, min=1).add_machine(roles=["a"], nodes=3)
    conf.add_machine(roles=["b"], hosts=["x"]).add_machine(roles=["b"], hosts=["y"])
    conf.add_machine(roles=["c"]).add_machine(roles=["c"])
    assert conf.to_dict()["roles"] == {"a": {"nodes": 5, "min": 4}, "b": ["x", "y"], "c": 2}


@pytest.mark.parametrize(
    ("second", "text"),
    [
        (
            {"roles": ["a", "t"], "memory": 99},
            "roles.a: described twice, with other tags and memory\n"
            "-> describe it once, or alike; a role of the composition has one description",
        ),
        ({"roles": ["a"], "hosts": ["h"]}, "roles.a: described by nodes and by hosts"),
    ],
)
def test_descriptions_of_a_role_that_do_not_fit(second: dict[str, object], text: str) -> None:
    conf = NixOSComposeConf().add_machine(roles=["a"], nodes=1)
    before = conf.to_dict()
    with pytest.raises(ConfigError) as caught:
        conf.add_machine(**second)
    assert message(caught) == text
    assert conf.to_dict() == before


@pytest.mark.parametrize(
    ("machine", "text"),
    [
        (
            {"roles": ["a"], "site": "grenoble"},
            "add_machine: unknown key site\n"
            "-> the cluster, or the names of the servers, tell it",
        ),
        (
            {"roles": ["a"], "number": 2},
            "add_machine: unknown key number\n-> did you mean nodes?",
        ),
        (
            {"roles": ["a"], "flavour_desc": {"core": 1}},
            "add_machine: unknown key flavour_desc\n-> a machine has memory (MiB) and cores",
        ),
        (
            {"nodes": 1},
            'add_machine: null names no role\n-> roles=["ROLE"]; the first is the '
            "composition's, others are tags",
        ),
        (
            {"roles": [1]},
            'add_machine: [1] names no role\n-> roles=["ROLE"]; the first is the '
            "composition's, others are tags",
        ),
        ({"roles": ["a"], "role": "a"}, "add_machine: give role or roles, not both"),
        (
            {"roles": ["a"], "nodes": True},
            "roles.a.nodes: true is not a whole number\n-> number of machines, 1 to 10000",
        ),
    ],
)
def test_faulty_machines(machine: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        NixOSComposeConf().add_machine(**machine)
    assert message(caught) == text


def test_machine_objects() -> None:
    conf = NixOSComposeConf().add_machine_conf(MachineConfiguration(roles=["a"], nodes=2))
    assert conf.to_dict() == {"roles": {"a": 2}}


def test_machine_objects_need_a_role() -> None:
    with pytest.raises(ConfigError) as caught:
        NixOSComposeConf().add_machine_conf(MachineConfiguration(nodes=1))
    assert message(caught) == "add_machine_conf: roles is empty"


def test_networks_have_no_other_keys() -> None:
    with pytest.raises(ConfigError) as caught:
        make().add_network(roles=["x"], mtu=9000)
    assert message(caught) == (
        "add_network: unknown key mtu\n-> known keys: roles, id, type, site"
    )


def test_machines_and_networks_of_grid5000() -> None:
    conf = make()
    lan = conf.add_network(roles=["lan"], id="lan", type="kavlan", site="lille").networks[-1]
    conf.add_machine(roles=["db", "fast"], cluster="chiclet", nodes=2, primary_network=lan)
    conf.add_machine(roles=["db", "fast"], cluster="chiclet", primary_network="lan")
    settings = conf.finalize().settings
    assert settings.networks[0].model_dump() == {
        "roles": ("lan",),
        "id": "lan",
        "type": "kavlan",
        "site": "lille",
    }
    db = settings.roles["db"]
    assert (db.nodes, db.cluster, db.primary_network) == (3, "chiclet", "lan")
    again = NixOSComposeConf.from_dictionary(conf.to_dict())
    assert again.settings == settings


def test_named_nodes_make_the_count() -> None:
    servers = [f"chiclet-{i}.lille.grid5000.fr" for i in (3, 1)]
    conf = NixOSComposeConf.from_dictionary({"roles": {"db": {"servers": servers}}})
    assert conf.settings.roles["db"].machines == 2
    conf.add_machine(roles=["db"], servers=["chiclet-9.lille.grid5000.fr"])
    assert conf.finalize().settings.roles["db"].machines == 3


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"flavor": "x"}, "unknown key flavor\n-> did you mean flavour?"),
        (
            {"roles": {"a": 0}},
            "roles.a.nodes: 0 is less than 1\n-> number of machines, 1 to 10000",
        ),
        ({"job_name": "x", "networks": 3}, "networks: 3 is not a list"),
    ],
)
def test_set_refuses(kwargs: dict[str, object], text: str) -> None:
    conf = make()
    with pytest.raises(ConfigError) as caught:
        conf.set(**kwargs)
    assert message(caught) == text
    assert conf.to_dict() == {"roles": {"server": {}}}


def test_set_replaces_and_takes_back() -> None:
    conf = make().set(vm={"cores": 2}, job_name="x", roles={"a": 2})
    assert conf.to_dict() == {"vm": {"cores": 2}, "job_name": "x", "roles": {"a": 2}}
    conf.set(vm=None, job_name=None)
    assert conf.to_dict() == {"roles": {"a": 2}}


def test_roles_as_an_attribute() -> None:
    conf = make()
    conf.roles = {"a": 2}
    assert conf.roles == {"a": 2}
    with pytest.raises(TypeError):
        conf.roles["b"] = 1  # would be lost


@pytest.mark.parametrize("key", ["machines", "settings", "to_dict", "_checked", 1])
def test_keys_that_would_break_the_builder(key: object) -> None:
    with pytest.raises(ConfigError, match=r"unknown key|keys should be strings"):
        NixOSComposeConf.from_dictionary({"roles": {"a": 1}, key: None})


def test_a_mistyped_attribute_is_found() -> None:
    conf = make()
    conf.flavor = "docker"
    with pytest.raises(ConfigError) as caught:
        conf.finalize()
    assert message(caught) == "unknown key flavor\n-> did you mean flavour?"


def test_changes_invalidate_the_settings() -> None:
    conf = make()
    with pytest.raises(ConfigError, match="has not been checked since it changed"):
        _ = conf.settings
    first = conf.finalize().settings
    conf.machines.append(MachineConfiguration(roles=["b"]))
    with pytest.raises(ConfigError) as caught:
        _ = conf.settings
    assert message(caught) == (
        "the configuration has not been checked since it changed\n-> call finalize()"
    )
    assert list(first.roles) == ["server"]
    assert list(conf.finalize().settings.roles) == ["server", "b"]


def test_unknown_flavour() -> None:
    with pytest.raises(ConfigError) as caught:
        make().set(flavour="vm-ramdsk").finalize()
    assert message(caught).startswith(
        'flavour: "vm-ramdsk" is not a flavour of this version\n-> did you mean vm-ramdisk?'
    )


def test_validation_may_wait() -> None:
    conf = NixOSComposeConf.from_dictionary({"roles": {"a": 1}, "vm": {"x": 1}}, validate=False)
    with pytest.raises(ConfigError) as caught:
        conf.finalize()
    assert message(caught).startswith("unknown key vm.x\n")


def test_no_mapping() -> None:
    with pytest.raises(ConfigError) as caught:
        NixOSComposeConf.from_dictionary(["a"])  # type: ignore[arg-type]
    assert message(caught) == 'the configuration is ["a"], not a mapping'


@pytest.mark.parametrize("finalized", [True, False])
def test_copies(finalized: bool) -> None:
    conf = NixOSComposeConf.from_dictionary(FULL)
    if not finalized:
        conf.set(job_name="other")
    for twin in (copy.deepcopy(conf), pickle.loads(pickle.dumps(conf))):
        assert twin.to_dict() == conf.to_dict()
        assert twin.finalize().settings == conf.finalize().settings
        twin.add_machine(roles=["new"])
        assert "new" not in conf.to_dict()["roles"]


def test_what_was_given_is_not_shared() -> None:
    given = {"roles": {"a": 1}, "vm": {"cores": 2}}
    conf = NixOSComposeConf.from_dictionary(given)
    given["vm"]["cores"] = 3
    assert conf.settings.vm.cores == 2


def test_repr() -> None:
    shown = repr(NixOSComposeConf.from_dictionary({"roles": {"a": 1}}))
    assert shown == "NixOSComposeConf.from_dictionary({'roles': {'a': 1}})"


def test_html() -> None:
    conf = NixOSComposeConf.from_dictionary(FULL)
    page = conf._repr_html_()
    assert "<div" in page
    assert "NixOSComposeConf" in page
    assert "alpha" in page
    with config_context(display="text"):
        assert conf._repr_html_() == repr(conf)


def test_schema() -> None:
    schema = NixOSComposeConf.json_schema()
    assert schema == NixOSComposeConf._SCHEMA
    assert "roles" in schema["properties"]
    json.dumps(schema)


def test_yaml(tmp_path: Path) -> None:
    file = tmp_path / "conf.yaml"
    file.write_text("roles: {server: 1, agent: {nodes: 2}}\nbuild: {on: local}\nvm:\n")
    conf = NixOSComposeConf.from_file(file)
    assert conf.settings.roles["agent"].nodes == 2


def test_json(tmp_path: Path) -> None:
    file = tmp_path / "conf.json"
    file.write_text('{\t"roles": {"server": 1}}')
    assert NixOSComposeConf.from_file(str(file)).to_dict() == {"roles": {"server": 1}}


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        (
            "c.yaml",
            b"roles: {a: 1\n  ]",
            "line 2, column 3: not YAML: expected ',' or '}', but got ']'",
        ),
        (
            "c.yaml",
            b"roles:\n  a: 1\n  a: 2\n",
            "line 3, column 3: not YAML: key a is given twice",
        ),
        (
            "c.yaml",
            b"- a\n",
            "line 1, column 1: not a mapping\n"
            "-> write KEY: VALUE lines, such as roles: {server: 1}",
        ),
        ("c.yaml", b"\xff", "not UTF-8 text (byte 0)"),
        ("c.json", b'{"a" 1}', "line 1, column 6: not JSON: expecting ':' delimiter"),
        (
            "c.yaml",
            b"roles: {a: {node: 1}}",
            "unknown key roles.a.node\n-> did you mean nodes?",
        ),
    ],
)
def test_faulty_files(tmp_path: Path, name: str, content: bytes, text: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        NixOSComposeConf.from_file(file)
    assert message(caught) == f"{file}: {text}"


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        NixOSComposeConf.from_file(tmp_path / "no.yaml")
    assert message(caught) == f"{tmp_path}/no.yaml: cannot be read: no such file or directory"
