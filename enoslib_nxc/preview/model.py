"""What a plan shows: plain frozen data, as JSON and as HTML."""

from __future__ import annotations

from typing import Literal

from enoslib.html import repr_html_check

from enoslib_nxc import notebook
from enoslib_nxc.data import Data
from enoslib_nxc.outlook import Net, Reservation
from enoslib_nxc.preview.reach import Reach

Then = Literal["keep", "boot", "build decides"]
"""What becomes of a host: it goes on as it is; it is booted; or it is booted if the build
gives its role another system than it runs."""


class Group(Data):
    """Hosts that come the same way.

    Args:
        flavour: NXC's name.
        platform: who gives the machines.
        boot: what puts the system on them.
        description: one line for people.
        roles: its roles.
    """

    flavour: str
    platform: str
    boot: str
    description: str
    roles: tuple[str, ...] = ()


class Build(Data):
    """What becomes of a composition.

    Args:
        composition: as the configuration names it.
        flavour: the flavour to build it for.
        state: whether it is there already.
        reason: why, for people.
        compose_info: the file that describes what is there, "" where nothing is.
    """

    composition: str
    flavour: str
    state: Literal["built already", "to build"]
    reason: str
    compose_info: str = ""


class Host(Data):
    """What becomes of a host.

    Args:
        host: host name.
        role: role of the composition.
        tags: further keys in EnOSlib's Roles.
        flavour: that of its group.
        place: where it would run, "" when that is not known yet.
        address: by which others would know it, "" when that is not known yet.
        networks: ids of its networks.
        size: memory and cores, "" where the platform decides.
        then: what becomes of it.
        reason: why, for people.
    """

    host: str
    role: str
    tags: tuple[str, ...] = ()
    flavour: str
    place: str = ""
    address: str = ""
    networks: tuple[str, ...] = ()
    size: str = ""
    then: Then
    reason: str


class Preview(Data):
    """What `init()` would do, as far as records and files tell.

    Args:
        job_name: name of the deployment.
        groups: hosts by the way they come; one where there is one flavour.
        builds: what is built, what is there.
        hosts: what would run where, in the order of the configuration.
        networks: what connects them.
        reach: which role can reach which.
        reservations: what would be asked of a calendar.
        ends: hosts on record that are not in the configuration any more: they end.
        notes: what else is to be known.
        refusal: why `init()` would refuse, "" when nothing speaks against it.
    """

    job_name: str
    groups: tuple[Group, ...]
    builds: tuple[Build, ...]
    hosts: tuple[Host, ...]
    networks: tuple[Net, ...]
    reach: tuple[Reach, ...]
    reservations: tuple[Reservation, ...] = ()
    ends: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: str = ""

    @repr_html_check  # type: ignore[untyped-decorator]
    def _repr_html_(self) -> str:
        """Show it in a notebook, as EnOSlib shows its configurations."""
        tables: dict[str, tuple[Data, ...]] = {
            "Groups": self.groups,
            "Builds": self.builds,
            "Hosts": self.hosts,
            "Networks": self.networks,
            "Reach": self.reach,
            "Reservations": self.reservations,
        }
        facts = {
            "job_name": self.job_name,
            "refused": self.refusal,
            "ends": self.ends,
            "notes": self.notes,
        }
        rows = {title: [row.model_dump() for row in data] for title, data in tables.items()}
        return notebook.page("NixOSCompose plan", facts, rows)
