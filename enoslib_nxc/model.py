"""The data that the steps hand on: Plan, Machine, Deployment. No effects here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from enoslib.html import repr_html_check
from pydantic import Field

from enoslib_nxc import notebook
from enoslib_nxc.built import Artifacts
from enoslib_nxc.data import Data
from enoslib_nxc.machine import Container, Entry, Hosted, Identity, Machine, Reserved

__all__ = [
    "RECORD_VERSION",
    "Container",
    "Deployment",
    "Entry",
    "Hosted",
    "Identity",
    "Job",
    "Machine",
    "Node",
    "Part",
    "Plan",
    "Reserved",
    "SiteNetwork",
]

RECORD_VERSION = 4
"""Format of `Deployment` on disk; a record of another version is refused, not guessed at."""


class Node(Data):
    """One line of a plan: a host name bound to a role.

    Args:
        host: host name, unique in the plan.
        role: role of the composition.
        tags: further keys in EnOSlib's Roles.
        index: 1-based place in the plan; stable for a host while it stays.
        memory: MiB.
        cores: virtual cores.
    """

    host: str
    role: str
    tags: tuple[str, ...] = ()
    index: int
    memory: int = 0
    cores: int = 0


class Plan(Data):
    """Roles bound to host names, before machines are known."""

    nodes: tuple[Node, ...]

    def hosts_of(self, role: str) -> tuple[str, ...]:
        """Return the host names of a role, in order."""
        return tuple(node.host for node in self.nodes if node.role == role)

    def only(self, hosts: Collection[str]) -> Plan:
        """Return the plan of some hosts."""
        return Plan(nodes=tuple(node for node in self.nodes if node.host in hosts))

    def of(self, roles: Collection[str]) -> Plan:
        """Return the plan of some roles."""
        return Plan(nodes=tuple(node for node in self.nodes if node.role in roles))


class SiteNetwork(Data):
    """A network of Grid'5000, as EnOSlib describes it.

    Args:
        kind: EnOSlib's type: prod, kavlan, kavlan-local, kavlan-global, slash_22, slash_16.
        site: its site.
        descriptors: the kavlan's number, or the subnets' CIDRs; none for prod.
        roles: keys in EnOSlib's Networks.
    """

    kind: str
    site: str
    descriptors: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class Job(Data):
    """A job of OAR that holds machines.

    Args:
        site: its site.
        uid: its number there.
    """

    site: str
    uid: int


class Part(Data):
    """The roles of a deployment that run with one flavour.

    Args:
        flavour: the flavour.
        roles: roles of the composition.
        artifacts: what was built for it.
        networks: CIDR of each network that its machines know each other by.
        lent: whether the machines are those of another EnOSlib provider.
        ours_to_end: whether we had that provider make them, and so have it destroy them.
        vm_hosts: the hosts that have something of it, as the other provider gave them, where
            its machines are virtual ones on them.
    """

    flavour: str
    roles: tuple[str, ...]
    artifacts: Artifacts
    networks: tuple[str, ...] = ()
    lent: bool = False
    ours_to_end: bool = False
    vm_hosts: tuple[Machine, ...] = ()


class Deployment(Data):
    """The record of one running experiment, kept on disk under its job name.

    Platforms and boots get what is theirs of it: see `only`.

    Args:
        version: format of the record.
        job_name: its name.
        token: random word in the command line of each process of this deployment, by
            which they are found again.
        parts: its roles by flavour, mostly one part.
        plan: roles bound to hosts.
        machines: host name -> machine.
        ssh_user: remote user.
        ssh_key: private key (or .pub, with an agent) for ssh from here.
        created: seconds since the epoch.
        jobs: OAR jobs that hold the machines.
        login: the user's login on Grid'5000, "" elsewhere.
        site_networks: networks of Grid'5000 that were reserved with the machines.
    """

    version: int = RECORD_VERSION
    job_name: str
    token: str
    parts: tuple[Part, ...]
    plan: Plan
    machines: dict[str, Machine] = Field(default_factory=dict)
    ssh_user: str = "root"
    ssh_key: Path | None = None
    created: float = 0.0
    jobs: tuple[Job, ...] = ()
    login: str = ""
    site_networks: tuple[SiteNetwork, ...] = ()

    @property
    def flavours(self) -> tuple[str, ...]:
        """The flavours that run."""
        return tuple(part.flavour for part in self.parts)

    @property
    def part(self) -> Part:
        """The part, where there is one only: as boots see a deployment.

        Raises:
            ValueError: there are several.
        """
        (part,) = self.parts
        return part

    @property
    def flavour(self) -> str:
        """The flavour, where there is one only."""
        return self.part.flavour

    @property
    def artifacts(self) -> Artifacts:
        """What was built, where there is one flavour only."""
        return self.part.artifacts

    @property
    def networks(self) -> tuple[str, ...]:
        """CIDR of each network that machines know each other by."""
        return tuple(dict.fromkeys(cidr for part in self.parts for cidr in part.networks))

    def only(self, *flavours: str) -> Deployment:
        """Return the deployment without what runs with other flavours."""
        parts = tuple(part for part in self.parts if part.flavour in flavours)
        roles = {role for part in parts for role in part.roles}
        machines = {h: m for h, m in self.machines.items() if m.flavour in flavours}
        update = {"parts": parts, "plan": self.plan.of(roles), "machines": machines}
        return self.model_copy(update=update)

    def having(self, machines: Mapping[str, Machine]) -> Deployment:
        """Return the deployment with machines added or replaced."""
        return self.model_copy(update={"machines": {**self.machines, **machines}})

    @repr_html_check  # type: ignore[untyped-decorator]
    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        nodes = [node for node in self.plan.nodes if node.host in self.machines]
        rows = [
            {
                "host": node.host,
                "role": node.role,
                "tags": node.tags,
                "flavour": self.machines[node.host].flavour,
                "address": self.machines[node.host].address,
                "state": self.machines[node.host].state,
            }
            for node in nodes
        ]
        jobs = [f"{job.site}/{job.uid}" for job in self.jobs]
        facts = {"job_name": self.job_name, "networks": self.networks, "jobs": jobs}
        return notebook.page("NixOSCompose deployment", facts, {"Hosts": rows})
