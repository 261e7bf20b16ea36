"""Machines that keep their own system: how root comes in, what they are told, what is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from enoslib_nxc import inventory, own_system, reach, shell, ssh, stock
from enoslib_nxc.errors import CommandError, PlatformError, UnreachableError
from enoslib_nxc.model import Deployment, Entry, Reserved
from enoslib_nxc.own_system import Met, Told
from enoslib_nxc.shell import Result
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.state import Home
from tests.unit import factory

NODE = Reserved(node="n-1.lille.grid5000.fr", site="lille", job=1)
SAYS = "boot_id=1234\nkey=ssh-ed25519 AAAA\nkey=ssh-rsa BBBB\npython=/usr/bin/python3\n"
FIXED = "fixed=/etc/hosts\n" + SAYS


def deployment(**changes: object) -> Deployment:
    made = factory.deployment("server", "agent", state="up")
    entry = Entry(user="root", first_contact=True)
    update = {"stock": True, "flavour": "stock", "entry": entry, **changes}
    server = made.machines["server"].model_copy(update=update)
    return made.having({"server": server}).model_copy(update={"login": "ada"})


def asked(monkeypatch: pytest.MonkeyPatch, lets_in: str = "") -> list[tuple[Access, str]]:
    calls: list[tuple[Access, str]] = []

    def script(access: Access, text: str, **_more: object) -> Result:
        calls.append((access, text))
        way = " ".join([access.user, *access.root_by])
        if lets_in and way != lets_in:
            raise CommandError(
                "ssh failed", details="$ ssh ...\nPermission denied (publickey)."
            )
        return Result(("ssh",), 0, SAYS, "", 0.1)

    monkeypatch.setattr(ssh, "script", script)
    return calls


def ways(made: Deployment, home: Home) -> list[tuple[str, object]]:
    return [
        (" ".join([access.user, *access.root_by]), access.key)
        for access, _ in own_system.ways(made, home, "server")
    ]


def test_how_root_comes_in(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert ways(deployment(), home) == [("root", None)]
    key = Path("/home/u/lab")
    sudoer = deployment(entry=Entry(user="ada", key=key))
    assert ways(sudoer, home) == [("ada sudo -n", key)]
    extra = inventory.variables(reach.access(sudoer, home, "server"))
    assert extra["ansible_become"] is True
    assert ways(deployment(reserved=NODE), home) == [
        ("root", home.key),
        ("ada sudo-g5k", None),
    ]
    deployed = NODE.model_copy(update={"deploy": True})
    assert ways(deployment(reserved=deployed), home) == [("root", home.key), ("root", None)]


def test_root_is_made_by_the_words_given(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def run(words: list[str], **_more: object) -> Result:
        ran.append(words[-1])
        return Result(tuple(words), 0, "", "", 0.1)

    monkeypatch.setattr(shell, "run", run)
    access = Access("server", "192.0.2.1", 22, "ada", None, None)
    ssh.script(access, "id", timeout=1)
    ssh.script(replace(access, root_by=("sudo", "-n")), "id", timeout=1)
    assert ran == ["sh -s --", "sudo -n sh -s --"]


def test_the_next_way_is_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = asked(monkeypatch, lets_in="ada sudo-g5k")
    met = own_system.meet(deployment(reserved=NODE), Home(tmp_path), "server")
    assert (met.access.user, met.boot_id, met.python) == ("ada", "1234", "/usr/bin/python3")
    assert met.keys == ("ssh-ed25519 AAAA", "ssh-rsa BBBB")
    assert [access.user for access, _ in calls] == ["root", "ada"]
    with pytest.raises(UnreachableError) as caught:
        own_system.meet(deployment(), Home(tmp_path), "server")
    assert caught.value.brief == (
        "server (127.0.0.1) lets no root in: Permission denied (publickey)."
    )


def test_a_machine_that_cannot_be_told_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Found before it is told anything, and no reason to deploy a node."""
    monkeypatch.setattr(ssh, "script", lambda *_w, **_m: Result((), 0, FIXED, "", 0.1))
    with pytest.raises(PlatformError) as caught:
        own_system.meet(deployment(), Home(tmp_path), "server")
    assert not isinstance(caught.value, UnreachableError)
    assert str(caught.value) == (
        "server (127.0.0.1) cannot be told the names of the others: "
        "/etc/hosts is read-only there\n"
        '-> make it writable (on NixOS: environment.etc.hosts.mode = "0644";), '
        "or leave this machine out"
    )


def test_no_secret_is_on_a_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = asked(monkeypatch)
    made = deployment()
    met = own_system.meet(made, Home(tmp_path), "server")
    told = Told("192.0.2.1 server", ("server",), private="SECRET\n", public="ssh-x AAAA")
    own_system.join(made, met, told)
    access, text = calls[-1]
    assert "KEY=SECRET\n" in text
    assert "SECRET" not in " ".join(ssh.argv(access, "sh", "-s"))


def test_only_those_that_were_told_are_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = asked(monkeypatch)
    home = Home(tmp_path)
    assert own_system.leave(deployment(), home, ["server", "agent"], 10) == ()
    assert ["ACTION=leave" in text for _, text in calls] == [True]
    assert own_system.leave(deployment(state="planned"), home, ["server"], 10) == ()
    assert len(calls) == 1


def test_what_could_not_be_taken_back_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked(monkeypatch, lets_in="nobody")
    assert own_system.leave(deployment(), Home(tmp_path), ["server"], 10) == (
        "server (127.0.0.1) keeps names and key of the deployment, in lines marked enoslib-nxc "
        "test: Permission denied (publickey).",
    )


def test_the_host_keys_that_it_is_told(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.known_hosts.write_text("agent ssh-ed25519 CCCC\nelse ssh-ed25519 DDDD\n")
    access = Access("server", "192.0.2.1", 22, "root", None, None)
    met = Met(access, HostKey.PINNED, "1234", keys=("ssh-ed25519 AAAA",))
    assert stock.known_hosts(deployment(), home, {"stock": {"server": met}}) == (
        "server,192.168.1.1 ssh-ed25519 AAAA\nagent,192.168.1.2 ssh-ed25519 CCCC\n"
    )
