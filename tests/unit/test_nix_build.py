"""Progress from Nix's log, what failed builds are said to be, remote addresses, hashes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enoslib_nxc.built import Artifacts, StoreMap
from enoslib_nxc.errors import ArtifactError, ConfigError
from enoslib_nxc.events import Event, Phase, Status, Step
from enoslib_nxc.nix import failures, provenance, remote
from enoslib_nxc.nix.build import Progress
from enoslib_nxc.nix.events import BuildLog
from enoslib_nxc.nix.store import NixStore
from enoslib_nxc.nix.target import Target

DATA = Path(__file__).parents[1] / "data"
TARGET = Target(ref="/f", system="x86_64-linux", name="composition::vm-ramdisk", given="./f")


def lines(file: str) -> list[str]:
    return (DATA / file).read_text().splitlines()


def log_of(*messages: str) -> BuildLog:
    log = BuildLog()
    for message in messages:
        event = {"action": "msg", "level": 0, "msg": f"error: {message}", "raw_msg": message}
        log.feed("@nix " + json.dumps(event))
    return log


def progress_of(feed: list[str]) -> list[Event]:
    said: list[Event] = []
    progress = Progress(Step(said.append, Phase.BUILD, ""))
    for line in feed:
        progress(line)
    progress.finish()
    return said


def test_the_attribute_is_quoted() -> None:
    assert TARGET.installable == '/f#packages.x86_64-linux."composition::vm-ramdisk"'


@pytest.mark.parametrize("version", ["2.8", "2.26", "2.34"])
def test_progress_goes_up_to_all_of_it(version: str) -> None:
    said = progress_of(lines(f"nix-{version}-built.log"))
    done = [event.done for event in said]
    assert done == sorted(done)
    assert (said[-1].done, said[-1].total) == (3, 3)
    assert {event.unit for event in said} == {"derivations"}
    assert {event.status for event in said} == {Status.PROGRESS}
    assert "compose-info (pack)" in [event.message for event in said]


def test_progress_ends_at_all_of_it_even_if_nix_stops_short() -> None:
    said = progress_of(lines("nix-2.8-built.log")[:-12])
    assert (said[-1].done, said[-1].total, said[-1].message) == (3, 3, "built")


def test_nothing_to_build_makes_no_progress() -> None:
    assert (
        progress_of([line for line in lines("nix-2.8-built.log") if "105}" not in line]) == []
    )


def test_downloads_are_throttled_and_end_with_all_bytes() -> None:
    feed = ['@nix {"action":"start","id":1,"type":101,"level":4,"text":"","fields":["u"]}']
    feed += [
        f'@nix {{"action":"result","id":1,"type":105,"fields":[{done},1000,0,0]}}'
        for done in range(1, 1001)
    ]
    said = progress_of(feed)
    assert len(said) < 50
    assert (said[-1].done, said[-1].total, said[-1].unit) == (1000, 1000, "bytes")


@pytest.mark.parametrize("version", ["2.8", "2.26", "2.34"])
def test_a_failed_builder(version: str) -> None:
    log = BuildLog()
    for line in lines(f"nix-{version}-failed.log"):
        log.feed(line)
    store = NixStore(options=("--option", "store", "/s", "--option", "a", "b"))
    error = failures.explain(log, store, TARGET, 1)
    assert error.brief == "top failed to build: exit code 3"
    assert error.details.splitlines()[:3] == ["line 1", "line 2", "line 3"]
    assert error.resolution == (
        "see its whole log: nix-store --option store /s --read-log "
        "/nix/store/9215g3zyzfnillcf405khc332hn1m777-top.drv"
    )


def test_an_evaluation_error_is_the_last_message() -> None:
    error = failures.explain(log_of("first", "attribute 'x' missing"), NixStore(), TARGET, 1)
    assert error.brief == (
        "cannot evaluate composition::vm-ramdisk of ./f: attribute 'x' missing"
    )
    assert error.resolution == "see where it comes from: add --show-trace to build.nix_flags"


@pytest.mark.parametrize(
    "message",
    [
        "cannot find flake 'flake:nowhere' in the flake registries",
        "input 'gihub:a/b#packages.x86_64-linux' is unsupported",
    ],
)
def test_a_reference_that_nix_does_not_know(message: str) -> None:
    error = failures.explain(log_of(message), NixStore(), TARGET, 1)
    assert error.brief == f"cannot evaluate composition::vm-ramdisk of ./f: {message}"
    assert error.resolution == (
        "composition is no file or directory here, nor a flake that Nix knows: check it"
    )


def test_an_error_that_is_not_of_a_builder() -> None:
    log = log_of("a 'riscv64-linux' is required to build 'x.drv'")
    log.feed('@nix {"action":"start","id":1,"level":0,"text":"","type":104}')
    assert failures.explain(log, NixStore(), TARGET, 1).brief == (
        "cannot build composition::vm-ramdisk of ./f: "
        "a 'riscv64-linux' is required to build 'x.drv'"
    )


def test_an_unreachable_reference() -> None:
    message = "unable to download 'https://example.org/x': Could not resolve host name (6)"
    error = failures.explain(log_of(message), NixStore(), TARGET, 1)
    assert error.brief == f"cannot fetch composition ./f: {message}"
    assert error.resolution.startswith("check the network and the flake reference")


def test_a_failure_without_a_word() -> None:
    log = BuildLog()
    log.feed("Segmentation fault")
    error = failures.explain(log, NixStore(), TARGET, 1)
    assert error.brief == "nix could not build composition::vm-ramdisk of ./f"
    assert error.details == "Segmentation fault"


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("ssh://host", remote.Address("host", None, None)),
        ("ssh://me@host.example:2222", remote.Address("host.example", "me", 2222)),
        ("ssh://me@[::1]:22/", remote.Address("::1", "me", 22)),
    ],
)
def test_addresses(on: str, expected: remote.Address) -> None:
    assert remote.address(on) == expected


@pytest.mark.parametrize("on", ["host", "http://host", "ssh://", "ssh://h:x", "ssh://h/p"])
def test_what_is_no_address(on: str) -> None:
    with pytest.raises(ConfigError) as caught:
        remote.address(on)
    assert caught.value.brief == (
        f'build.on {on!r} is neither "local" nor ssh://[USER@]HOST[:PORT]'
    )


def test_only_what_a_deployment_reads_is_fetched() -> None:
    info = {
        "compositions_info_path": "/nix/store/c",
        "compositions_info": {"x": {"test_script": "/nix/store/t", "roles": {"a": "/nix/r"}}},
        "all": {"kernel": "/nix/store/k", "initrd": "/nix/store/i", "stage1": "/nix/store/s"},
    }
    assert set(remote.needed(json.dumps(info), "f")) == {
        "/nix/store/c",
        "/nix/store/t",
        "/nix/store/k",
        "/nix/store/i",
    }
    assert list(remote.needed("[]", "f")) == []
    with pytest.raises(ArtifactError) as caught:
        list(remote.needed("{", "/nix/store/f"))
    assert caught.value.brief.startswith("/nix/store/f is not JSON: ")


def test_path_info_of_all_versions() -> None:
    expected = {"/nix/store/a": "sha256-x"}
    old = [{"path": "/nix/store/a", "narHash": "sha256-x", "valid": True}]
    new = {"/nix/store/a": {"narHash": "sha256-x"}, "/nix/store/b": None}
    assert provenance.parse_path_info(json.dumps(old)) == expected
    assert provenance.parse_path_info(json.dumps(new)) == expected


def test_versions_and_digest(tmp_path: Path) -> None:
    assert provenance.versions(nix="2.8")["nix"] == "2.8"
    assert "nix" not in provenance.versions()
    assert "enoslib" in provenance.versions()
    file = tmp_path / "f"
    file.write_bytes(b"abc")
    assert provenance.digest(file) == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_provenance_without_nix(tmp_path: Path) -> None:
    artifacts = Artifacts(
        flavour="vm-ramdisk",
        system="x86_64-linux",
        composition="c",
        compose_info=tmp_path / "info",
        roles={},
        kernel="/k",
        initrd="/i",
        store=StoreMap(root=tmp_path),
    )
    for name in ("k", "i"):
        (tmp_path / name).write_text("abc")
    found = provenance.collect(artifacts, flake="./f", directory=tmp_path)
    assert found.flake == "./f"
    assert found.lock_hash == ""
    assert found.digests["kernel"] == found.digests["initrd"]
    assert found.nar_hashes == {}
    (tmp_path / "flake.lock").write_text("{}")
    (tmp_path / "debian.lock.json").write_text("{}")
    locked = provenance.collect(artifacts, flake="./f", directory=tmp_path).lock_hash
    assert len(locked) == 64


def test_sources_go_there_in_streams_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "BATCH", 10)
    files = [Path(name) for name in "abcdef"]
    grouped = remote.batches(files, [4, 6, 1, 25, 9, 1])
    assert ["".join(map(str, group)) for group in grouped] == ["ab", "c", "d", "ef"]
    assert list(remote.batches([], [])) == []
