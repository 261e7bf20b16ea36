"""playbooks/stock.sh on this computer, over files that stand for a machine's own."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from enoslib_nxc import node

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="it mounts over /etc/hosts")

OF = {"NAME": "job.1", "TOKEN": "c0ffee"}
JOIN = {
    **OF,
    "ACTION": "join",
    "HOSTS": "192.0.2.1 server\n192.0.2.2 agent",
    "NAMES": "server agent",
    "KEY": "PRIVATE\nKEY",
    "PUBLIC": "ssh-ed25519 AAAA enoslib-nxc job.1",
    "KNOWN": "server ssh-ed25519 BBBB",
}
LEAVE = {**OF, "ACTION": "leave"}


def run(
    root: Path, values: dict[str, str], then: str = "true"
) -> subprocess.CompletedProcess[str]:
    """Run the script with /etc/hosts a mount of its own, as in a container, and root's home."""
    text = node.assignments(values) + node.text("stock")
    over = (
        f"mount --bind {shlex.quote(str(root / 'hosts'))} /etc/hosts && "
        f"mount --bind {shlex.quote(str(root / 'home'))} ~root && {then} && exec sh -s"
    )
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", over]
    return subprocess.run(
        words, input=text, capture_output=True, text=True, check=False, timeout=30
    )


def content(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(file.relative_to(root)): (
            file.stat().st_mode,
            file.read_bytes() if file.is_file() else b"",
        )
        for file in sorted(root.rglob("*"))
    }


@pytest.fixture(params=["bare", "used"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the files of a machine that never saw ssh, and of one with odd ones of its own."""
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    if request.param == "used":
        (tmp_path / "hosts").write_text("127.0.0.1 localhost\n\n192.0.2.9 last-line")
        ssh = tmp_path / "home" / ".ssh"
        ssh.mkdir(mode=0o750)
        keys = ssh / "authorized_keys"
        keys.write_bytes(b"# mine\r\nssh-rsa CCCC ada\nssh-rsa DDDD no newline")
        keys.chmod(0o640)
        (ssh / "config").write_text("User ada\nHost other\n  Port 22\n")
        (ssh / "id_ed25519").write_text("MINE")
    return tmp_path


def test_what_is_told_is_taken_back_byte_for_byte(root: Path) -> None:
    before = content(root)
    joined = run(root, JOIN)
    assert joined.returncode == 0, joined.stderr
    assert "boot_id=" in joined.stdout
    now = content(root)
    hosts = now["hosts"][1].decode()
    assert "192.0.2.2 agent\n" in hosts
    assert hosts.endswith(before["hosts"][1].decode())
    assert now["home/.ssh/authorized_keys"][1].splitlines()[1].decode() == JOIN["PUBLIC"]
    mode, key = now["home/.ssh/enoslib-nxc-c0ffee"]
    assert (mode & 0o777, key) == (0o600, b"PRIVATE\nKEY\n")
    for own in ("home/.ssh/authorized_keys", "home/.ssh/config"):
        mode, lines = before.get(own, (0o600, b""))
        assert now[own][1].endswith(lines)
        assert now[own][0] & 0o777 == mode & 0o777

    run(root, JOIN)
    assert content(root) == now
    run(root, {**JOIN, "HOSTS": "192.0.2.3 server"})
    hosts = content(root)["hosts"][1].decode()
    assert hosts.count("server") == 1
    assert "agent" not in hosts

    left = run(root, LEAVE)
    assert left.returncode == 0, left.stderr
    assert content(root) == before
    assert run(root, LEAVE).returncode == 0
    assert content(root) == before


def test_what_others_add_meanwhile_stays(root: Path) -> None:
    run(root, JOIN)
    with (root / "hosts").open("a") as file:
        file.write("192.0.2.7 new\n")
    with (root / "home/.ssh/authorized_keys").open("ab") as keys:
        keys.write(b"ssh-rsa EEEE new\n")
    other = {**JOIN, "NAME": "other", "TOKEN": "beef"}
    run(root, other)
    run(root, LEAVE)
    assert "# begin enoslib-nxc other beef" in (root / "hosts").read_text()
    run(root, {**other, "ACTION": "leave"})
    assert (root / "hosts").read_text().endswith("192.0.2.7 new\n")
    assert "enoslib" not in (root / "hosts").read_text()
    assert (root / "home/.ssh/authorized_keys").read_bytes().endswith(b"ssh-rsa EEEE new\n")


def test_hosts_that_cannot_be_written_are_told_of(root: Path) -> None:
    before = content(root)
    look = {**OF, "ACTION": "look"}
    assert "fixed=" not in run(root, look).stdout
    told = run(root, look, then="mount -o remount,bind,ro /etc/hosts")
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[0] == "fixed=/etc/hosts"
    assert content(root) == before


def test_names_alone_where_ssh_is_left_as_it_is(root: Path) -> None:
    before = content(root)
    run(root, {**JOIN, "KEY": ""})
    now = content(root)
    assert now.keys() == before.keys()
    assert {name for name in now if now[name] != before[name]} == {"hosts"}


def test_a_block_without_its_end_is_not_touched(root: Path) -> None:
    run(root, JOIN)
    damaged = "".join(
        line
        for line in (root / "hosts").read_text().splitlines(keepends=True)
        if not line.startswith("# end")
    )
    (root / "hosts").write_text(damaged)
    told = run(root, LEAVE)
    assert told.returncode != 0
    assert "mend it by hand" in told.stderr
    assert (root / "hosts").read_text() == damaged


def test_what_the_config_says_of_the_others(root: Path) -> None:
    """ssh reads our lines for the deployment's machines, the user's as they were for others."""
    run(root, JOIN)
    config = root / "home/.ssh/config"
    used = (root / "home/.ssh/id_ed25519").exists()

    def told(host: str) -> str:
        words = ["ssh", "-G", "-F", str(config), host]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    assert "identityfile /root/.ssh/enoslib-nxc-c0ffee\n" in told("agent")
    assert "enoslib" not in told("elsewhere")
    assert ("user ada\n" in told("elsewhere")) is used
