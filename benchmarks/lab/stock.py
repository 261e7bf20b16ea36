"""An image without what an experiment needs, and EnOSlib's way to bring it there."""

from __future__ import annotations

import shutil
import tarfile
import time
from pathlib import Path

import enoslib as en

from benchmarks.lab import guests, ours
from benchmarks.lab.guests import Guests
from benchmarks.measure import MeasureError
from enoslib_nxc import debian
from enoslib_nxc.debian.prepare import cache_root

COMPOSITION = """# Roles of a stock image: sshd, Python, and a program that unpacks packages.
{ ... }: {
  roles = rec {
    server = { pkgs, ... }: { environment.systemPackages = [ pkgs.busybox-static ]; };
    agent = server;
  };
}
"""

PACKAGES = ("libsctp1", "libiperf0", "iperf3")
"""What the experiment needs, and the image has not."""

PORT = 5201

UNIT = f"""[Unit]
Description=iperf3 server
[Service]
ExecStart=/usr/bin/iperf3 --server --port {PORT}
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""

UNPACK = """cd /root && tar -xf packages.tar &&
for file in *.deb; do busybox dpkg-deb -x $file / || exit; done; ldconfig"""


def composition(directory: Path) -> Path:
    """Make the composition in a directory, and return it."""
    directory.mkdir()
    for name in ("flake.nix", "setup.toml", debian.LOCK_NAME):
        shutil.copy(debian.EMBEDDED_DIR / name, directory)
    (directory / "composition.nix").write_text(COMPOSITION)
    return directory


def packages(directory: Path) -> Path:
    """Return a directory with the packages in one file, and the unit; it is made.

    They were fetched for the other image.
    """
    directory.mkdir()
    with tarfile.open(directory / "packages.tar", "w") as archive:
        for name in PACKAGES:
            found = sorted((cache_root() / "debian").glob(f"{name}_*.deb"))
            if not found:
                raise MeasureError(f"there is no package {name} in {cache_root()}")
            archive.add(found[-1], found[-1].name)
    (directory / "iperf3.service").write_text(UNIT)
    return directory


def static(machines: Guests) -> en.Static:
    """Return guests as EnOSlib's provider of machines that are there."""
    conf = en.StaticConf()
    for number, door in enumerate(machines.doors, 1):
        conf.add_machine(
            roles=[door.role],
            alias=door.host,
            address=f"192.168.1.{number}",
            user="root",
            keyfile=str(machines.key),
            port=door.port,
            extra={"ansible_host": door.address, "ansible_port": door.port},
        )
    conf.add_network(
        roles=["nxc"],
        cidr="192.168.1.0/24",
        start="192.168.1.1",
        end="192.168.1.250",
        gateway="192.168.1.254",
        dns="192.168.1.254",
    )
    return en.Static(conf)


def deploy(machines: Guests) -> tuple[en.Roles, float]:
    """Start guests, whose switch is there, and wait for them as EnOSlib does."""
    began = time.monotonic()
    guests.start(machines)
    roles, _networks = static(machines).init()
    en.wait_for(roles)
    return roles, time.monotonic() - began


def provision(roles: en.Roles, packages: Path) -> float:
    """Install packages, write what configures the service, and start it."""
    began = time.monotonic()
    with en.actions(roles=roles, gather_facts=False) as a:
        a.copy(src=f"{packages}/packages.tar", dest="/root/", task_name="packages")
        a.shell(UNPACK, task_name="install")
    with en.actions(roles=roles["server"], gather_facts=False) as a:
        unit = "/etc/systemd/system/iperf3.service"
        a.copy(src=f"{packages}/iperf3.service", dest=unit, task_name="configuration")
        a.systemd(name="iperf3", state="started", daemon_reload=True, task_name="service")
    return time.monotonic() - began


def recorded(directory: Path, size: int) -> Guests:
    """Build the image, and take what starts so many machines of it."""
    source = composition(directory / "stock")
    made = ours.provider("benchmark-stock", ours.roles(size), composition=str(source))
    try:
        made.init()
        return guests.of(made, directory / "stock-guests")
    finally:
        ours.destroy(made)
