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
from dataclasses import dataclass, replace
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
    attribute = attribute or '"composition::vm-ramdisk"'
    flavour = attribute.rpartition("::")[2].rstrip('"')
    made = debian.prepare(
        flake, store=store, locked=True, report=silent, timeout=600, flavour=flavour
    )
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
    kernel, initrd = kernel_and_initrd(built)
    append = f"{STATIC} {deploy(built, directory, {'192.168.1.1': role})}"
    with qemu(directory, kernel, initrd, append, *LONELY, "-no-reboot") as started:
        yield started


def kernel_and_initrd(built: Built) -> tuple[Path, Path]:
    return built.real(built.info["all"]["kernel"]), built.real(built.info["all"]["initrd"])


def key_of(directory: Path) -> Path:
    """Return the private key of the tests that work in this directory."""
    key = directory / "key"
    if not key.exists():
        shell.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], timeout=10)
    return key


def deploy(built: Built, directory: Path, roles: dict[str, str], **parameters: object) -> str:
    """Return the kernel parameter that gives machines (address -> role) their role."""
    tree = deployment(built, directory, roles, **parameters)
    return "deploy=" + base64.b64encode(json.dumps(tree).encode()).decode()


def deployment(
    built: Built, directory: Path, roles: dict[str, str], **parameters: object
) -> dict[str, object]:
    """Return a deployment JSON."""
    return {
        "ssh_key.pub": key_of(directory).with_suffix(".pub").read_text().strip(),
        "composition": "composition",
        "compositions_info_path": built.info["compositions_info_path"],
        "deployment": {
            address: {"role": role, "host": f"{role}1"} for address, role in roles.items()
        },
        **({"parameters": parameters} if parameters else {}),
    }


STATIC = "ip=192.168.1.1::192.168.1.254:255.255.255.0::eth1:off"
"""An address on the second card, with the default route."""

LONELY = (
    *("-netdev", "hubport,id=n1,hubid=1"),
    *("-device", "virtio-net-pci,netdev=n1,romfile=,addr=0x11"),
)
"""A second card, connected to nothing."""


@contextmanager
def qemu(
    directory: Path,
    kernel: Path,
    initrd: Path,
    append: str,
    *devices: str,
    name: str = "",
    memory: int = 384,
    restrict: str = "on",
) -> Iterator[Machine]:
    """Start QEMU; its first card forwards a port to sshd.

    `restrict="off"` gives the guest a default route by DHCP, as a cluster does.
    """
    port, console = _free_port(), directory / f"console{name}"
    argv = [
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-M", "q35", "-cpu", "max"),
        *("-m", str(memory), "-nodefaults", "-no-user-config", "-display", "none"),
        *("-serial", f"file:{console}", "-kernel", str(kernel), "-initrd", str(initrd)),
        *("-append", f"console=ttyS0 quiet net.ifnames=0 panic=-1 boot.panic_on_fail {append}"),
        *("-netdev", f"user,id=n0,restrict={restrict},hostfwd=tcp:127.0.0.1:{port}-:22"),
        *("-device", "virtio-net-pci,netdev=n0,romfile=,addr=0x10", *devices),
    ]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    ssh = (*SSH, "-i", str(key_of(directory)), "-p", str(port))
    try:
        yield Machine(process, console, ssh)
    finally:
        process.terminate()
        process.wait(20)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass(frozen=True)
class Machine:
    """A running machine."""

    process: subprocess.Popen
    console: Path
    ssh: tuple[str, ...]

    def ready(self, boots: int = 1) -> str:
        """Wait for the line that tells that sshd listens, of so many boots; return it."""
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and self.process.poll() is None:
            text = self.console.read_text(errors="replace") if self.console.exists() else ""
            found = re.findall(r"^nxc-ready .*$", text, re.M)
            if len(found) >= boots:
                return found[-1].strip()
            time.sleep(0.1)
        raise AssertionError(self.console.read_text(errors="replace")[-3000:])

    def __call__(self, command: str, user: str = "root", stdin: str | None = None) -> str:
        argv = [*self.ssh, f"{user}@127.0.0.1", command]
        return shell.run(argv, stdin=stdin, timeout=90).stdout.strip()

    def push(self, file: Path, there: str) -> None:
        argv = [*self.ssh, "root@127.0.0.1", f"cat > {there}"]
        shell.stream(argv, stdin_from=file, timeout=90)

    def known_by(self, key: Path) -> Machine:
        """Return the same machine, spoken to with another key."""
        ssh = [str(key) if word.endswith("/key") else word for word in self.ssh]
        return replace(self, ssh=tuple(ssh))
