"""The store of g5k-nfs-store in a home: where it is, what it holds, in which parcels."""

import pytest

from enoslib_nxc.built import StoreMap
from enoslib_nxc.config_g5k import G5k
from enoslib_nxc.errors import ArtifactError
from enoslib_nxc.g5k import nfs_store
from tests.unit import factory


def test_where_it_is():
    assert nfs_store.place_of(G5k(), "lille", "ada") == (
        "nfs.lille.grid5000.fr:/export/home/ada/public/enoslib-nxc/store"
    )
    assert nfs_store.place_of(G5k(nfs_store="nfs:/nix/store"), "lille", "ada") == (
        "nfs:/nix/store"
    )


def built(tmp_path, *listed):
    key = "all_compositions_registration_store_path"
    directory = tmp_path / "nix/store/r"
    directory.mkdir(parents=True)
    if listed:
        (directory / "all-store-paths").write_text("\n".join(listed) + "\n")
    made = factory.artifacts("server")
    return made.model_copy(
        update={
            "store": StoreMap(root=tmp_path),
            "all_info": {
                **made.all_info,
                key: "/nix/store/r",
                "init": "/nix/store/no-role/init",
            },
            "compositions_info_path": "/nix/store/info.json",
        }
    )


def test_what_it_holds(tmp_path):
    names = nfs_store.names(built(tmp_path, "/nix/store/a", "/nix/store/b"))
    assert names == sorted([*"abikr", f"{'a' * 32}-nixos-system-server", "info.json"])


def test_a_build_that_does_not_say(tmp_path):
    with pytest.raises(ArtifactError) as caught:
        nfs_store.names(built(tmp_path))
    assert str(caught.value) == (
        "the build does not list what its store must have (/nix/store/r)\n"
        "-> build it for the flavour g5k-nfs-store"
    )


def test_parcels(tmp_path, monkeypatch):
    monkeypatch.setattr(nfs_store, "PARCEL_BYTES", 10)
    for name, size in {"a": 4, "b": 6, "c": 1, "d": 99}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * size)
    (tmp_path / "e").symlink_to("nowhere")
    assert list(nfs_store.parcels(tmp_path, "abcde")) == [["a", "b"], ["c"], ["d"], ["e"]]
    assert list(nfs_store.parcels(tmp_path, [])) == []
