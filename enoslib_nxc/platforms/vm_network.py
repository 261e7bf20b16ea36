"""One flat network over several hosts of virtual machines: a VXLAN between their addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from enoslib_nxc import parallel
from enoslib_nxc.errors import PlatformError
from enoslib_nxc.model import Deployment, Machine
from enoslib_nxc.platforms import vm_host
from enoslib_nxc.state import Home


@dataclass(frozen=True)
class Network:
    """The network of a deployment's machines.

    Args:
        token: the deployment's.
        home: its directory.
        hosts: the hosts that have machines now, by name.
        mtu: bytes of the largest packet.
        port: UDP port of the VXLAN.
    """

    token: str
    home: Home
    hosts: Mapping[str, Machine]
    mtu: int
    port: int

    @classmethod
    def of(cls, deployment: Deployment, home: Home) -> Network:
        """Return that of a deployment, by its record."""
        known = vm_host.named(deployment)
        seats = [m.hosted for m in deployment.machines.values() if m.hosted]
        hosts = {seat.name: known[seat.name] for seat in seats if seat.name in known}
        mtu, port = (seats[0].mtu, seats[0].port) if seats else (0, 0)  # the same for all
        return cls(deployment.token, home, hosts, mtu, port)

    def join(self) -> None:
        """Have every host on it, and each hear all others.

        Raises:
            PlatformError: naming those that are not.
        """
        told = parallel.each(self.hosts, lambda name: self._ask("up", name))
        _refuse(told.failed, "cannot join the machines' network")
        if len(self.hosts) < 2:
            return
        heard = parallel.each(self.hosts, lambda name: self._ask("reach", name))
        _refuse(heard.failed, "cannot tell whether they hear the others")
        names = list(self.hosts)
        deaf = [
            f"{name} does not hear {names[int(number) - 1]}"
            for name, numbers in heard.done.items()
            for number in numbers.split()
        ]
        if deaf:
            raise PlatformError(
                f"hosts do not hear each other by UDP port {self.port} (VXLAN)",
                details="\n".join(deaf),
                resolution="let it pass between their addresses, or set vm.vxlan_port",
            )

    def there(self) -> bool:
        """Tell whether every host is on it."""
        told = parallel.each(self.hosts, lambda name: self._ask("there", name))
        return not told.failed and all(answer == "yes" for answer in told.done.values())

    def _ask(self, action: str, name: str) -> str:
        names = list(self.hosts)
        others = [other for other in names if other != name]
        values = {
            "ACTION": action,
            "NAMESPACE": vm_host.namespace(self.token),
            "TOKEN": self.token,
            "ID": str(vm_host.vxlan_id(self.token)),
            "PORT": str(self.port),
            "ADDRESS": self.hosts[name].address,
            "NUMBER": str(names.index(name) + 1),
            "MTU": str(self.mtu),
            "PEERS": " ".join(self.hosts[other].address for other in others),
            "NUMBERS": " ".join(str(names.index(other) + 1) for other in others),
        }
        place = vm_host.place(self.hosts[name], self.token, self.home)
        return place.run("vm-network", values, timeout=vm_host.NETWORK_SECONDS).strip()


def _refuse(failed: Mapping[str, Exception], what: str) -> None:
    if failed:
        raise PlatformError(
            f"{', '.join(failed)} {what}", details="\n".join(map(str, failed.values()))
        )
