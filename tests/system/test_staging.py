"""Files in a home on a site: this machine's ssh server plays the frontend."""

from __future__ import annotations

import getpass
import os
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest

from enoslib_nxc import multiplexing, shell
from enoslib_nxc.built import StoreMap
from enoslib_nxc.config_g5k import G5k
from enoslib_nxc.errors import ArtifactError, CommandError, PlatformError
from enoslib_nxc.files import File
from enoslib_nxc.g5k import nfs_store, where
from enoslib_nxc.g5k.staging import FullError, Staging, of_run
from enoslib_nxc.nix.provenance import digest
from enoslib_nxc.ssh import Access
from enoslib_nxc.wait import Deadline
from tests.system.loopback_ssh import LoopbackSsh
from tests.unit import factory

SIZE = 3 << 20


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A frontend whose home is a directory of the test, and the site's web server."""
    place = tmp_path_factory.mktemp("site")
    home = place / "home"
    home.mkdir()
    with LoopbackSsh(place / "server", HOME=home) as server:
        handler = partial(SimpleHTTPRequestHandler, directory=str(home / "public"))
        web = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        handler.func.log_message = lambda *_words: None
        Thread(target=web.serve_forever, daemon=True).start()
        via = ("-F", "none", "-o", f"UserKnownHostsFile={place}/known")
        access = Access(
            "frontend",
            "127.0.0.1",
            server.port,
            getpass.getuser(),
            place / "server" / "user",
            None,
            (*via, "-o", "StrictHostKeyChecking=accept-new"),
        )
        yield home, access, f"http://127.0.0.1:{web.server_port}"
        web.shutdown()
        web.server_close()


@pytest.fixture(params=["over ssh", "mounted here"])
def staging(request, served, monkeypatch):
    home, access, url = served
    if request.param == "over ssh":
        return Staging(access, url)
    monkeypatch.setenv("HOME", str(home))
    return Staging(None, url)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "initrd"
    path.write_bytes(os.urandom(SIZE))
    return File(path, digest(path), "")


def test_a_file_is_sent_once(staging, image, served, monkeypatch):
    staged = staging.put(image, 60)
    assert staged.path == f"{served[0]}/public/enoslib-nxc/{image.sha256}"
    with urlopen(staged.url, timeout=10) as answer:
        assert answer.read() == image.path.read_bytes()
    assert Path(staged.path).stat().st_mode & 0o777 == 0o644
    assert Path(staged.path).parent.stat().st_mode & 0o777 == 0o711
    monkeypatch.setattr(shell, "stream", None)
    assert staging.put(image, 60) == staged


def test_a_run_logs_in_once(served, image, monkeypatch):
    _home, access, url = served
    monkeypatch.setattr(where, "frontend", lambda *_: access)
    monkeypatch.setattr(where, "public_url", lambda *_: url)
    log = access.key.with_name("log")
    before = log.read_text().count("Accepted publickey")
    made = factory.deployment("server").model_copy(update={"token": "5e77ed0000000002"})
    try:
        home = of_run(made, G5k(), "lille")
        home.put(image, 60)
        home.discard(home.write("small", "text"))
        assert log.read_text().count("Accepted publickey") == before + 1
    finally:
        multiplexing.settle(made.token)
    assert not multiplexing.runtime_dir(made.token).exists()


def test_a_broken_copy_is_gone_on_with(staging, image, served):
    directory = served[0] / "public" / "enoslib-nxc"
    directory.mkdir(parents=True, exist_ok=True)
    part = Path(staging.place().part(image))
    part.write_bytes(image.path.read_bytes()[: SIZE // 3])
    inode = part.stat().st_ino
    staged = Path(staging.put(image, 60).path)
    assert digest(staged) == image.sha256
    assert staged.stat().st_ino == inode


def test_a_small_file_comes_and_goes(staging, served):
    text = '{"deployment": "it\'s"}\n$HOME\n'
    staged = staging.write("deployment.json", text)
    with urlopen(staged.url, timeout=10) as answer:
        assert answer.read().decode() == text
    directory = Path(staged.path).parent
    assert directory.stat().st_mode & 0o777 == 0o711
    staging.discard(staged)
    assert not directory.exists()
    assert (served[0] / "public" / "enoslib-nxc").exists()
    staging.discard(staged)


def test_a_full_home(served, image):
    """/dev/full says what a full disk says."""
    home, access, url = served
    directory = home / "public" / "enoslib-nxc"
    directory.mkdir(parents=True, exist_ok=True)
    staging = Staging(access, url)
    part = Path(staging.place().part(image))
    part.symlink_to("/dev/full")
    with pytest.raises(FullError) as caught:
        staging.put(image, 60)
    assert caught.value.brief == "the home on frontend is full: no room for initrd"
    assert "No space left on device" in caught.value.details
    assert not part.is_symlink()


def a_build(root):
    """Return artifacts whose store has a read-only directory and a link."""
    key = "all_compositions_registration_store_path"
    system = root / "nix/store/system"
    (system / "bin").mkdir(parents=True)
    (system / "bin" / "run").write_text("#!/bin/sh\n")
    (system / "bin" / "run").chmod(0o555)
    (system / "bin").chmod(0o555)
    (root / "nix/store/link").symlink_to("/nix/store/system")
    listed = root / "nix/store/listed"
    listed.mkdir()
    (listed / "all-store-paths").write_text("/nix/store/system\n/nix/store/link\n")
    made = factory.artifacts()
    info = {key: "/nix/store/listed"}
    store = StoreMap(root=root)
    return made.model_copy(
        update={"store": store, "all_info": info, "compositions_info_path": ""}
    )


def test_a_store_is_sent_once(staging, served, tmp_path, monkeypatch):
    store = served[0] / "public" / "enoslib-nxc" / "store"
    shutil.rmtree(store, ignore_errors=True)
    monkeypatch.setattr(nfs_store, "PARCEL_BYTES", 1)
    made = a_build(tmp_path)
    # what others receive, or left when they were killed, is not taken for whole
    for name in (".incoming-theirs", ".incoming-dead"):
        (store / name / "system").mkdir(parents=True)
    os.utime(store / ".incoming-dead", (0, 0))
    nfs_store.stage(staging, made, Deadline(60))
    assert sorted(path.name for path in store.iterdir()) == [
        ".incoming-theirs",
        "link",
        "listed",
        "system",
    ]
    assert (store / "system/bin/run").stat().st_mode & 0o777 == 0o755
    assert str((store / "link").readlink()) == "/nix/store/system"
    assert store.stat().st_mode & 0o777 == 0o755
    monkeypatch.setattr(shell, "pipe", None)
    nfs_store.stage(staging, made, Deadline(60))


def test_two_that_send_a_store_at_once(staging, served, tmp_path, monkeypatch):
    store = served[0] / "public" / "enoslib-nxc" / "store"
    shutil.rmtree(store, ignore_errors=True)
    made, send, sent = a_build(tmp_path), nfs_store._send, []

    def other_is_faster(*words):
        send(*words)
        if not sent:
            sent.append(words)
            nfs_store.stage(staging, made, Deadline(60))

    monkeypatch.setattr(nfs_store, "_send", other_is_faster)
    nfs_store.stage(staging, made, Deadline(60))
    assert sorted(path.name for path in store.iterdir()) == ["link", "listed", "system"]
    assert [path.name for path in (store / "system").iterdir()] == ["bin"]


def test_a_store_that_did_not_arrive_leaves_nothing(staging, served, tmp_path, monkeypatch):
    store = served[0] / "public" / "enoslib-nxc" / "store"
    shutil.rmtree(store, ignore_errors=True)

    def broken(_place, _store, _parcel, target, _deadline):
        (Path(target) / "system").mkdir()
        raise CommandError("ssh failed with exit status 255")

    monkeypatch.setattr(nfs_store, "_send", broken)
    with pytest.raises(PlatformError, match="the store did not get to the home"):
        nfs_store.stage(staging, a_build(tmp_path), Deadline(60))
    assert list(store.iterdir()) == []


def test_a_store_that_is_not_here(staging, tmp_path):
    made = a_build(tmp_path)
    (tmp_path / "nix/store/listed/all-store-paths").write_text("/nix/store/gone\n")
    with pytest.raises(ArtifactError) as caught:
        nfs_store.stage(staging, made, Deadline(60))
    gone = tmp_path / "nix/store/gone"
    assert str(caught.value) == f"{gone} is not in the store here any more\n-> build it again"
