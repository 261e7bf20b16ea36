"""What is looked at on this computer: each check by the means that a deployment itself uses.

A check returns a verdict or raises the error that a deployment would end with.
"""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from enoslib_nxc import docker, keys, nix, shell, ssh, state
from enoslib_nxc.boots import accel
from enoslib_nxc.boots.nspawn import NspawnBoot
from enoslib_nxc.config import Settings
from enoslib_nxc.config_sections import Build, Ssh
from enoslib_nxc.doctor.model import Verdict, ok, warning
from enoslib_nxc.errors import NxcError, ToolMissingError
from enoslib_nxc.g5k import api, credentials
from enoslib_nxc.nix.facts import probe
from enoslib_nxc.platforms.nspawn import NspawnPlatform

ASK_SECONDS = 30.0
"""For one program to say its version."""

SUPPORTED = {"enoslib": ("10.8", "11"), "pydantic": ("2.5", "3")}
"""Package -> first version, and the first that is too new (setup.cfg)."""

QEMU = "qemu-system-x86_64"


def versions() -> Verdict:
    """Tell the versions of Python, EnOSlib, Ansible; those that do not go together."""
    found = {"python": platform.python_version()}
    faults = []
    for package in ("enoslib-nxc", *SUPPORTED, "ansible-core"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    for package, (first, beyond) in SUPPORTED.items():
        have = _numbers(found.get(package, "0"))
        if not _numbers(first) <= have < _numbers(beyond):
            faults.append(f"{package}>={first},<{beyond}")
    told = ", ".join(f"{name} {version}" for name, version in found.items())
    if faults:
        wanted = " ".join(f"'{fault}'" for fault in faults)
        return Verdict(state="missing", told=told, remedy=f"pip install {wanted}")
    return ok(told)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(part) for part in parts[:2] if part.isdigit())


def nix_store(build: Build) -> Verdict:
    """Tell Nix's version and store; try whether it has flakes and its store answers."""
    facts = probe()
    store = nix.choose(build)
    try:
        store.run("nix", "eval", "--expr", "builtins.getFlake", timeout=ASK_SECONDS)
    except NxcError as error:
        raise ToolMissingError(
            f"nix {facts.version} has no flakes",
            details=error.details,
            resolution="install Nix 2.8 or later (apt-get install nix-bin)",
        ) from error
    store.run("nix", "store", "ping", timeout=ASK_SECONDS)
    return ok(f"nix {facts.version} with flakes, store {store.map.real('/nix/store')}")


def programs() -> Verdict:
    """Look for ssh and ssh-keygen."""
    for program in ("ssh", "ssh-keygen"):
        shell.require(program, purpose="to reach machines", package="openssh-client")
    told = shell.run(["ssh", "-V"], timeout=ASK_SECONDS, check=False)
    return ok((told.stderr or told.stdout).split(",")[0].strip())


def ssh_keys(given: Ssh) -> Verdict:
    """Count the user's keys, in files and in the agent, and look at who else may read them."""
    agent = ssh.agent_keys() if shell.which("ssh-add") else None
    found = keys.public_keys(given.key, agent=agent)
    about = "no agent" if agent is None else f"agent with {len(agent)} keys"
    if open_to_others := _exposed(Path.home() / ".ssh"):
        names = " ".join(map(str, open_to_others))
        return warning(f"open to other users: {names}", f"chmod go-rwx {names}")
    if not found:
        return warning(
            f"you have no ssh key ({about}): only the deployment's own lets you in",
            "ssh-keygen -t ed25519",
        )
    return ok(f"{len(found)} public keys for machines to trust, {about}")


def _exposed(directory: Path) -> list[Path]:
    """Return private keys that others may read, which ssh would not use."""
    found = []
    for file in sorted(directory.glob("id_*")):
        if file.suffix == ".pub" or not file.is_file():
            continue
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            found.append(file)
    return found


def virtual_machines() -> Verdict:
    """Look for QEMU and the switch of flavours vm and vm-ramdisk."""
    program = shell.require(
        QEMU, purpose="to start virtual machines", package="qemu-system-x86"
    )
    shell.require("vde_switch", purpose="to connect virtual machines", package="vde2")
    told = shell.run([program, "--version"], timeout=ASK_SECONDS).stdout.splitlines()[0]
    return ok(told.split("(")[0].strip())


def kvm(compositions: Iterable[Path] = ()) -> Verdict:
    """Try whether a kernel runs under KVM.

    Args:
        compositions: kernels to try with before this computer's own.
    """
    slow = "virtual machines are emulated, about ten times as slow"
    device = Path("/dev/kvm")
    if not device.exists():
        return warning(f"no /dev/kvm: {slow}", "switch virtualisation on in the firmware")
    if not os.access(device, os.R_OK | os.W_OK):
        return warning(
            f"you may not use /dev/kvm: {slow}", "sudo usermod -aG kvm $USER, and log in anew"
        )
    program = shell.which(QEMU)
    kernel = next((path for path in (*compositions, *_kernels()) if _readable(path)), None)
    if program is None or kernel is None:
        lacks = "QEMU" if program is None else "kernel to try it with"
        return warning(f"/dev/kvm is there; no {lacks}, so it is tried at the first boot")
    if accel.choose("auto", qemu=program, kernel=kernel) == "tcg":
        return warning(f"/dev/kvm opens, but a trial boot with KVM failed: {slow}")
    return ok("a trial boot with KVM came up")


def _kernels() -> list[Path]:
    """Return the kernels of deployments, then this computer's own."""
    found = []
    root = state.state_root()
    for directory in sorted(root.iterdir()) if root.is_dir() else ():
        try:
            record = state.Home(directory).load()
        except NxcError:
            continue
        for part in record.parts if record else ():
            if part.artifacts.kernel:
                found.append(part.artifacts.store.real(part.artifacts.kernel))
    return [*found, Path(f"/boot/vmlinuz-{platform.release()}")]


def _readable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.R_OK)


def docker_daemon() -> Verdict:
    """Ask Docker's daemon, and how to call compose."""
    here = docker.here()
    here.require()
    compose = here.compose()
    version = here.run("version", "--format", "{{.Server.Version}}").stdout.strip()
    called = "docker compose" if compose[0] == "docker" else compose[0]
    return ok(f"docker {version} at {here.daemon}, {called}")


def nspawn(settings: Settings | None) -> Verdict:
    """Look for systemd-nspawn, root, and what its network needs."""
    NspawnBoot().require()
    NspawnPlatform().check(settings or Settings.model_validate({"roles": {"any": 1}}))
    return ok("systemd-nspawn, as root")


def grid5000() -> Verdict:
    """Look at the file for Grid'5000's API, and ask the API for its sites."""
    held = credentials.read()
    # the client waits 10 s for a connection and 60 s for an answer, and tries again
    sites = api.call("list the sites", lambda: api.client().sites.list())
    told = f"{len(sites)} sites at {api.address()}, as {api.login()}"
    if held.exposed:
        return warning(f"{told}; others can read your password", f"chmod 600 {held.exposed}")
    return ok(told)


def tmux() -> Verdict:
    """Look for tmux, by which `connect` shows several machines."""
    shell.require("tmux", purpose="for connect to show several machines", package="tmux")
    return ok(shell.run(["tmux", "-V"], timeout=ASK_SECONDS).stdout.strip())
