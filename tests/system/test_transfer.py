"""Kernel and initrd to a host, and what it fetches from here: this machine is the host."""

from __future__ import annotations

import getpass
import os
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from enoslib_nxc.context_server import ContextServer, address_towards
from enoslib_nxc.errors import CommandError
from enoslib_nxc.files import File
from enoslib_nxc.nix.provenance import digest
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.transfer import Place
from tests.system.loopback_ssh import LoopbackSsh

SIZE = 3 << 20


@pytest.fixture(scope="module")
def access(tmp_path_factory):
    place = tmp_path_factory.mktemp("ssh")
    with LoopbackSsh(place / "server") as server:
        user = place / "server" / "user"
        known = place / "known_hosts"
        yield Access("host", "127.0.0.1", server.port, getpass.getuser(), user, known)


@pytest.fixture
def place(access, tmp_path):
    return Place(access, HostKey.FIRST_CONTACT, str(tmp_path / "there"))


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "initrd"
    path.write_bytes(os.urandom(SIZE))
    return File(path, digest(path), "/nix/store/nowhere")


@pytest.fixture
def server():
    made = ContextServer("127.0.0.1", {"127.0.0.1"})
    yield made
    made.close()


def arrived(target: str, image: File) -> bool:
    file = Path(target)
    return digest(file) == image.sha256 and file.stat().st_mode & 0o777 == 0o600


def test_sent_over_ssh(place, image):
    target = place.ensure(image, 60)
    assert target == f"{place.directory}/{image.sha256}"
    assert arrived(target, image)
    assert Path(place.directory).stat().st_mode & 0o777 == 0o700
    before = Path(target).stat().st_mtime_ns
    assert place.ensure(image, 60) == target
    assert Path(target).stat().st_mtime_ns == before


def test_a_broken_copy_is_gone_on_with(place, image):
    directory = Path(place.directory)
    directory.mkdir(mode=0o700)
    part = Path(place.part(image))
    part.write_bytes(image.path.read_bytes()[: SIZE // 3])
    part.chmod(0o600)
    inode = part.stat().st_ino
    target = place.ensure(image, 60)
    assert arrived(target, image)
    assert Path(target).stat().st_ino == inode


def test_a_damaged_copy_is_refused_and_then_sent_anew(place, image):
    directory = Path(place.directory)
    directory.mkdir(mode=0o700)
    Path(place.part(image)).write_bytes(b"something else")
    with pytest.raises(CommandError) as caught:
        place.ensure(image, 60)
    assert "what arrived is not what was sent" in caught.value.details
    assert arrived(place.ensure(image, 60), image)


def test_another_process_that_sends_the_same(place, image):
    directory = Path(place.directory)
    directory.mkdir(mode=0o700)
    theirs, dead = (directory / f"{image.sha256}.part-{name}" for name in ("theirs", "dead"))
    for part in (theirs, dead):
        part.write_bytes(b"something else")
    os.utime(dead, (0, 0))
    target = Path(place.ensure(image, 60))
    assert arrived(str(target), image)
    assert sorted(directory.iterdir()) == [target, theirs]


def test_a_shared_store_needs_no_copy(place, image, tmp_path):
    shared = tmp_path / "shared"
    shared.write_bytes(image.path.read_bytes())
    there = File(image.path, image.sha256, str(shared))
    assert Path(place.ensure(there, 60)).resolve() == shared


def test_a_directory_that_someone_else_made_is_refused(place, image, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    Path(place.directory).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CommandError) as caught:
        place.ensure(image, 60)
    assert "is not ours" in caught.value.details
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_fetched_from_here(place, image, server):
    url = server.publish("initrd", image.path)
    assert place.can_fetch(url)
    target = place.ensure(File(image.path, image.sha256, "/nowhere", url), 60)
    assert arrived(target, image)


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def test_nothing_but_what_was_published_is_served(server):
    url = server.publish("deployment.json", b"{}")
    base = url.rpartition("/")[0].rpartition("/")[0]
    assert get(url) == b"{}"
    assert len(url.split("/")[3]) == 32
    for other in (f"{base}/", f"{base}/deployment.json", f"{base}/../etc/passwd", f"{url}/"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(other)


def test_strangers_are_refused():
    server = ContextServer("127.0.0.1", {"192.0.2.1"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(server.publish("deployment.json", b"{}"))
    server.close()


def test_closed_is_closed(place, server):
    url = server.publish("probe", b"reached")
    server.close()
    server.close = lambda: None
    assert not place.can_fetch(url)


def test_the_address_by_which_a_host_is_reached():
    assert address_towards("127.0.0.1") == "127.0.0.1"


@pytest.mark.parametrize("here", [True, False])
def test_a_public_file_is_read_by_all_and_listed_by_none(access, image, tmp_path, here):
    directory = tmp_path / "new" / "public"
    place = Place(None if here else access, HostKey.FIRST_CONTACT, str(directory), public=True)
    target = Path(place.ensure(image, 60))
    assert digest(target) == image.sha256
    assert target.stat().st_mode & 0o777 == 0o644
    assert directory.stat().st_mode & 0o777 == 0o711
    assert directory.parent.stat().st_mode & 0o777 == 0o755


def test_sent_through_a_jump_host(access, image, tmp_path):
    """The jump host's ssh has only what the configuration says, which it is handed on."""
    config = tmp_path / "config"
    config.write_text(
        "Host gateway\n  HostName 127.0.0.1\n"
        f"  Port {access.port}\n"
        f"  IdentityFile {access.key}\n  UserKnownHostsFile {tmp_path}/known\n"
        "  StrictHostKeyChecking accept-new\n"
    )
    far = replace(access, via=("-F", str(config), "-J", f"{access.user}@gateway"))
    there = Place(far, HostKey.FIRST_CONTACT, str(tmp_path / "there"))
    assert arrived(there.ensure(image, 60), image)
    assert "127.0.0.1" in (tmp_path / "known").read_text()
