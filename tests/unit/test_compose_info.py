"""Both generations of NXC's compose info, and what is said about files that are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enoslib_nxc import compose_info
from enoslib_nxc.built import Artifacts, RoleImage, StoreMap
from enoslib_nxc.errors import ArtifactError

FLAVOUR = {
    "name": "vm-ramdisk",
    "description": "VM",
    "image": {"distribution": "all-in-one", "type": "ramdisk"},
}


def tree(**changes: object) -> dict[str, object]:
    info: dict[str, object] = {
        "flavour": FLAVOUR,
        "system": "x86_64-linux",
        "compositions_info_path": "/nix/store/c-compositions-info.json",
        "compositions_info": {
            "composition": {
                "test_script": "/nix/store/t-test-script",
                "all_store_info": "/nix/store/a-all-store-info",
                "roles_distribution": {"server": 1, "agent": ["a1", "a2"]},
                "roles": {"server": "/nix/store/s-sys", "agent": "/nix/store/g-sys"},
            }
        },
        "all": {
            "kernel": "/nix/store/k/bzImage",
            "initrd": "/nix/store/i/initrd",
            "stage1": "/nix/store/1",
            "qemu_script": "/nix/store/q",
            "count": 3,
        },
        "new_key_of_nxc_0_9": [1, 2],
    }
    return {**info, **changes}


def parse(content: object, **changes: str) -> Artifacts:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    wanted = {"flavour": "vm-ramdisk", "composition": "composition", **changes}
    return compose_info.parse(data, source=Path("info.json"), store=StoreMap(), **wanted)


def test_reads_what_0_7_writes() -> None:
    artifacts = parse(tree())
    assert artifacts.roles["server"] == RoleImage(
        toplevel="/nix/store/s-sys", init="/nix/store/s-sys/init"
    )
    assert artifacts.roles_distribution == {"server": 1, "agent": ("a1", "a2")}
    assert artifacts.kernel == "/nix/store/k/bzImage"
    assert artifacts.initrd == "/nix/store/i/initrd"
    assert artifacts.qemu_script == "/nix/store/q"
    assert artifacts.image == ""
    assert artifacts.test_script == "/nix/store/t-test-script"
    assert artifacts.compositions_info_path == "/nix/store/c-compositions-info.json"
    assert artifacts.all_info == {
        "kernel": "/nix/store/k/bzImage",
        "initrd": "/nix/store/i/initrd",
        "stage1": "/nix/store/1",
        "qemu_script": "/nix/store/q",
    }


def test_reads_what_0_6_writes() -> None:
    role = {"init": "/nix/store/s/init", "closure_info": "/nix/store/ci", "qemu_script": "/q"}
    artifacts = parse(tree(compositions_info={"composition": {"roles": {"server": role}}}))
    assert artifacts.roles == {
        "server": RoleImage(
            toplevel="/nix/store/s", init="/nix/store/s/init", closure_info="/nix/store/ci"
        )
    }
    assert artifacts.test_script == ""


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "an empty file"),
        (b"\x7fELF\0\0", "a binary file"),
        (b"\x1f\x8b\x08", "a binary file"),
        (b"{ outputs = { self }: {}; }", "a Nix expression"),
        (b"# flake\nlet a = 1; in a", "a Nix expression"),
        (b"composition: ./k3s\nroles: {}\n", "YAML"),
        (b'{"flavour": {"na', "JSON that is damaged or cut short"),
        (b"<html>", "HTML or XML"),
        (b"#!/bin/sh\n", "a script"),
        (b"hello there", "plain text"),
    ],
)
def test_says_what_a_file_that_is_not_json_looks_like(content: bytes, kind: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        parse(content)
    assert caught.value.brief == f"info.json is not JSON; it looks like {kind}"


def test_refuses_a_list() -> None:
    with pytest.raises(ArtifactError) as caught:
        parse([1])
    assert caught.value.brief == (
        "info.json is no compose info: it holds a JSON list, not an object"
    )


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"flavour": {}}, "flavour.name"),
        ({"all": {"initrd": "/i"}}, "all.kernel"),
        ({"all": {"kernel": "/i"}}, "all.initrd"),
        ({"compositions_info": {"composition": {}}}, "compositions_info.composition.roles"),
        (
            {"compositions_info": {"composition": {"roles": {"a": {}}}}},
            "compositions_info.composition.roles.a",
        ),
    ],
)
def test_names_the_key_that_is_missing(changes: dict[str, object], key: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        parse(tree(**changes))
    assert key in caught.value.brief
    assert caught.value.brief.startswith("info.json is no compose info: ")


def test_names_a_top_level_key_that_is_missing() -> None:
    info = tree()
    del info["compositions_info"]
    with pytest.raises(ArtifactError) as caught:
        parse(info)
    assert caught.value.brief == "info.json is no compose info: it lacks 'compositions_info'"


def test_refuses_another_flavour() -> None:
    with pytest.raises(ArtifactError) as caught:
        parse(tree(flavour={**FLAVOUR, "name": "g5k-image"}))
    assert caught.value.brief == "info.json was built for flavour g5k-image, not vm-ramdisk"
    assert caught.value.resolution == "build it anew, or change flavour"


def test_refuses_the_container_form() -> None:
    nspawn = {"flavour": "nspawn", "roles": ["server"]}
    with pytest.raises(ArtifactError) as caught:
        parse(nspawn)
    assert caught.value.brief == "info.json was built for flavour nspawn, not vm-ramdisk"
    with pytest.raises(ArtifactError) as caught:
        parse(nspawn, flavour="nspawn")
    assert caught.value.brief == "info.json is no compose info: it lacks 'composition'"


def test_lists_the_compositions_when_there_is_no_such() -> None:
    with pytest.raises(ArtifactError) as caught:
        parse(tree(compositions_info={"k3s": {"roles": {}}, "bench": {"roles": {}}}))
    assert caught.value.brief == "info.json has no composition 'composition'"
    assert caught.value.resolution == ("set composition_name to one of those in it: bench, k3s")


def test_refuses_a_value_of_the_wrong_type() -> None:
    with pytest.raises(ArtifactError) as caught:
        parse(tree(system=3))
    assert caught.value.brief == (
        "info.json is no compose info: 'system' is not what NXC writes there"
    )


TOPLEVEL = "/nix/store/t-nixos-system-server"

NSPAWN: dict[str, object] = {
    "flavour": "nspawn",
    "roles": ["server"],
    "composition": {
        "server": {
            "toplevel": TOPLEVEL,
            "init": f"{TOPLEVEL}/init",
            "volumes": ["/srv/data:/data:ro"],
            "ports": [],
        }
    },
    "test_script": "/nix/store/s-test-script",
    "roles_distribution": {"server": ["alpha", "beta"]},
}


def test_reads_that_of_nspawn() -> None:
    artifacts = parse(NSPAWN, flavour="nspawn", composition="mine")
    assert artifacts.roles == {
        "server": RoleImage(
            toplevel=TOPLEVEL, init=f"{TOPLEVEL}/init", volumes=("/srv/data:/data:ro",)
        )
    }
    assert artifacts.roles_distribution == {"server": ("alpha", "beta")}
    assert (artifacts.composition, artifacts.flavour) == ("mine", "nspawn")
    assert (artifacts.kernel, artifacts.initrd, artifacts.all_info) == ("", "", {})
    assert artifacts.test_script == "/nix/store/s-test-script"


def test_names_the_key_that_is_missing_for_nspawn() -> None:
    with pytest.raises(ArtifactError) as caught:
        parse({**NSPAWN, "composition": {"server": {"init": "/i"}}}, flavour="nspawn")
    assert caught.value.brief == (
        "info.json is no compose info: it lacks 'composition.server.toplevel'"
    )


def test_the_systems_of_nspawn_must_be_here(tmp_path: Path) -> None:
    info = tmp_path / "info.json"
    info.write_text(json.dumps(NSPAWN))
    init = tmp_path / "nix/store/t-nixos-system-server/init"

    def read_it() -> Artifacts:
        store = StoreMap(root=tmp_path)
        return compose_info.read(info, flavour="nspawn", composition="mine", store=store)

    with pytest.raises(ArtifactError) as caught:
        read_it()
    assert caught.value.brief == (
        f"the init of server {TOPLEVEL}/init (here {init}) that {info} names "
        "is not on this machine"
    )
    init.parent.mkdir(parents=True)
    init.touch()
    assert read_it().roles["server"].toplevel == TOPLEVEL


def read(path: Path, root: Path) -> Artifacts:
    return compose_info.read(
        path, flavour="vm-ramdisk", composition="composition", store=StoreMap(root=root)
    )


def test_reads_a_file_and_checks_what_it_names(tmp_path: Path) -> None:
    info = tmp_path / "info.json"
    with pytest.raises(ArtifactError) as caught:
        read(info, tmp_path)
    assert caught.value.brief == (
        f"cannot read the compose info {info}: No such file or directory"
    )

    info.write_text(json.dumps(tree()))
    kernel = tmp_path / "nix/store/k/bzImage"
    with pytest.raises(ArtifactError) as caught:
        read(info, tmp_path)
    assert caught.value.brief == (
        f"the kernel /nix/store/k/bzImage (here {kernel}) that {info} names "
        "is not on this machine"
    )

    for path in (kernel, tmp_path / "nix/store/i/initrd"):
        path.parent.mkdir(parents=True)
        path.touch()
    artifacts = read(info, tmp_path)
    assert artifacts.compose_info == info
    assert artifacts.store.real(artifacts.kernel) == kernel


DOCKER = {
    "flavour": "docker",
    "image": "/nix/store/i-image.tar.gz",
    "roles": ["agent", "server"],
    "docker-compose-file": "/nix/store/d-docker-compose",
    "test_script": "/nix/store/t-test-script",
    "roles_distribution": {"agent": ["a1", "a2"]},
}


def read_docker(root: Path, **changes: object) -> Artifacts:
    info = root / "info.json"
    info.write_text(json.dumps({**DOCKER, **changes}))
    store = StoreMap(root=root)
    return compose_info.read(info, flavour="docker", composition="composition", store=store)


@pytest.fixture
def docker_store(tmp_path: Path) -> Path:
    """A store that is elsewhere, with what the compose info of flavour docker names."""
    there = tmp_path / "nix/store"
    there.mkdir(parents=True)
    (there / "i-image.tar.gz").touch()
    services = {
        role: {"command": [f"/nix/store/{role}-sys/init"]} for role in ("agent", "server")
    }
    (there / "d-docker-compose").write_text(json.dumps({"services": services}))
    for role in services:
        (there / f"{role}-sys").mkdir()
        (there / f"{role}-sys/init").touch()
    return tmp_path


def test_reads_what_docker_has(docker_store: Path) -> None:
    artifacts = read_docker(docker_store)
    assert artifacts.roles["server"] == RoleImage(
        toplevel="/nix/store/server-sys", init="/nix/store/server-sys/init"
    )
    assert artifacts.roles_distribution == {"agent": ("a1", "a2")}
    assert artifacts.image == "/nix/store/i-image.tar.gz"
    assert artifacts.compose_file == "/nix/store/d-docker-compose"
    assert (artifacts.kernel, artifacts.initrd, artifacts.all_info) == ("", "", {})


def test_names_what_docker_lacks(docker_store: Path) -> None:
    info = docker_store / "info.json"
    with pytest.raises(ArtifactError) as caught:
        read_docker(docker_store, image="/nix/store/gone")
    assert caught.value.brief == (
        f"the image /nix/store/gone (here {docker_store}/nix/store/gone) that {info} names "
        "is not on this machine"
    )
    with pytest.raises(ArtifactError) as caught:
        read_docker(docker_store, roles=["db"])
    assert caught.value.brief == (
        f"{docker_store}/nix/store/d-docker-compose has no service for role db"
    )
    (docker_store / "nix/store/agent-sys/init").unlink()
    with pytest.raises(ArtifactError) as caught:
        read_docker(docker_store)
    assert "the init of agent /nix/store/agent-sys/init (here " in caught.value.brief
    with pytest.raises(ArtifactError) as caught:
        read_docker(docker_store, flavour="vm")
    assert caught.value.brief == f"{info} was built for flavour vm, not docker"


def test_docker_of_several_compositions(docker_store: Path) -> None:
    one = {key: DOCKER[key] for key in ("image", "docker-compose-file", "test_script")}
    several = {
        "composition": {**one, "roles": ["agent", "server"]},
        "other": {**one, "roles": ["agent"], "roles_distribution": {"agent": 3}},
    }
    info = docker_store / "info.json"
    info.write_text(json.dumps({"flavour": "docker", "compositions_info": several}))
    store = StoreMap(root=docker_store)
    other = compose_info.read(info, flavour="docker", composition="other", store=store)
    assert set(other.roles) == {"agent"}
    assert other.roles_distribution == {"agent": 3}
    assert other.composition == "other"
    with pytest.raises(ArtifactError) as caught:
        compose_info.read(info, flavour="docker", composition="none", store=store)
    assert str(caught.value) == (
        f"{info} has no composition 'none'\n"
        "-> set composition_name to one of those in it: composition, other"
    )
    del several["other"]["roles"]
    info.write_text(json.dumps({"flavour": "docker", "compositions_info": several}))
    with pytest.raises(ArtifactError) as caught:
        compose_info.read(info, flavour="docker", composition="composition", store=store)
    assert caught.value.brief == (
        f"{info} is no compose info: it lacks 'compositions_info.other.roles'"
    )
