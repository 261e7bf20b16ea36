"""NXC's shared directories and users, on the embedded composition's library."""

from __future__ import annotations

import shutil

import pytest

from enoslib_nxc import debian
from tests.system import lab

pytestmark = pytest.mark.full

COMPOSITION = """
{ pkgs, ... }:
let users = { names = [ "grace" "ada" ]; prefixHome = "/users"; };
in {
  roles = {
    server = {
      nxc.users = users;
      nxc.sharedDirs."/users".export = true;
      nxc.sharedDirs."/srv/data".export = true;
      # another account does not change the numbers of the others
      users.users.aaron.isNormalUser = true;
    };
    client = {
      nxc.users = users;
      nxc.sharedDirs."/users".server = "server";
      nxc.sharedDirs."/srv/data".server = "server";
    };
  };
}
"""


@pytest.fixture(scope="module")
def composition(tmp_path_factory):
    """A composition whose lock has Debian's NFS packages, as that of the rehearsal has."""
    made = lab.copy_of_embedded(tmp_path_factory.mktemp("shared") / "composition")
    (made / "composition.nix").write_text(COMPOSITION)
    lock = debian.EMBEDDED_DIR / "rehearsal" / debian.LOCK_NAME
    shutil.copy(lock, made / debian.LOCK_NAME)
    return made


def shares(made) -> None:
    """Check that both machines see the same files, of the same users."""
    there = "mountpoint -q /users && mountpoint -q /srv/data && echo yes || :"
    lab.until(lambda: lab.on(made, "client", there) == "yes", 90)
    for host in ("server", "client"):
        assert lab.on(made, host, "id -u grace; id -u ada").split() == ["2000", "2001"]
    lab.on(made, "client", "su ada -c 'echo hello > /users/ada/file'")
    told = lab.on(made, "server", "su ada -c 'cat ~/file; stat -c %U /users/ada/file'")
    assert told.split() == ["hello", "ada"]
    lab.on(made, "server", "su grace -c 'echo back > ~/file' && echo new > /srv/data/file")
    assert lab.on(made, "client", "cat /users/grace/file /srv/data/file") == "back\nnew"
    assert lab.on(made, "client", "su ada -c 'echo no > /users/grace/file' 2>&1; :").endswith(
        "Permission denied"
    )
    assert lab.on(made, "server", "systemctl --failed --no-legend") == ""


def test_virtual_machines_share_by_nfs(composition):
    made = lab.provider("shared", {"server": 1, "client": 1}, composition=str(composition))
    with made:
        shares(made)
        assert lab.on(made, "client", "findmnt -no FSTYPE /users") == "nfs4"


@pytest.mark.usefixtures("docker_daemon")
def test_containers_share_a_volume(composition):
    made = lab.provider(
        "shared-docker",
        {"server": 1, "client": 1},
        composition=str(composition),
        flavour="docker",
    )
    with made:
        shares(made)
