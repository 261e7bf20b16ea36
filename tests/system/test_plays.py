"""A user's own playbook, run once a machine is up."""

from __future__ import annotations

import os

import pytest

from enoslib_nxc.errors import BootError
from tests.system import lab

FLAVOUR = "nspawn" if os.getuid() == 0 else "vm-ramdisk"
"""What a machine is does not matter to a playbook after its boot: root has it quickly."""

TUNE = """
- hosts: compute
  gather_facts: false
  tasks:
    - name: tell who was here
      copy: {content: "{{ inventory_hostname }}", dest: /root/played}
- hosts: nobody
  tasks: [{fail: {}}]
"""

BROKEN = """
- hosts: all
  gather_facts: false
  tasks: [{name: stumble, fail: {msg: over the threshold}}]
"""


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    files = tmp_path_factory.mktemp("playbooks")

    def make(text):
        file = files / "tune.yml"
        file.write_text(text)
        role = {"agent": {"nodes": 1, "tags": ["compute"]}}
        return lab.provider("plays", role, flavour=FLAVOUR, playbooks={"after": [str(file)]})

    yield make
    make(TUNE).destroy()


def test_after_the_boot(make):
    made = make(TUNE)
    made.init()
    assert lab.on(made, "agent", "cat /root/played") == "agent"
    boots = lab.boot_ids(made)
    lab.on(made, "agent", "rm /root/played")
    made.init()
    assert lab.on(made, "agent", "cat /root/played") == "agent"
    assert lab.boot_ids(made) == boots


def test_one_that_fails(make):
    made = make(BROKEN)
    with pytest.raises(BootError) as caught:
        made.init()
    assert caught.value.brief.endswith("tune.yml failed on agent")
    assert "over the threshold" in caught.value.details
