"""What a platform would give for a plan, told without asking for anything of it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from enoslib_nxc.data import Data
from enoslib_nxc.names import NETWORK_ROLE


class Seat(Data):
    """Where one host would run.

    Args:
        place: the computer, node or container, for people; "" when only the platform's
            answer will tell.
        address: by which other hosts would know it, "" when that is not known yet.
        networks: ids of the networks that it would be on.
        size: memory and cores, for people; "" where the platform decides.
    """

    place: str = ""
    address: str = ""
    networks: tuple[str, ...] = ()
    size: str = ""


class Net(Data):
    """A network that hosts would be on.

    Args:
        id: its name; the same in two groups of hosts is the same network.
        kind: what makes it, for people.
        cidr: its addresses, "" when they are not known yet.
        site: site of Grid'5000, "" elsewhere.
        keys: its keys in EnOSlib's Networks.
        routed: name of what joins it to other networks; those of one name reach each other.
            "" where nothing does.
    """

    id: str
    kind: str
    cidr: str = ""
    site: str = ""
    keys: tuple[str, ...] = ()
    routed: str = ""


class Wish(Data):
    """The nodes that would be reserved for one role.

    Args:
        role: role of the composition.
        nodes: how many.
        cluster: of which cluster, "" where the nodes are named.
        servers: names of the nodes, where they were given.
        site: its site, "" when it could not be looked up.
    """

    role: str
    nodes: int
    cluster: str = ""
    servers: tuple[str, ...] = ()
    site: str = ""


class Reservation(Data):
    """What would be asked of the calendar.

    Args:
        job_name: name of the job.
        walltime: HH:MM:SS.
        start: YYYY-mm-dd HH:MM:SS in the sites' time, "" for as soon as possible.
        queue: OAR's queue.
        types: OAR's types of the job.
        wishes: the nodes of each role.
        jobs: jobs on record or given, "ID of SITE": while they run, nothing is reserved.
    """

    job_name: str
    walltime: str
    start: str = ""
    queue: str = "default"
    types: tuple[str, ...] = ()
    wishes: tuple[Wish, ...] = ()
    jobs: tuple[str, ...] = ()


class Outlook(Data):
    """What a platform would give.

    Args:
        seats: host -> where it would run, for each host of the plan.
        networks: the networks of the seats.
        reservation: what would be reserved, None where there is no calendar.
        notes: what else is to be known, a line each.
    """

    seats: dict[str, Seat] = Field(default_factory=dict)
    networks: tuple[Net, ...] = ()
    reservation: Reservation | None = None
    notes: tuple[str, ...] = ()


def unknown(hosts: tuple[str, ...]) -> Outlook:
    """Return the outlook where a platform tells nothing before it gives its machines.

    Args:
        hosts: the hosts of the plan.
    """
    seat = Seat(networks=(NETWORK_ROLE,))
    network = Net(id=NETWORK_ROLE, kind="shared", keys=(NETWORK_ROLE,))
    return Outlook(seats=dict.fromkeys(hosts, seat), networks=(network,))


def joined(outlooks: Mapping[tuple[str, ...], Outlook]) -> Outlook:
    """Return the outlook on all platforms; what one of them reserves is left out.

    Args:
        outlooks: the flavours of a platform -> what it would give. Networks of several
            platforms are several, whatever their names are.
    """
    if len(outlooks) == 1:
        return next(iter(outlooks.values()))
    seats: dict[str, Seat] = {}
    networks: list[Net] = []
    for names, outlook in outlooks.items():
        own = {net.id: f"{net.id} of {', '.join(names)}" for net in outlook.networks}
        for host, seat in outlook.seats.items():
            cards = tuple(own[name] for name in seat.networks)
            seats[host] = seat.model_copy(update={"networks": cards})
        networks += [net.model_copy(update={"id": own[net.id]}) for net in outlook.networks]
    notes = (note for outlook in outlooks.values() for note in outlook.notes)
    return Outlook(seats=seats, networks=tuple(networks), notes=tuple(notes))
