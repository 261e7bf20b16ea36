"""Containers of systemd-nspawn on this computer, as root: flavour nspawn.

There is no stage 1: what it would write into a machine's root directory (role, host name,
deployment JSON, keys) is prepared here. The root directory is made anew at each start; the
store is this computer's, read-only. The machine's identity is in the environment of its first
process, which nothing changes while it runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc import netns, pins, shell, status
from enoslib_nxc.boots import Checked, Run, console
from enoslib_nxc.built import RoleImage
from enoslib_nxc.config import Settings
from enoslib_nxc.data import Scalar
from enoslib_nxc.errors import ArtifactError, PlatformError
from enoslib_nxc.handover import taken
from enoslib_nxc.model import Deployment, Identity, Machine, Node
from enoslib_nxc.names import DIGEST_VARIABLE
from enoslib_nxc.platforms import places
from enoslib_nxc.platforms.places import Place
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.state import Home
from enoslib_nxc.status import Report
from enoslib_nxc.wait import Deadline, until_greeting

START_SECONDS = 30.0
"""For systemd-nspawn to be on its way; what it does then is on the console."""

ENVIRONMENT = {
    # the version of systemd in the machine cannot be told from its root, which is empty
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    # /sys and /proc/sys/net of the machine's own network, writable, as with --private-network
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
}
"""Variables of systemd-nspawn (systemd's docs/ENVIRONMENT.md)."""

SYSTEMD = Path("/run/systemd/system")
"""It is there where systemd runs this computer (sd_booted(3))."""


@dataclass(frozen=True)
class Command:
    """What one systemd-nspawn is started with.

    Args:
        tag: process tag, by which it is found again.
        place: where the machine is.
        store: directory that is its /nix/store.
        init: store path of its first program.
        hostname: its host name.
        digest: of its identity.
        volumes: directories of this computer that it sees, SOURCE:TARGET[:ro].
        scope: whether systemd, which runs this computer, gives it a control group.
    """

    tag: str
    place: Place
    store: Path
    init: str
    hostname: str
    digest: str
    volumes: tuple[str, ...]
    scope: bool

    def argv(self, nspawn: str) -> list[str]:
        """Return the command line."""
        return [
            *[nspawn, f"--setenv=NXC_MACHINE={self.tag}", "--register=no"],
            *([] if self.scope else ["--keep-unit"]),
            *[places.machine_option(self.place.name), f"--hostname={self.hostname}"],
            *[f"--directory={self.place.root}", f"--bind-ro={_escape(self.store)}:/nix/store"],
            *map(_bind, self.volumes),
            *[f"--network-namespace-path={netns.DIRECTORY / self.place.name}"],
            *["--capability=CAP_NET_ADMIN"],  # given by itself with --private-network only
            *["--kill-signal=SIGRTMIN+3"],  # to systemd: an orderly shutdown (systemd(1))
            *["--resolv-conf=off", "--timezone=off", "--link-journal=no"],
            *[f"--setenv={DIGEST_VARIABLE}={self.digest}", self.init],
        ]


class NspawnBoot:
    """Starts the built systems in containers."""

    def require(self) -> None:
        """Refuse a machine without systemd-nspawn."""
        _program()
        shell.require("setsid", purpose="to start containers", package="util-linux")

    def shape(self, settings: Settings, node: Node, machine: Machine) -> dict[str, Scalar]:
        """Return its address: containers share memory and cores."""
        return {"address": machine.address}

    def check(self, run: Run, wanted: Mapping[str, Identity]) -> Checked:
        """Refuse volumes that are not there."""
        for role in dict.fromkeys(identity.role for identity in wanted.values()):
            for volume in _image(run, role).volumes:
                _check_volume(volume, role)
        return Checked(run)

    def start(self, run: Run, host: str, deadline: Deadline) -> None:
        """Start one machine; what ran in its place is shut down."""
        self.stop(run, [host])
        pins.pin(run.home.known_hosts, host)  # it is about to make new keys
        log = run.home.console(host)
        log.parent.mkdir(mode=0o700, exist_ok=True)
        place = places.place(run.deployment, run.home, host)
        _prepare(run, host, place)
        machine = run.machine(host)
        length = run.deployment.networks[0].partition("/")[2]
        netns.plug(
            place.name,
            places.switch(run.deployment.token),
            port=f"p{machine.address.rpartition('.')[2]}",
            mac=machine.mac,
            address=f"{machine.address}/{length}",
        )
        groups = [] if SYSTEMD.is_dir() else places.make_groups(place.name)
        runner: list[str | Path] = [Path(__file__).with_name("nspawn.sh"), log]
        runner += [place.seed, place.root, " ".join(map(str, groups))]
        command = _command(run, host, place).argv(_program())
        shell.run(
            ["setsid", "--fork", "sh", *runner, *command],
            env=ENVIRONMENT,
            timeout=START_SECONDS,
        )

    def stop(self, run: Run, hosts: list[str]) -> None:
        """Shut machines down, and remove what is left of them."""
        ended = [places.place(run.deployment, run.home, host) for host in hosts]
        places.end([place.name for place in ended], run.settings.deadlines.destroy)
        for place in ended:
            places.clear(place.name)
            places.remove_files(place.path)

    def alive(self, deployment: Deployment, home: Home) -> set[str]:
        """Return the hosts that systemd-nspawn runs."""
        return set(places.running(deployment))

    def arrive(self, run: Run, access: Access, deadline: Deadline) -> Report:
        """Wait for the machine's ssh server; a machine that has ended ends the wait."""
        connection = until_greeting(access, deadline, lambda: self._trouble(run, access.name))
        with taken(access, connection, run.deployment) as way:
            return status.ask(way, HostKey.FIRST_CONTACT, max(1.0, deadline.remaining()))

    def _trouble(self, run: Run, host: str) -> str:
        return "" if host in places.running(run.deployment) else "its container ended"

    def log(self, run: Run, host: str) -> str:
        """Return the last lines of the console."""
        told = console.tail(run.home.console(host))
        return f"last lines of {run.home.console(host)}:\n{told}" if told else ""

    def close(self) -> None:
        """Nothing serves."""


def _program() -> str:
    return shell.require(
        "systemd-nspawn", purpose="to start containers", package="systemd-container"
    )


def _prepare(run: Run, host: str, place: Place) -> None:
    """Make the machine's root directory, and what goes into it at each boot.

    These are the files that NXC's stage 1 writes (`nix/flavours/shared/stage-1-cmds.nix`).
    """
    machine = run.machine(host)
    if machine.identity is None:
        raise ArtifactError(f"{host} was not told what to run")
    # systemd-nspawn knows a root directory by its usr
    _directories(place.root / "usr", place.seed / "etc" / "nxc")
    _directories(place.seed / "root" / ".ssh", mode=0o700)
    authorized = json.loads(run.context.text)["ssh_key.pub"]
    files = {
        "etc/nxc/role": machine.identity.role,
        "etc/nxc/hostname": host,
        "etc/nxc/ip_addr": machine.address,
        "etc/nxc/deployment.json": run.context.text,
        "etc/nxc/deployment-hosts": run.context.hosts,
        "root/.ssh/authorized_keys": authorized,
    }
    for name, text in files.items():
        (place.seed / name).write_text(f"{text}\n")
        (place.seed / name).chmod(0o644)


def _directories(*paths: Path, mode: int = 0o755) -> None:
    """Make directories of a machine and those above, for its own users too.

    The umask here does not count; the deployment's directory keeps others out.
    """
    for path in paths:
        path.mkdir(parents=True, exist_ok=True)
        for one in (path, path.parent):
            one.chmod(mode)


def _command(run: Run, host: str, place: Place) -> Command:
    identity = run.machine(host).identity
    if identity is None:
        raise ArtifactError(f"{host} was not told what to run")
    image = _image(run, identity.role)
    return Command(
        tag=places.tag(run.deployment, host),
        place=place,
        store=run.deployment.artifacts.store.real("/nix/store"),
        init=image.init,
        hostname=host,
        digest=identity.digest,
        volumes=image.volumes,
        scope=SYSTEMD.is_dir(),
    )


def _image(run: Run, role: str) -> RoleImage:
    return run.deployment.artifacts.roles[role]


def _check_volume(volume: str, role: str) -> None:
    source, target, *_ = [*volume.split(":"), ""]
    if not (source.startswith("/") and target.startswith("/")):
        raise PlatformError(
            f"extraVolumes: {volume!r}, for role {role}, is not SOURCE:TARGET[:ro]",
            resolution="name two absolute paths in extraVolumes of the composition",
        )
    if not Path(source).exists():
        raise PlatformError(
            f"extraVolumes: {source}, for role {role}, is not there",
            resolution="make it, or take it out of extraVolumes of the composition",
        )


def _bind(volume: str) -> str:
    """Return the option for a volume as docker's compose files have it."""
    source, target, *mode = volume.split(":")
    option = "--bind-ro" if mode == ["ro"] else "--bind"
    return f"{option}={source}:{target}"


def _escape(path: Path) -> str:
    """Return a path for an option of systemd-nspawn, where a colon parts two."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:")
