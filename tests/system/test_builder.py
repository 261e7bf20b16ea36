"""`build.on` with Debian packages: this machine has no Nix, the other one has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from enoslib_nxc.errors import BuildError
from enoslib_nxc.events import Phase, Status
from enoslib_nxc.nix import remote
from tests.system import lab

from .loopback_ssh import LoopbackSsh

pytestmark = pytest.mark.skipif(shutil.which("nix") is None, reason="needs Nix")

# Logs what is sent; with a file `cut` there, the third stream breaks in the middle.
SSH = """#!/bin/sh
set -- -F {directory}/client "$@"
case "$*" in *--add-fixed*)
  echo sent >> {directory}/sent
  if [ -e {directory}/cut ] && [ "$(wc -l < {directory}/sent)" = 3 ]; then
    head -c 100000 | {ssh} "$@"
    exit 255
  fi
esac
exec {ssh} "$@"
"""


@pytest.fixture
def builder(tmp_path, path_without):
    """Give the ssh server of a machine with Nix, while Nix is not to be found here."""
    ssh = shutil.which("ssh")
    with LoopbackSsh(tmp_path / "far") as server:
        path_without("ssh", *(program.name for program in Path("/usr/bin").glob("nix*")))
        program = tmp_path / "bin" / "ssh"
        program.write_text(SSH.format(directory=server.directory, ssh=ssh))
        program.chmod(0o755)
        (server.directory / "client").write_text(
            f"IdentityFile {server.directory}/user\nIdentitiesOnly yes\n"
            f"UserKnownHostsFile {server.directory}/known\n"
            "StrictHostKeyChecking accept-new\nLogLevel ERROR\n"
        )
        yield server
    store = tmp_path / "store"
    for directory, _below, _files in os.walk(store):
        Path(directory).chmod(0o755)
    shutil.rmtree(store, ignore_errors=True)


@pytest.mark.full
def test_what_is_sent_is_kept_and_a_machine_boots_from_what_comes_back(
    builder, tmp_path, monkeypatch
):
    assert shutil.which("nix") is None
    monkeypatch.setattr(remote, "BATCH", 16 << 20)
    site = f"127.0.0.1:{builder.port}"
    build = {"on": f"ssh://{site}", "store": str(tmp_path / "store")}
    made = lab.provider("built-there", {"server": 1}, build=build)
    events = []

    (builder.directory / "cut").touch()
    with pytest.raises(BuildError) as caught:
        made.init(reporter=events.append)
    assert caught.value.brief == (
        f"sources could not be sent to {site}: ssh failed with exit status 255"
    )
    assert caught.value.resolution == "try again: what is there already is not sent anew"
    assert list((builder.directory / "cache/enoslib-nxc/sources").glob(".part*")) == []
    counts = [(event.done, event.total) for event in events if event.message.startswith("send")]
    assert len(counts) == 2
    (came, everything) = counts[-1]
    assert 0 < came < everything

    (builder.directory / "cut").unlink()
    events.clear()
    roles, _networks = made.init(reporter=events.append)
    counts = [(event.done, event.total) for event in events if event.message.startswith("send")]
    assert counts[-1] == (everything - came, everything - came)  # the rest, and no more
    assert [host.alias for host in roles["server"]] == ["server"]
    record = made.deployment
    assert "/remote/" in str(record.artifacts.store.root)
    toplevel = record.artifacts.roles["server"].toplevel
    assert lab.on(made, "server", "readlink -f /run/current-system") == toplevel
    assert (tmp_path / "store" / toplevel.lstrip("/")).is_dir()

    sent = (builder.directory / "sent").read_text()
    events.clear()
    made.init(reporter=events.append)
    ended = [event for event in events if event.phase is Phase.BUILD]
    assert [event.status for event in ended] == [Status.STARTED, Status.NOOP]
    assert (builder.directory / "sent").read_text() == sent
    made.destroy()
    lab.assert_all_gone(made, record)
