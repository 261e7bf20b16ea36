"""Machines that another EnOSlib provider gave (`hosts=`): bound in order, given back.

The other provider's object is kept as it is: EnOSlib's own rules (pickle, deepcopy, destroy
by name) hold for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from enoslib.infra.provider import Provider

from enoslib_nxc import own_system, parallel, pins, reach, shell, survey
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import PlatformError
from enoslib_nxc.events import Reporter
from enoslib_nxc.g5k.release import reboot
from enoslib_nxc.model import Deployment, Machine, Plan
from enoslib_nxc.outlook import Outlook, unknown
from enoslib_nxc.platforms import Grant, NoCalendar, lent
from enoslib_nxc.platforms.lent import Given
from enoslib_nxc.state import Home
from enoslib_nxc.survey import Survey


class HostsPlatform(NoCalendar):
    """Takes the machines of another provider.

    Args:
        given: that provider, or what one gave; None where only the record is needed.
    """

    def __init__(self, given: Given = None) -> None:
        self.given = given

    def check(self, settings: Settings) -> None:
        """Refuse a machine without ssh."""
        shell.require("ssh", purpose="to reach the machines", package="openssh-client")

    def acquire(
        self,
        settings: Settings,
        home: Home,
        plan: Plan,
        previous: Deployment | None,
        report: Reporter,
    ) -> Grant:
        """Bind each host of the plan to a machine, in the order of both.

        Machines are asked for the address that NXC's stage 1 will find.
        """
        with lent.taken(self.given, previous) as ours:
            return self._bound(settings, home, plan, previous, ours_to_end=ours)

    def _bound(
        self,
        settings: Settings,
        home: Home,
        plan: Plan,
        previous: Deployment | None,
        *,
        ours_to_end: bool,
    ) -> Grant:
        offered = {(m.ssh_host, m.ssh_port): m for m in self._machines(settings)}
        held = {
            host: machine
            for host, machine in (previous.machines if previous else {}).items()
            if (machine.ssh_host, machine.ssh_port) in offered
        }
        kept = {n.host: held[n.host] for n in plan.nodes if n.host in held}
        taken = {(m.ssh_host, m.ssh_port) for m in kept.values()}
        free = [machine for place, machine in offered.items() if place not in taken]
        new = [n.host for n in plan.nodes if n.host not in kept]
        if len(new) > len(free):
            missing = ", ".join(new[len(free) :])
            raise PlatformError(
                f"the other provider gave {_count(len(offered))}, "
                f"{len(plan.nodes)} are needed: none is left for {missing}",
                resolution="ask it for more, or give the roles fewer machines",
            )
        bound = {h: m.model_copy(update={"host": h}) for h, m in zip(new, free, strict=False)}
        inherited = _inherited(bound, held.values(), home)
        asked = _asked({h: m for h, m in bound.items() if h not in inherited}, home)
        known = {host: _known(bound[host], asked[host]) for host in asked}
        machines = {**kept, **inherited, **known}
        _refuse_shared_address(machines)
        networks = {str(s.interface.network) for s in asked.values() if s.interface}
        networks |= set(previous.networks) if previous and kept else set()
        ordered = {n.host: machines[n.host] for n in plan.nodes}
        return Grant(ordered, tuple(sorted(networks)), lent=True, ours_to_end=ours_to_end)

    def _machines(self, settings: Settings) -> Iterator[Machine]:
        kexec = settings.kexec
        return lent.machines(
            lent.hosts(self.given, word="hosts"),
            first_contact=kexec.host_keys == "first-contact",
            reboot=kexec.reboot_on_destroy,
        )

    def foresee(self, settings: Settings, plan: Plan, previous: Deployment | None) -> Outlook:
        """Tell which machines they would be, as far as no provider has to be called."""
        hosts = tuple(node.host for node in plan.nodes)
        held = previous.machines if previous else {}
        kept = {host: held[host] for host in hosts if host in held}
        new = [host for host in hosts if host not in kept]
        if isinstance(self.given, Provider):
            places = dict.fromkeys(new, f"a machine of {type(self.given).__name__}")
        else:
            taken = {(m.ssh_host, m.ssh_port) for m in kept.values()}
            offered = ((m.ssh_host, m.ssh_port) for m in self._machines(settings))
            free = (place[0] for place in offered if place not in taken)
            places = dict(zip(new, free, strict=False))
        missing = [host for host in new if host not in places]
        told = unknown(hosts)
        seats = {
            host: seat.model_copy(
                update={
                    "place": kept[host].ssh_host if host in kept else places.get(host, ""),
                    "address": kept[host].address if host in kept else "",
                }
            )
            for host, seat in told.seats.items()
        }
        notes = (f"no machine was given for {', '.join(missing)}",) if missing else ()
        return told.model_copy(update={"seats": seats, "notes": notes})

    def connect(self, deployment: Deployment) -> bool:
        """Their network is not ours to make."""
        return False

    def connected(self, deployment: Deployment) -> bool:
        """Their network is not ours to make."""
        return True

    def release(self, deployment: Deployment, home: Home, timeout: float) -> tuple[str, ...]:
        """Reboot the machines into their own systems; then destroy them, if they are ours.

        Those that kept theirs forget the deployment.
        """
        ours = [m.host for m in deployment.machines.values() if m.state != "planned"]
        told = reboot(deployment, home, ours, timeout)
        told += own_system.leave(deployment, home, ours, timeout)
        lent.give_back(self.given, deployment)
        return told


def _count(number: int) -> str:
    return "1 machine" if number == 1 else f"{number} machines"


def _inherited(
    bound: Mapping[str, Machine], held: Iterable[Machine], home: Home
) -> dict[str, Machine]:
    """Return those of the new hosts' machines that a host which is no more leaves them.

    They run our system: they are reached by its keys.
    """
    left = {(m.ssh_host, m.ssh_port): m for m in held if m.state != "planned"}
    found = {}
    for host, machine in bound.items():
        if before := left.get((machine.ssh_host, machine.ssh_port)):
            pins.rename(home.known_hosts, before.host, host)
            found[host] = before.model_copy(update={"host": host})
    return found


def _asked(machines: Mapping[str, Machine], home: Home) -> dict[str, Survey]:
    """Ask machines what they are.

    Raises:
        PlatformError: naming all that did not answer, or have no address.
    """

    def ask(host: str) -> Survey:
        access, host_key = reach.entry(machines[host], home)
        answer = survey.ask(access, host_key)
        if answer.interface is None:
            raise PlatformError(f"{host} has no default route, and so no address")
        survey.keep(access, answer)  # the boot wants to know the same
        return answer

    outcome = parallel.each(machines, ask)
    if outcome.failed:
        raise lent.unusable(
            "machines",
            machines,
            outcome.failed,
            key="kexec.host_keys",
            known=home.entry_hosts,
        )
    return outcome.done


def _refuse_shared_address(machines: Mapping[str, Machine]) -> None:
    """Refuse machines that stage 1, and the other machines, could not tell apart.

    Raises:
        PlatformError: two have one address, as behind VirtualBox's NAT.
    """
    by_address: dict[str, str] = {}
    for host, machine in machines.items():
        other = by_address.setdefault(machine.address, host)
        if other != host:
            raise PlatformError(
                f"{other} and {host} have the same address {machine.address}, "
                "each on a network of its own",
                resolution="give machines whose default routes are on networks that they share "
                "(Vagrant: backend libvirt, not virtualbox)",
            )


def _known(machine: Machine, answer: Survey) -> Machine:
    """Return a machine with what it told: address, and what its next system keeps."""
    assert machine.entry  # noqa: S101 (made by `_machines`)
    assert answer.interface  # noqa: S101 (`_asked` refuses others)
    words = " ".join(answer.words) or "console=tty0 console=ttyS0,115200"
    update = {"words": words, "ip": answer.ip, "leased": answer.leased}
    return machine.model_copy(
        update={
            "address": str(answer.interface.ip),
            "boot_id": answer.boot_id,
            "entry": machine.entry.model_copy(update=update),
        }
    )
