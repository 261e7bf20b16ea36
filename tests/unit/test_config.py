from __future__ import annotations

import pickle

import pytest
from jsonschema import Draft202012Validator

from enoslib_nxc.config import Settings
from enoslib_nxc.config_errors import load_settings
from enoslib_nxc.errors import ConfigError

ONE = {"roles": {"server": 1}}


def refused(given: dict[object, object], **more: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(given, **more)
    return str(caught.value)


def test_the_design_s_dictionary() -> None:
    roles = {"server": 1, "agent": {"nodes": 40, "tags": ["compute"]}, "db": ["alpha", "beta"]}
    settings = load_settings({"roles": roles})
    assert settings.roles["server"].machines == 1
    assert settings.roles["agent"].tags == ("compute",)
    assert settings.roles["db"].machines == ("alpha", "beta")
    assert settings.flavour == "vm-ramdisk"
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize("empty", [None, {}])
def test_a_role_may_leave_its_size_to_the_composition(empty: object) -> None:
    assert load_settings({"roles": {"server": empty}}).roles["server"].machines is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {},
            "roles: missing\n-> role -> count, host names, or a full description; "
            "one role at least",
        ),
        (
            {"roles": {}},
            "roles: empty\n-> role -> count, host names, or a full description; "
            "one role at least",
        ),
        (
            {"roles": ["server"]},
            'roles: ["server"] is not a mapping\n-> role -> count, host names, or a full '
            "description; one role at least",
        ),
        (
            {"roles": {"agent": {"node": 2}}},
            "unknown key roles.agent.node\n-> did you mean nodes?",
        ),
        (ONE | {"flavor": "x"}, "unknown key flavor\n-> did you mean flavour?"),
        (ONE | {"vm": {"mem": 512}}, "unknown key vm.mem\n-> did you mean memory?"),
        (ONE | {"retries": {"zzz": 1}}, "unknown key retries.zzz\n-> known keys: boot, push"),
        (
            {"roles": {"a": 0}},
            "roles.a.nodes: 0 is less than 1\n-> number of machines, 1 to 10000",
        ),
        (
            {"roles": {"a": -3}},
            "roles.a.nodes: -3 is less than 1\n-> number of machines, 1 to 10000",
        ),
        (
            {"roles": {"a": 10**9}},
            "roles.a.nodes: 1000000000 is more than 10000\n-> number of machines, 1 to 10000",
        ),
        (
            {"roles": {"a": True}},
            "roles.a: true is neither a count, nor host names, nor a mapping",
        ),
        (
            {"roles": {"a": "x"}},
            'roles.a: "x" is neither a count, nor host names, nor a mapping',
        ),
        (
            {"roles": {"a": {"nodes": True}}},
            "roles.a.nodes: true is not a whole number\n-> number of machines, 1 to 10000",
        ),
        (
            {"roles": {"a": {"nodes": "2"}}},
            'roles.a.nodes: "2" is not a whole number\n-> number of machines, 1 to 10000',
        ),
        ({"roles": {"a": []}}, "roles.a.hosts: empty\n-> host names, instead of nodes"),
        (
            {"roles": {"a": {"nodes": 1, "hosts": ["b"]}}},
            "roles.a: give nodes or hosts, not both",
        ),
        ({"roles": {"a": ["x", "X"]}}, 'roles.a: host name "X" is given twice'),
        (
            {"roles": {"node": 2, "other": ["node1"]}},
            'roles.other: host name "node1" is already taken by role node\n'
            "-> give one of them other names with hosts",
        ),
        (
            {"roles": {"my_role": 2}},
            'roles.my_role: "my_role2" is not a host name (letters, digits and inner hyphens, '
            "not digits alone, at most 63)\n-> name its hosts: roles.my_role.hosts",
        ),
        (
            {"roles": {"a": ["x.y"]}},
            'roles.a.hosts[0]: "x.y" is not a host name (letters, digits and inner hyphens, '
            "not digits alone, at most 63)",
        ),
        (
            {"roles": {"a": ["localhost"]}},
            'roles.a.hosts[0]: "localhost" is what each machine calls itself',
        ),
        (
            {"roles": {"a": {"nodes": 2, "min": 3}}},
            "roles.a.min: 3 is more than the role has (2)",
        ),
        (
            {"roles": {"a": 1, "b": 2}, "min": 4},
            "min: 4 is more than all roles have together (3)",
        ),
        ({"roles": {2: 1}}, "roles: the key 2 is not text\n-> quote it in YAML"),
        (
            ONE | {"job_name": "../up"},
            'job_name: "../up" is not allowed\n-> name under which it is found again; it names '
            "a directory: letters, digits, . _ and -, at most 64, a letter or digit first",
        ),
        (ONE | {"vm": {"network": "10.0.0.0/8"}}, 'vm.network: "10.0.0.0/8" is not a /24'),
        (
            ONE | {"vm": {"network": "here"}},
            'vm.network: "here" is not an IPv4 network\n-> the network shared by the machines, '
            "a /24 such as 192.168.1.0/24",
        ),
        (
            ONE | {"vm": {"accel": "kvn"}},
            "vm.accel: \"kvn\" is not one of 'auto', 'kvm' or 'tcg'\n"
            "-> auto: KVM where a trial boot works, else TCG",
        ),
        (
            ONE | {"deadlines": {"boot": 0}},
            "deadlines.boot: 0 is not more than 0\n-> s, from the start of the machines until "
            "each answers under its role; 1800 with g5k-image when absent",
        ),
        (
            ONE | {"kernel_params": "quiet a\nb"},
            'kernel_params: "quiet a\\nb" holds control characters',
        ),
        (
            ONE | {"parameters": {"x": [1]}},
            "parameters.x: [1] is not text, a number, true or false",
        ),
        (
            ONE | {"parameters": {"x": float("nan")}},
            "parameters.x: NaN is not text, a number, true or false",
        ),
        (
            ONE | {"ssh": {"user": "-oProxyCommand=x"}},
            'ssh.user: "-oProxyCommand=x" is not allowed\n-> remote user',
        ),
        (
            ONE | {"build": {"on": "ssh://there:70000"}},
            'build.on: "ssh://there:70000": port 70000 is not between 1 and 65535',
        ),
        (
            ONE | {"vm": {"on": ["ssh://there:22", "ssh://there:0"]}},
            'vm.on[1]: "ssh://there:0": port 0 is not between 1 and 65535',
        ),
        (
            ONE | {"build": {"on": "there"}},
            'build.on: "there" is not allowed\n'
            '-> "local", or ssh://[USER@]HOST[:PORT] that has Nix',
        ),
        (
            ONE | {"ssh": {"key": "~no-such-user/k"}},
            'ssh.key: "~no-such-user/k" is in no user\'s home',
        ),
    ],
)
def test_one_mistake(given: dict[object, object], message: str) -> None:
    assert refused(given) == message


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (
            "deploy=http://x",
            "deploy is reserved\n-> it tells each machine where its deployment is",
        ),
        ("role=x", "role is reserved\n-> the deployment gives each machine its role"),
        ("ip=dhcp", "ip is reserved\n-> it gives each machine its address"),
        ("hosts=1#a", "hosts is reserved\n-> the deployment gives the hosts"),
        ("init=/bin/sh", "init is reserved\n-> the role's system gives it"),
        (
            "ssh_key.pub:QQ",
            "ssh_key.pub is reserved\n-> the deployment gives the keys; see ssh.key",
        ),
    ],
)
def test_reserved_kernel_parameters(word: str, reason: str) -> None:
    assert refused(ONE | {"kernel_params": f"quiet {word}"}) == f"kernel_params: {reason}"


def test_kernel_parameters_that_only_resemble_ours() -> None:
    words = "quiet ipv6.disable=1 rdinit=/x console=ttyS0,115200"
    assert load_settings(ONE | {"kernel_params": words}).kernel_params == words


def test_several_mistakes_together() -> None:
    given = {
        "roles": {"agent": {"node": 1}, "server": 0},
        "vm": {"memory": "2G"},
        "flavour": "vm-ramdsk",
    }
    assert refused(given, flavours=["vm-ramdisk", "docker"]) == (
        "4 mistakes in the configuration\n"
        "  unknown key roles.agent.node -> did you mean nodes?\n"
        "  roles.server.nodes: 0 is less than 1 -> number of machines, 1 to 10000\n"
        '  vm.memory: "2G" is not a whole number -> MiB for each machine\n'
        '  flavour: "vm-ramdsk" is not a flavour of this version -> did you mean vm-ramdisk? '
        "known flavours: vm-ramdisk, docker"
    )


def test_unlike_any_flavour() -> None:
    assert refused(ONE | {"flavour": "aws"}, flavours=["vm-ramdisk"]) == (
        'flavour: "aws" is not a flavour of this version\n-> known flavours: vm-ramdisk'
    )


def test_bad_hosts_are_told_once() -> None:
    assert refused({"roles": {"a": [1]}}) == (
        "roles.a.hosts[0]: 1 is not text\n-> host names, instead of nodes"
    )


def test_yaml_reads_on_as_true() -> None:
    settings = load_settings(ONE | {"build": {True: "ssh://me@there:22"}})
    assert settings.build.on == "ssh://me@there:22"


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/u")
    assert str(load_settings(ONE | {"ssh": {"key": "~/k"}}).ssh.key) == "/home/u/k"


@pytest.mark.parametrize("role", [2, ["a", "b"], None, {"nodes": 2, "tags": ["t"]}])
def test_the_schema_takes_every_form_of_a_role(role: object) -> None:
    Draft202012Validator(Settings.model_json_schema()).validate({"roles": {"a": role}})


@pytest.mark.parametrize("role", [0, "x", [], {"node": 2}])
def test_the_schema_refuses_what_is_refused(role: object) -> None:
    validator = Draft202012Validator(Settings.model_json_schema())
    assert not validator.is_valid({"roles": {"a": role}})
