"""Which store is used on which machine, with which options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from enoslib_nxc.built import StoreMap
from enoslib_nxc.config_sections import Build
from enoslib_nxc.errors import BuildError
from enoslib_nxc.nix import substituters
from enoslib_nxc.nix.facts import Facts, parse_probe
from enoslib_nxc.nix.site import Site
from enoslib_nxc.nix.store import NixStore, decide

TOOLS = ("/bin", "/usr")
SANDBOX = ("--option", "sandbox-paths", "/bin /usr")
NO_GROUP = ("--option", "build-users-group", "")


def user(**changes: object) -> Facts:
    facts = {"nix": "/usr/bin/nix", "uid": 1000, "home": "/home/u", "data": "/home/u/d"}
    return Facts(**{**facts, "tools": TOOLS, **changes})  # type: ignore[arg-type]


def root(**changes: object) -> Facts:
    return user(uid=0, home="/root", data="/root/d", owner=True, **changes)


def test_root_without_build_users() -> None:
    store = decide(Build(), root())
    assert store.map == StoreMap()
    assert store.options == (*NO_GROUP, *SANDBOX)
    assert store.env == {}


def test_root_with_build_users_needs_nothing() -> None:
    assert decide(Build(), root(nixbld=True)).options == ()


def test_what_the_user_configured_stays() -> None:
    assert decide(Build(), root(settings={"build-users-group": "mine"})).options == ()
    configured = root(settings={"sandbox-paths": ["/bin/sh=/x", "/opt"]})
    assert decide(Build(), configured).options == NO_GROUP


@pytest.mark.parametrize(
    "paths",
    [["/bin/sh=/usr/bin/bash-static"], {"/bin/sh": {"source": "/usr/bin/bash-static"}}],
    ids=["2.26", "2.34"],
)
def test_the_shell_that_nix_was_compiled_with_is_no_configuration(paths: object) -> None:
    store = decide(Build(), root(settings={"sandbox-paths": paths}))
    assert store.options == (*NO_GROUP, *SANDBOX)


@pytest.mark.parametrize(
    "facts",
    [user(daemon=True), user(owner=True), user(settings={"store": "daemon"})],
    ids=["daemon", "owner of the store", "configured"],
)
def test_a_user_who_can_use_the_usual_store(facts: Facts) -> None:
    store = decide(Build(), facts)
    assert store.map.root == Path("/")
    assert store.options == ()


def test_a_user_without_daemon_gets_a_store_of_their_own() -> None:
    store = decide(Build(), user())
    assert store.map.root == Path("/home/u/d/enoslib-nxc/store")
    assert store.options == ("--option", "store", "/home/u/d/enoslib-nxc/store", *SANDBOX)
    assert store.env == {"XDG_CACHE_HOME": "/home/u/d/enoslib-nxc/store/cache"}


def test_a_store_that_the_user_configured_in_nix_is_mapped() -> None:
    assert decide(Build(), user(settings={"store": "/scratch/s"})).map.root == Path(
        "/scratch/s"
    )


def test_build_store_comes_first() -> None:
    store = decide(Build(store=Path("/s")), user(daemon=True))
    assert store.map.root == Path("/s")
    store = decide(Build(store=Path("~/s")), root())
    assert store.map.root == Path("/root/s")
    assert store.options == ("--option", "store", "/root/s", *NO_GROUP, *SANDBOX)
    assert decide(Build(store=Path("s")), user()).map.root == Path.cwd() / "s"


def test_a_relative_store_elsewhere_is_in_the_home_there() -> None:
    far = Site("far", wrap=list)
    assert decide(Build(store=Path("s")), user(), site=far).map.root == Path("/home/u/s")


def test_no_store_without_user_namespaces() -> None:
    with pytest.raises(BuildError) as caught:
        decide(Build(), user(userns=False), site=Site("far", wrap=list))
    assert caught.value.brief == (
        "no Nix store can be used on far: there is no daemon, and user namespaces, which the "
        "store /home/u/d/enoslib-nxc/store needs, are switched off"
    )
    assert decide(Build(), user(userns=False, daemon=True)).map.root == Path("/")


def test_probe_output_is_read() -> None:
    config = {
        "store": {"value": "auto", "defaultValue": "auto"},
        "sandbox-paths": {"value": ["/x"], "defaultValue": []},
        "substituters": {"value": ["https://c"], "defaultValue": ["https://c"]},
        "odd": 3,
    }
    text = (
        "nix=/usr/bin/nix\nversion=nix (Nix) 2.8.0\nuid=7\nhome=/h\ndata=/h/d\ndaemon=1\n"
        f"nouserns=1\ntools=/bin\ntools=/usr\nconfig={json.dumps(config)}\n"
    )
    facts = parse_probe(text)
    assert facts == Facts(
        nix="/usr/bin/nix",
        version="2.8.0",
        uid=7,
        home="/h",
        data="/h/d",
        daemon=True,
        userns=False,
        tools=("/bin", "/usr"),
        settings={"sandbox-paths": ["/x"]},
        substituters=("https://c",),
    )


def test_probe_without_nix_and_with_a_configuration_that_cannot_be_read() -> None:
    assert parse_probe("") is None
    facts = parse_probe("nix=/n\nuid=1\nhome=/h\ndata=/d\nconfig=\n")
    assert facts is not None
    assert facts.settings == {}
    assert facts.substituters == ()


def test_argv_of_nix_programs() -> None:
    store = NixStore(options=("--option", "store", "/s"), bin_dir="/opt/bin")
    assert store.argv("nix-store", "--add-fixed", "sha256", "f") == [
        "/opt/bin/nix-store", "--option", "store", "/s", "--add-fixed", "sha256", "f",
    ]  # fmt: skip
    assert store.argv("nix", "eval")[:3] == [
        "/opt/bin/nix", "--extra-experimental-features", "nix-command flakes",
    ]  # fmt: skip
    assert NixStore().argv("nix-store", "-l") == ["nix-store", "-l"]


def test_argv_on_another_machine_carries_the_environment() -> None:
    def wrap(argv: Sequence[str]) -> list[str]:
        return ["ssh", "far", *argv]

    far = Site("far", wrap)
    assert far.argv(["nix"], {"A": "1"}) == ["ssh", "far", "env", "A=1", "nix"]
    assert far.argv(["nix"]) == ["ssh", "far", "nix"]
    assert Site().argv(["nix"], {"A": "1"}) == ["nix"]


def test_substituters_without_a_name_are_left_out_and_others_stay() -> None:
    urls = ["https://cache.example", "https://gone.example/x?priority=1", "daemon", "/mnt/s"]
    assert substituters.options(urls, resolve=lambda host: host != "gone.example") == (
        "--option",
        "substituters",
        "https://cache.example daemon /mnt/s",
    )
    assert substituters.options(urls, resolve=lambda _: True) == ()
    assert substituters.options(["daemon"], resolve=lambda _: False) == ()
    assert substituters.options([], resolve=lambda _: False) == ()
    assert substituters.options(["http://a"], resolve=lambda _: False)[-1] == ""


def test_root_without_user_namespaces_builds_without_a_sandbox() -> None:
    facts = Facts(nix="/usr/bin/nix", uid=0, owner=True, userns=False, tools=("/usr",))
    store = decide(Build(), facts)
    assert store.options[-3:] == ("--option", "sandbox", "false")
    assert "sandbox-paths" not in store.options
