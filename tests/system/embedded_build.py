"""Builds variations of the embedded composition, and boots one machine of them by hand."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc import debian, shell
from enoslib_nxc.events import silent
from enoslib_nxc.nix import NixStore

SSH = (
    *("ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"),
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
)


@dataclass(frozen=True)
class Built:
    """A build: its compose info, the derivations it was made with, and what was built now."""

    store: NixStore
    drv: str
    info: dict
    names: list[str]

    def real(self, path: str) -> Path:
        return self.store.map.real(path)

    @property
    def composition(self) -> dict:
        return self.info["compositions_info"]["composition"]


def build(store: NixStore, flake: Path, attribute: str = "") -> Built:
    """Fetch and build a flake; `names` are those of the derivations that were built."""
    made = debian.prepare(flake, store=store, locked=True, report=silent, timeout=600)
    attribute = attribute or '"composition::vm-ramdisk"'
    result = store.run(
        *("nix", "build", "--no-link", "--json", f"path:{made.flake_dir}#{attribute}"),
        timeout=900,
    )
    found = json.loads(result.stdout)[0]
    names = re.findall(r"^building '/nix/store/[a-z0-9]{32}-(.*)\.drv'", result.stderr, re.M)
    info = json.loads(store.map.real(found["outputs"]["out"]).read_text())
    return Built(store, found["drvPath"], info, names)


@contextmanager
def machine(built: Built, role: str, directory: Path) -> Iterator[Machine]:
    """Boot one machine under emulation, with its address on a second, unshared network."""
    key = directory / "key"
    if not key.exists():
        shell.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], timeout=10)
    deployment = {
        "ssh_key.pub": (directory / "key.pub").read_text().strip(),
        "composition": "composition",
        "compositions_info_path": built.info["compositions_info_path"],
        "deployment": {"192.168.1.1": {"role": role, "host": f"{role}1"}},
    }
    text = base64.b64encode(json.dumps(deployment).encode()).decode()
    port, console = _free_port(), directory / "console"
    argv = _qemu(built, port, console, f"deploy={text}")
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        yield Machine(process, console, (*SSH, "-i", str(key), "-p", str(port)))
    finally:
        process.terminate()
        process.wait(20)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _qemu(built: Built, port: int, console: Path, parameters: str) -> list[str]:
    everything = built.info["all"]
    append = (
        "console=ttyS0 quiet net.ifnames=0 panic=-1 boot.panic_on_fail "
        f"ip=192.168.1.1::192.168.1.254:255.255.255.0::eth1:off {parameters}"
    )
    return [
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-M", "q35", "-cpu", "max"),
        *("-m", "384", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-serial", f"file:{console}", "-append", append),
        *("-kernel", str(built.real(everything["kernel"]))),
        *("-initrd", str(built.real(everything["initrd"]))),
        *("-netdev", f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"),
        *("-device", "virtio-net-pci,netdev=n0,romfile=,addr=0x10"),
        *("-netdev", "hubport,id=n1,hubid=1"),
        *("-device", "virtio-net-pci,netdev=n1,romfile=,addr=0x11"),
    ]


@dataclass(frozen=True)
class Machine:
    """A running machine."""

    process: subprocess.Popen
    console: Path
    ssh: tuple[str, ...]

    def ready(self) -> str:
        """Wait for the line that tells that sshd listens; return it."""
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and self.process.poll() is None:
            text = self.console.read_text(errors="replace") if self.console.exists() else ""
            found = re.search(r"^nxc-ready .*$", text, re.M)
            if found:
                return found[0].strip()
            time.sleep(0.1)
        raise AssertionError(self.console.read_text(errors="replace")[-3000:])

    def __call__(self, command: str) -> str:
        return shell.run([*self.ssh, "root@127.0.0.1", command], timeout=90).stdout.strip()
