import shlex

import pytest
from packaging.requirements import Requirement

from enoslib_nxc import compat
from enoslib_nxc.presence.look import answer, question, words
from enoslib_nxc.presence.pip import joined, parse

TABLE = compat.table()


@pytest.mark.parametrize(
    ("asked", "missing", "names"),
    [
        # what a service asks for tells which it is
        (["tcpdump", "tmux"], ["tmux"], ["tcpdump"]),
        (["tcpdump", "tmux"], ["tcpdump"], ["tcpdump"]),
        (["curl", "python3-pip"], ["curl"], ["docker", "monitoring"]),
        # no name has both: those that have what is missing
        (["tcpdump", "sudo"], ["sudo"], ["dask"]),
        # and where none has all of it, none
        (["tcpdump", "htop"], ["tcpdump", "htop"], []),
        (["htop"], ["htop"], []),
        (["htop", "tmux"], ["htop"], []),
    ],
)
def test_names_that_bring_packages(asked, missing, names):
    assert TABLE.bring_packages(asked, missing) == names


def test_names_that_bring_packages_of_python_and_files():
    asked = ["docker", "requests"]
    assert TABLE.bring_python(asked, asked) == ["docker", "monitoring"]
    assert TABLE.bring_python(["locust"], ["locust"]) == ["locust"]
    assert TABLE.bring_file("/tmp/__enoslib_dstat__/dool") == ["dstat"]
    assert TABLE.bring_file("/tmp/x") == []


def test_by_what_a_package_is_seen():
    assert TABLE.seen("iproute2").commands == ("ip", "tc")
    assert TABLE.seen("htop").commands == ("htop",)
    assert TABLE.seen("python3-pip") == compat.Seen()


def test_each_package_that_is_no_command_is_in_the_table():
    """Those that the option brings and tasks of EnOSlib ask for: else they would be missed."""
    for needs in TABLE.names.values():
        for package in needs.debian or ():
            seen = TABLE.seen(package)
            assert seen in (compat.Seen(), TABLE.packages.get(package)) or {*seen.commands} <= {
                *needs.commands,
                "iptables",
            }


def test_what_to_do_is_told():
    assert compat.advice(["netem"], "agent", []) == (
        'add `enoslib.compat = [ "netem" ];` to role agent of the composition'
    )
    assert compat.advice(["a", "b"], "agent", ["netem", "dstat"]) == (
        "add one of a, b to `enoslib.compat` of role agent of the composition, or it alone to "
        "environment.systemPackages, which has: netem, dstat"
    )


def test_arguments_of_tasks():
    assert words(None) == []
    assert words("a, b,,c") == ["a", "b", "c"]
    assert words(["a,b", "c"]) == ["a", "b", "c"]
    assert joined("docker<7.1.0,>=5,requests<2.32") == ["docker<7.1.0,>=5", "requests<2.32"]
    assert joined(["docker<7.1.0", "./own", "/x"]) == ["docker<7.1.0", "./own", "/x"]
    assert parse(["a==1", "./own"]) == [Requirement("a==1"), "./own"]


def test_a_question_and_its_answer():
    script = question(commands=["a b"], files=["/x'y"], python=["docker"], program="/p y")
    first = script.splitlines()[0]
    assert shlex.split(first)[:3] == ["command", "-v", "a b"]
    assert "'/x'\"'\"'y'" in script
    assert "'/p y' -c" in script
    found = answer("command tmux\nfile /x\npython docker 5.0\nnoise\ninstalled netem\n\n")
    assert found.commands == {"tmux"}
    assert found.files == {"/x"}
    assert found.versions == {"docker": "5.0"}
    assert found.installed == ("netem",)
