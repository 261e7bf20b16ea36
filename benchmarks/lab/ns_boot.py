"""What happens when a host of the lab boots: a forked child becomes the first process of it.

Nothing here is shared with others but the kernel, and files that are only read: a host has
its own processes, network, name, /etc, /root, /run, /tmp and /var/tmp, and its own
`/proc/cmdline` and boot id.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.lab import ns_calls

KEXEC = Path(__file__).with_name("kexec.sh").read_bytes()
"""What is in place of kexec(8); a host does not see where this file is."""

CONFIG = """Port 22
HostKey /run/lab/host_key
AuthorizedKeysFile /root/.ssh/authorized_keys
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
LogLevel ERROR
SetEnv PATH=/run/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
"""
"""Of the ssh server: all else is as OpenSSH has it."""

OWN_LINE = "root=/dev/own console=ttyS0"
"""Kernel command line of the system that a host has before anyone takes it over."""

FETCH_SECONDS = 30.0
"""For the deployment JSON."""


@dataclass(frozen=True)
class Host:
    """A host, as its keeper knows it.

    Args:
        number: from 1.
        address: its own.
        lab: directory of the lab, which all hosts have in common, as a home by NFS.
        network: file descriptor of its network namespace.
    """

    number: int
    address: str
    lab: Path
    network: int

    @property
    def directory(self) -> Path:
        """What is kept of it over its boots; it is `/run/lab` there."""
        return self.lab / "hosts" / str(self.number)


def make_key(path: Path) -> str:
    """Make a host key, and return the public one.

    Args:
        path: of the private key.
    """
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(text)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return public.decode()


def become(host: Host, line: str) -> NoReturn:
    """Be the first process of a host that boots; this one is a child in new process ids.

    Args:
        host: which.
        line: kernel command line; `OWN_LINE` for the system that it has of its own.
    """
    try:
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        _redirect(host.directory / "console.log")
        ns_calls.enter(host.network, ns_calls.NETWORK)
        told = {} if line == OWN_LINE else _deployment(line)
        _separate(host)
        _system(host, line)
        if told:
            _stage_1(host, told)
        else:
            _authorize((host.lab / "user.pub").read_text())
            shutil.copy(host.lab / "own_keys" / str(host.number), "/run/lab/host_key")
        sshd = "/usr/sbin/sshd"
        os.execv(sshd, [sshd, "-D", "-E", "/run/lab/sshd.log", "-f", "/run/sshd_config"])  # noqa: S606
    except BaseException as error:
        os.write(2, f"{error!r}\n".encode())
    finally:
        os._exit(1)


def _redirect(log: Path) -> None:
    """Leave the keeper's own input and output alone."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    empty = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((empty, 0), (out, 1), (out, 2)):
        os.dup2(source, target)


def _separate(host: Host) -> None:
    """Have mounts and a name of its own."""
    ns_calls.unshare(ns_calls.NEW_MOUNTS | ns_calls.NEW_NAMES)
    ns_calls.mount("none", "/", flags=ns_calls.PRIVATE)
    ns_calls.mount("proc", "/proc", "proc")
    lab, own = (os.open(path, os.O_PATH) for path in (host.lab, host.directory))
    for place in ("/run", "/tmp", "/var/tmp", "/root"):  # noqa: S108 (they are its own)
        ns_calls.mount("tmpfs", place, "tmpfs")
    for place in ("/run/lab", "/run/etc/upper", "/run/etc/work", "/run/bin", "/run/sshd"):
        Path(place).mkdir(parents=True)
    host.lab.mkdir(parents=True, exist_ok=True)
    ns_calls.mount(f"/proc/self/fd/{lab}", str(host.lab), flags=ns_calls.BIND)
    ns_calls.mount(f"/proc/self/fd/{own}", "/run/lab", flags=ns_calls.BIND)
    layers = "lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work"
    ns_calls.mount("overlay", "/etc", "overlay", options=layers)


def _system(host: Host, line: str) -> None:
    """Write what every system has."""
    written = {"boot_id": str(uuid4()), "cmdline": line}
    real = {"boot_id": "/proc/sys/kernel/random/boot_id", "cmdline": "/proc/cmdline"}
    for name, text in written.items():
        path = host.directory / name
        path.write_text(f"{text}\n")
        ns_calls.mount(str(path), real[name], flags=ns_calls.BIND)
    stand_in = Path("/run/bin/kexec")
    stand_in.write_bytes(KEXEC)
    stand_in.chmod(0o755)
    Path("/etc/resolv.conf").unlink(missing_ok=True)
    Path("/run/sshd_config").write_text(CONFIG)
    socket.sethostname(f"own{host.number}")
    for name in ("role", "host"):
        (host.directory / name).unlink(missing_ok=True)


def _deployment(line: str) -> dict[str, object]:
    """Return the deployment JSON that a command line tells of, as NXC's stage 1 finds it."""
    words = [word for word in line.split() if word.startswith("deploy=")]
    value = words[-1].partition("=")[2]
    if value.startswith(("http://", "https://")):
        with urllib.request.urlopen(value, timeout=FETCH_SECONDS) as answer:  # noqa: S310
            text = answer.read()
    else:
        text = base64.b64decode(value)
    told = json.loads(text)
    assert isinstance(told, dict)  # noqa: S101
    return told


def _stage_1(host: Host, told: dict[str, object]) -> None:
    """Do what NXC's stage 1 does with the deployment JSON: facts of 0.7.11, not its code."""
    nodes = told["deployment"]
    assert isinstance(nodes, dict)  # noqa: S101
    node = nodes[host.address]
    nxc = Path("/etc/nxc")
    nxc.mkdir(exist_ok=True)
    written = {
        "role": node["role"],
        "hostname": node["host"],
        "ip_addr": host.address,
        "deployment-hosts": "\n".join(f"{ip} {each['host']}" for ip, each in nodes.items()),
        "deployment.json": json.dumps(told),
    }
    for name, text in written.items():
        (nxc / name).write_text(f"{text}\n")
    with Path("/etc/hosts").open("a") as hosts:
        hosts.write(f"{written['deployment-hosts']}\n")
    infos = json.loads(Path(str(told["compositions_info_path"])).read_text())
    system = infos[told["composition"]]["roles"][node["role"]]
    Path("/run/current-system").symlink_to(system)
    _authorize(f"{told['ssh_key.pub']}\n")
    # an image makes its host keys when it boots
    make_key(Path("/run/lab/host_key"))
    socket.sethostname(str(node["host"]))
    for name in ("role", "host"):
        (host.directory / name).write_text(str(node[name]))


def _authorize(keys: str) -> None:
    """Let root in by keys."""
    place = Path("/root/.ssh")
    place.mkdir(mode=0o700)
    (place / "authorized_keys").write_text(keys)
