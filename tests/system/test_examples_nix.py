"""The examples for those who have nixpkgs, as far as that can be checked without it."""

from __future__ import annotations

import ast
import json
import runpy
import shutil
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import enoslib as en
import pytest

from enoslib_nxc import NixOSComposeConf, shell
from enoslib_nxc.config_sections import Build
from enoslib_nxc.flavours import FLAVOURS
from enoslib_nxc.names import host_names
from enoslib_nxc.nix import setup_toml

EXAMPLES = Path(__file__).parents[2] / "examples"
FAKE = Path(__file__).with_name("fake_nixpkgs.nix")
NAMES = ["k3s", "mpi", "slurm"]

# Options of NixOS 25.05 (nixos/modules) and of NXC 0.7.11 (nix/flavours/shared/nxc.nix); those
# that end in a dot are sets with names of one's own.
OPTIONS = (Path(__file__).parents[1] / "data" / "nixos-options.txt").read_text().split()

# calls of NixOS's test driver that NXC's scripts use
CALLS = {
    "succeed",
    "fail",
    "systemctl",
    "copy_from_host",
    "wait_for_unit",
    "wait_for_open_port",
    "wait_until_succeeds",
}


@cache
def evaluated(name, flavour="vm-ramdisk", variant=""):
    evaluate = ["nix-instantiate", "--store", "dummy://", "--eval", "--strict", "--json", FAKE]
    words = ["--arg", "directory", EXAMPLES / name]
    words += ["--argstr", "flavour", flavour, "--argstr", "variant", variant]
    return json.loads(shell.run([*evaluate, *words], timeout=60).stdout)


def options(module: Mapping[str, object], path: str = "") -> Iterator[str]:
    """Yield the options that a module sets."""
    for key, value in module.items():
        name = f"{path}{key}"
        if f"{name}." in OPTIONS or name in OPTIONS or not isinstance(value, dict):
            yield name
        else:
            yield from options(value, f"{name}.")


@pytest.mark.parametrize("name", NAMES)
def test_roles_set_options_that_there_are(name):
    for role, modules in evaluated(name)["roles"].items():
        used = {option for module in modules for option in options(module)}
        assert {o for o in used if o not in OPTIONS and f"{o}." not in OPTIONS} == set(), role
        assert '"python3' in json.dumps(modules), f"{role} has no Python for Ansible"


@pytest.mark.parametrize("name", NAMES)
def test_the_configuration_goes_with_the_composition_on_every_flavour(name, monkeypatch):
    monkeypatch.chdir(EXAMPLES / name)
    conf = NixOSComposeConf.from_file("conf.yaml")
    for flavour in FLAVOURS:
        settings = conf.set(flavour=flavour).finalize().settings
        roles, distribution = map(evaluated(name, flavour).get, ("roles", "rolesDistribution"))
        assert set(settings.roles) == set(roles) == set(distribution)
        for role, given in settings.roles.items():
            assert given.machines in (None, distribution[role])


@pytest.mark.parametrize(
    ("name", "variant", "role"),
    [("k3s", "many", "agent"), ("mpi", "many", "node"), ("slurm", "large", "node")],
)
def test_variants(name, variant, role):
    assert setup_toml.resolve(Build(setup=variant), EXAMPLES / name).overlay
    distribution = evaluated(name, variant=variant)["rolesDistribution"]
    assert distribution == {**evaluated(name)["rolesDistribution"], role: 16}


def test_slurm_names_the_nodes_that_there_are():
    for variant, line in [("", "node[1-2] CPUs=1"), ("large", "node[1-16] CPUs=32")]:
        common, _ = evaluated("slurm", variant=variant)["roles"]["node"]
        assert common["services"]["slurm"]["nodeName"] == [f"{line} State=UNKNOWN"]


def test_what_differs_in_containers():
    assert evaluated("mpi")["extraVolumes"] == []
    assert evaluated("mpi", "nspawn")["extraVolumes"] == ["/var/tmp/nxc-users:/users"]
    assert evaluated("k3s", "docker")["dockerPorts"] == {"server": ["127.0.0.1:6443:6443"]}
    for flavour, native in [("docker", True), ("g5k-ramdisk", False)]:
        flags = evaluated("k3s", flavour)["roles"]["agent"][1]["services"]["k3s"]["extraFlags"]
        assert ("--snapshotter native" in flags) is native


@pytest.mark.parametrize("name", NAMES)
def test_test_scripts_name_machines_and_calls_that_there_are(name):
    script = ast.parse(evaluated(name)["testScript"])
    known = {"start_all"}
    for role, size in evaluated(name)["rolesDistribution"].items():
        known.update(host_names(role, size))
    words = [node for node in ast.walk(script) if isinstance(node, ast.Name)]
    known |= {word.id for word in words if isinstance(word.ctx, ast.Store)}
    assert {word.id for word in words} <= known
    calls = {node.attr for node in ast.walk(script) if isinstance(node, ast.Attribute)}
    assert calls - {"count"} <= CALLS


MPIRUN = (
    "su - alice -c 'mpirun --hostfile hosts --mca pml ob1 --mca btl tcp,self --mca "
    "btl_tcp_if_include 10.0.0.0/24 --mca oob_tcp_if_include 10.0.0.0/24 python3 latency.py'"
)


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("k3s", [("hello 3", ["server"])]),
        ("mpi", [("systemctl start mpi-home", ["node1", "node2"]), (MPIRUN, ["node1"])]),
        (
            "slurm",
            [
                ("systemctl start slurmctld", ["server"]),
                ("timeout 900 srun --nodes 1 --job-name server study serve 4", ["frontend"]),
                (
                    "sleep 10; sacct --allocations --format JobName,State,NodeList,Elapsed",
                    ["frontend"],
                ),
            ],
        ),
    ],
)
def test_scripts_run_on_the_flavour_asked_for(name, commands, monkeypatch, capsys):
    distribution = evaluated(name)["rolesDistribution"]
    names = {role: host_names(role, size) for role, size in distribution.items()}
    roles, number = en.Roles(), count(1)
    for role, hosts in sorted(names.items()):
        for host in hosts:
            roles.add_one(en.Host(f"10.0.0.{next(number)}", alias=host), [role])
    networks = en.Networks(nxc=[en.DefaultNetwork("10.0.0.0/24")])
    provider, actions = MagicMock(), MagicMock()
    provider.return_value.__enter__.return_value = (roles, networks)
    ran = []

    def run_command(command, roles):
        ran.append((command, [host.alias for host in roles]))
        return [SimpleNamespace(stdout=f"said {len(ran)}")]

    monkeypatch.chdir(EXAMPLES / name)
    monkeypatch.setattr(sys, "argv", ["experiment.py", "g5k-ramdisk"])
    monkeypatch.setattr(en, "NixOSCompose", provider)
    monkeypatch.setattr(en, "run_command", run_command)
    monkeypatch.setattr(en, "actions", actions)
    runpy.run_path("experiment.py", run_name="__main__")
    (conf,) = provider.call_args.args
    assert conf.finalize().settings.flavour == "g5k-ramdisk"
    assert ran == commands
    assert f"said {len(ran)}" in capsys.readouterr().out
    copies = actions.return_value.__enter__.return_value.copy.call_args_list
    hostfile = {"content": "10.0.0.1 slots=1\n10.0.0.2 slots=1\n", "dest": "/users/alice/hosts"}
    assert [copy.kwargs for copy in copies][1:] == ([hostfile] if name == "mpi" else [])


def test_scripts_have_right_types():
    scripts = [*EXAMPLES.glob("*/experiment.py"), EXAMPLES / "slurm" / "study.py"]
    assert len(scripts) == len(NAMES) + 1
    # they are modules of one name each, in directories that are no packages
    mypy = [sys.executable, "-m", "mypy", "--explicit-package-bases", "--namespace-packages"]
    shell.run([*mypy, *scripts], cwd=EXAMPLES.parent, timeout=300)


def program(directory: Path, name: str, text: str) -> None:
    (directory / name).write_text(text)
    (directory / name).chmod(0o755)


def test_the_study_submits_its_clients(tmp_path, monkeypatch):
    program(
        tmp_path,
        "sbatch",
        '#!/bin/sh\nenv | grep -q ^SLURM_ && exit 1\necho "$*" > "$0.log"\n'
        'for command in "$@"; do :; done\n'
        'for i in 1 2 3; do sh -c "$command" & done > /dev/null\n',
    )
    text = (EXAMPLES / "slurm" / "study.py").read_text()
    program(tmp_path, "study", f"#!{sys.executable}\n{text}")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    said = shell.run([tmp_path / "study", "serve", "3"], timeout=60).stdout
    assert said.startswith("3 clients, pi is about 3.1")
    assert "--array=1-3" in (tmp_path / "sbatch.log").read_text()


def test_hello_reads_a_page_of_each_pod(tmp_path, monkeypatch):
    pods = [
        {"spec": {"nodeName": f"agent{i}"}, "status": {"podIP": f"10.42.{i}.2"}} for i in (1, 2)
    ]
    (tmp_path / "pods").write_text(json.dumps({"items": pods}))
    program(
        tmp_path,
        "k3s",
        '#!/bin/sh\necho "$*" >> "$0.log"\ncase "$2 $3" in\n'
        '"get nodes") printf "agent1 Ready\\nagent2 Ready\\nagent3 NotReady\\n" ;;\n'
        f'"get pods") cat {tmp_path}/pods ;;\nesac\n',
    )
    program(tmp_path, "curl", '#!/bin/sh\nfor url in "$@"; do :; done\necho "of $url"\n')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    bash = shutil.which("bash")
    said = shell.run([bash, EXAMPLES / "k3s" / "hello.sh", "2"], timeout=60).stdout
    pages = [f"agent{i}: of http://10.42.{i}.2:8000/hostname" for i in (1, 2)]
    assert said.splitlines() == pages
    assert "kubectl apply -f /etc/hello.json" in (tmp_path / "k3s.log").read_text()
