import base64
import hashlib
import json

from enoslib_nxc import context
from tests.unit import factory


def _make(**changes):
    made = factory.deployment("server", "agent1", "agent2")
    given = {
        "authorized": ["ssh-ed25519 A me", "ssh-rsa B you"],
        "user": "root",
        "parameters": {},
    }
    return context.make(made.artifacts, made.plan, made.machines, **{**given, **changes})


def test_document_has_what_stage_1_reads():
    document = json.loads(_make(parameters={"n": 3}).text)
    assert document == {
        "ssh_key.pub": "ssh-ed25519 A me\nssh-rsa B you",
        "deployment": {
            "192.168.1.1": {"role": "server", "host": "server"},
            "192.168.1.2": {"role": "agent", "host": "agent1"},
            "192.168.1.3": {"role": "agent", "host": "agent2"},
        },
        "all": {"kernel": "/nix/store/k/kernel", "initrd": "/nix/store/i/initrd"},
        "compositions_info_path": "/nix/store/compositions-info.json",
        "composition": "composition",
        "user": "root",
        "parameters": {"n": 3},
    }


def test_hosts_digest_is_of_the_file_that_stage_1_writes():
    text = "192.168.1.1 server\n192.168.1.2 agent1\n192.168.1.3 agent2\n"
    assert _make().hosts_digest == hashlib.sha256(text.encode()).hexdigest()


def test_inline_decodes_to_the_document():
    made = _make()
    word = context.inline(made)
    assert word.startswith("deploy=")
    assert base64.b64decode(word.removeprefix("deploy=")).decode() == made.text


def test_command_line_limit_is_that_of_x86():
    assert context.fits("x" * 2047)
    assert not context.fits("x" * 2048)


def test_command_line_carries_the_identity():
    line = context.command_line(factory.identity("server"), "console=ttyS0", "", "deploy=x")
    assert line == f"console=ttyS0 deploy=x nxc.id={'d' * 16}"


def test_digest_tells_each_part_apart():
    base = {"parameters": {"a": 1}, "kernel_params": "quiet", "shape": {"memory": 512}}
    variants = [
        base,
        {**base, "parameters": {"a": 2}},
        {**base, "parameters": {}},
        {**base, "kernel_params": ""},
        {**base, "shape": {"memory": 513}},
    ]
    digests = {context.digest(**variant) for variant in variants}
    assert len(digests) == len(variants)
    assert all(len(digest) == 16 for digest in digests)


def test_digest_does_not_depend_on_the_order_of_parameters():
    first = context.digest(parameters={"a": 1, "b": 2}, kernel_params="", shape={})
    second = context.digest(parameters={"b": 2, "a": 1}, kernel_params="", shape={})
    assert first == second
