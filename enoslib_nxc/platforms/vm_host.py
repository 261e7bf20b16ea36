"""One host of virtual machines: how it is told what to do, and what it says of itself."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from enoslib_nxc import node, reach, ssh, survey
from enoslib_nxc.errors import CommandError, PlatformError
from enoslib_nxc.model import Deployment, Machine
from enoslib_nxc.state import Home
from enoslib_nxc.survey import Survey
from enoslib_nxc.transfer import Place

VXLAN_BYTES = 50
"""Bytes that a VXLAN adds to each packet: Ethernet 14, IPv4 20, UDP 8, VXLAN 8 (RFC 7348)."""

NETWORK_SECONDS = 60.0
"""For a host to join the network, or to look who is on it."""

PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "ip": "iproute2",
    "bridge": "iproute2",
}
"""Program that a host needs -> Debian package."""


def namespace(token: str) -> str:
    """Return the network namespace of a deployment on its hosts."""
    return f"nxc-vm-{token}"


def card(token: str, machine: Machine) -> str:
    """Return a machine's interface on its host, 15 characters at most (IFNAMSIZ)."""
    return f"nxv{token[:8]}-{machine.address.rpartition('.')[2]}"


def vxlan_id(token: str) -> int:
    """Return the id of a deployment's VXLAN: 24 bits, not 0."""
    return int(token[:6], 16) or 1


def place(host: Machine, token: str, home: Home) -> Place:
    """Return the directory of a deployment on a host.

    Args:
        host: as it was given.
        token: the deployment's.
        home: its directory here.
    """
    access, host_key = reach.vm_host(host, home)
    # its name cannot be guessed, and /var/tmp is on disk
    return Place(access, host_key, f"/var/tmp/enoslib-nxc-{token}")  # noqa: S108


def named(deployment: Deployment) -> dict[str, Machine]:
    """Return the hosts that have something of a deployment, by name."""
    return {host.host: host for part in deployment.parts for host in part.vm_hosts}


@dataclass(frozen=True)
class Account:
    """A host's own account (the output of `playbooks/survey.sh` and `vm-host.sh`).

    Args:
        survey: what every machine tells.
        links: interface -> MTU in bytes.
        ports: TCP ports that something listens on.
        machines: host name of each machine of the deployment that runs there -> MiB it has.
    """

    survey: Survey
    links: dict[str, int] = field(default_factory=dict)
    ports: frozenset[int] = frozenset()
    machines: dict[str, int] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """By which the other hosts reach it."""
        return str(self.survey.interface.ip) if self.survey.interface else ""

    @property
    def mtu(self) -> int:
        """Bytes that a packet of its machines may have."""
        return self.links.get(self.survey.values.get("device", ""), 1500) - VXLAN_BYTES

    @property
    def memory(self) -> int:
        """MiB that the deployment's machines can have, with what they have."""
        available = int(self.survey.values.get("MemAvailable", "0")) >> 10
        return available + sum(self.machines.values())

    @property
    def cores(self) -> int:
        """Of its processors."""
        return int(self.survey.values.get("cores") or 1)

    @property
    def kvm(self) -> bool:
        """Whether it has a device for KVM; whether that works is found by trying."""
        return self.survey.values.get("kvm") == "yes"

    def faults(self) -> list[str]:
        """Say why it cannot run virtual machines; empty when it can."""
        values = self.survey.values
        found = []
        if values.get("uid") != "0":
            found.append(f"it lets us in as uid {values.get('uid')}, not as root")
        if values.get("machine") != "x86_64":
            found.append(f"it is {values.get('machine')}, the image is for x86_64")
        missing = [program for program in PACKAGES if not values.get(program)]
        found += [f"{each} is not installed (package {PACKAGES[each]})" for each in missing]
        if values.get("tun") != "yes":
            found.append("it has no /dev/net/tun, by which machines join the network")
        if "ip" not in missing and not self.address:
            found.append("it has no default route, and so no address for the others")
        return found


def parse(text: str) -> Account:
    """Read a host's account."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        key, _, value = line.partition("=")
        found[key].append(value)
    pairs = {key: [value.split() for value in found[key]] for key in ("link", "guest")}
    return Account(
        survey=survey.parse(text),
        links={name: int(mtu) for name, mtu in pairs["link"]},
        ports=frozenset(int(port, 16) for port in found["port"]),
        machines={name: int(kib) >> 10 for name, kib in pairs["guest"]},
    )


def ask(host: Machine, token: str, home: Home) -> Account:
    """Ask a host what it has.

    Args:
        host: as it was given.
        token: the deployment's, "" where there is none yet.
        home: its directory here.

    Raises:
        CommandError: it did not answer, or refused.
    """
    access, host_key = reach.vm_host(host, home)
    # the first script exits
    text = f"(\n{node.text('survey')}\n)\n" + node.assignments({"TOKEN": token or "none"})
    text += node.text("vm-host")
    result = ssh.script(access, text, timeout=survey.TIMEOUT, host_key=host_key)
    account = parse(result.stdout)
    if not account.survey.boot_id:
        raise CommandError(f"{access.name} gave no account of itself", details=result.stdout)
    return account


def end(place: Place, token: str, hosts: list[str], timeout: float) -> None:
    """End machines on a host.

    Args:
        place: the deployment's on it.
        token: the deployment's.
        hosts: of which hosts.
        timeout: seconds.

    Raises:
        CommandError: it did not answer.
        PlatformError: some do not end.
    """
    _ended(place, token, "machines", hosts, timeout)


def clear(place: Place, token: str, timeout: float) -> None:
    """End all of a deployment on a host: its machines, network and files.

    Raises:
        CommandError: it did not answer, or something cannot be removed.
        PlatformError: some processes do not end.
    """
    _ended(place, token, "clear", [], timeout)


def _ended(place: Place, token: str, action: str, hosts: list[str], timeout: float) -> None:
    values = {
        "ACTION": action,
        "TOKEN": token,
        "HOSTS": " ".join(hosts),
        "SECONDS_LEFT": str(int(max(1.0, timeout - NETWORK_SECONDS))),
        "NAMESPACE": namespace(token),
        "DIRECTORY": place.directory,
    }
    left = place.run("vm-end", values, timeout=max(NETWORK_SECONDS, timeout)).split()
    if left:
        raise PlatformError(f"{place.name}: still running: {', '.join(left)}")
