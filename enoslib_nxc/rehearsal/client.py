"""What a user's computer has to reach a rehearsed Grid'5000: keys, ssh, PATH.

As from a laptop: names lead nowhere but through `access.grid5000.fr`, which is a loopback port.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc import shell
from enoslib_nxc.rehearsal.network import ACCESS
from enoslib_nxc.rehearsal.site import DOMAIN
from enoslib_nxc.ssh import make_key

KEY = "id_rsa"
"""EnOSlib's default for Grid'5000 is `~/.ssh/id_rsa.pub`."""

PROGRAMS = ("ssh", "scp", "sftp")
"""Programs that read an ssh configuration: `-F` of each; the last one given wins."""


@dataclass(frozen=True)
class Client:
    """A user's computer.

    Args:
        home: their HOME.
        bin: directory that comes first in their PATH.
        config: ssh configuration.
        public: their public key.
    """

    home: Path
    bin: Path
    config: Path
    public: str

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program must have in its environment, beside what it has."""
        path = os.environ.get("PATH", os.defpath)
        return {"HOME": str(self.home), "PATH": f"{self.bin}{os.pathsep}{path}"}

    def know(self, ports: Mapping[str, int]) -> None:
        """Take the frontends' host keys, as somebody who was there before has them.

        Args:
            ports: site -> loopback port of its frontend's ssh; the first is `ACCESS`, too.
        """
        lines = []
        for rank, (site, port) in enumerate(ports.items()):
            names = f"{site}.{DOMAIN},frontend.{site}.{DOMAIN}" + ("" if rank else f",{ACCESS}")
            words = ["ssh-keyscan", "-T", "30", "-t", "ed25519", "-p", str(port), "127.0.0.1"]
            shown = shell.run(words, timeout=60).stdout.splitlines()
            lines += [f"{names} {' '.join(line.split()[1:])}\n" for line in shown]
        with (self.home / ".ssh" / "known_hosts").open("a") as file:
            file.writelines(lines)


def make(home: Path, directory: Path, port: int) -> Client:
    """Make a user's computer.

    Args:
        home: their HOME; keys that are there are used.
        directory: for programs and configuration.
        port: loopback port that leads to `ACCESS`.
    """
    secret = home / ".ssh" / KEY
    secret.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not secret.exists():
        words = ["-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "rehearsal"]
        shell.run(["ssh-keygen", *words, "-f", secret], timeout=30)
    client = Client(
        home,
        directory / "bin",
        directory / "ssh_config",
        secret.with_suffix(".pub").read_text().strip(),
    )
    client.config.write_text(_config(secret, port))
    client.bin.mkdir()
    for name in PROGRAMS:
        real = shell.require(name, purpose="to reach the nodes", package="openssh-client")
        wrapper = client.bin / name
        wrapper.write_text(
            f'#!/bin/sh\nexec {shlex.join([real, "-F", str(client.config)])} "$@"\n'
        )
        wrapper.chmod(0o700)
    return client


def _config(secret: Path, port: int) -> str:
    """Return an ssh configuration: ssh itself looks into the account's home, not into HOME."""
    here = secret.parent
    return f"""\
Host {ACCESS}
  HostName 127.0.0.1
  Port {port}
  HostKeyAlias {ACCESS}
Host *
  IdentityFile {_quoted(secret)}
  IdentityAgent none
  UserKnownHostsFile {_quoted(here / "known_hosts")}
  GlobalKnownHostsFile /dev/null
"""


def _quoted(path: Path) -> str:
    return f'"{path}"'


@dataclass(frozen=True)
class Operator:
    """How the rehearsal itself reaches its machines as root, beside all rules.

    Args:
        key: private key.
        public: its public half.
        ports: site -> loopback port of its frontend's ssh.
    """

    key: Path
    public: str
    ports: Mapping[str, int]

    def argv(self, site: str, *command: str) -> list[str]:
        """Return the command line that runs a command on a site's frontend."""
        return [*self._ssh(site), "root@127.0.0.1", shlex.join(command)]

    def on_node(self, site: str, node: str, *command: str) -> list[str]:
        """Return the command line that runs a command on a node in its standard environment."""
        proxy = shlex.join([*self._ssh(site), "-W", f"{node}:22", "root@127.0.0.1"])
        return [
            *self._words(),
            "-o",
            f"ProxyCommand={proxy}",
            f"root@{node}",
            shlex.join(command),
        ]

    def greeting(self, site: str, node: str) -> list[str]:
        """Return the command line that prints what a node's sshd says first."""
        return [*self._ssh(site), "-W", f"{node}:22", "root@127.0.0.1"]

    def master(self, site: str) -> list[str]:
        """Return the command line of a connection to a frontend that all others share."""
        return [*self._ssh(site), "-M", "-N", "root@127.0.0.1"]

    def _ssh(self, site: str) -> list[str]:
        shared = self.key.with_name(f"shared-{site}")
        return [*self._words(), "-S", str(shared), "-p", str(self.ports[site])]

    def _words(self) -> list[str]:
        # the machines are ours, made a moment ago, and reached through our own ports
        return [
            *["ssh", "-F", "none", "-T", "-i", str(self.key), "-o", "IdentitiesOnly=yes"],
            *["-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=30"],
            *["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"],
            # Debian's ssh asks every 300 s in batch mode whether the other side is there: a
            # job's command must outlive its node's system
            *["-o", "ServerAliveInterval=0"],
        ]


def make_operator(directory: Path, ports: Mapping[str, int]) -> Operator:
    """Make the rehearsal's own key.

    Args:
        directory: where it goes.
        ports: site -> loopback port of its frontend's ssh.
    """
    key = directory / "operator"
    return Operator(key, make_key(key, "rehearsal"), ports)
