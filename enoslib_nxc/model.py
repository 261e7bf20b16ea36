"""The data that the steps hand on: Plan, Machine, Deployment. No effects here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from enoslib.html import repr_html_check
from pydantic import Field

from enoslib_nxc import notebook
from enoslib_nxc.built import Artifacts
from enoslib_nxc.data import Data

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


class Identity(Data):
    """What a machine should run; when any part differs, it must boot again.

    Args:
        host: host name.
        role: role of the composition.
        toplevel: store path of the role's system.
        digest: short sha256 (hex) over what else reaches the machine at boot: parameters,
            kernel parameters, its memory, cores and address. Kernel and initrd are not part
            of it: the system changes with them where it depends on them, and the initrd
            also changes when only another role did. Keys and the hosts file are refreshed
            without a boot.
    """

    host: str
    role: str
    toplevel: str
    digest: str


class Entry(Data):
    """A machine as another provider gave it: how it is entered, and what is kept of it.

    Args:
        user: remote user.
        key: its private key, None for what ssh finds by itself.
        first_contact: take the key that it shows at first contact, instead of requiring
            that the user's known_hosts or the other provider's options vouch for it.
        words: kernel parameters to keep: consoles, and how interfaces are named.
        ip: kernel parameter that gives the new system the same address.
        leased: whether the address came by DHCP, which will give it again.
        reboot: whether to reboot it into its own system when it is given back.
    """

    user: str
    key: Path | None = None
    first_contact: bool = False
    words: str = ""
    ip: str = ""
    leased: bool = False
    reboot: bool = True


class Reserved(Data):
    """A machine as a reserved node of Grid'5000.

    Args:
        node: FQDN by which the site knows it; never the translated one of a kavlan.
        site: its site.
        job: number of the OAR job that holds it.
        deploy: whether that job is of type deploy.
        vlan: number of the kavlan that its first card is in, "" for production.
    """

    node: str
    site: str
    job: int
    deploy: bool = False
    vlan: str = ""


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


class Container(Data):
    """A machine as a container of Docker, entered by `docker exec`.

    Args:
        name: its name.
        daemon: address of the daemon that has it, as for `docker --host`.
    """

    name: str
    daemon: str


class Hosted(Data):
    """A machine as a virtual machine on a host that is reached by ssh (`vm_hosts`).

    Args:
        name: of the host, as in `Part.vm_hosts`.
        mtu: bytes of the largest packet on the machines' network.
        port: UDP port by which hosts carry that network.
    """

    name: str
    mtu: int
    port: int


class Job(Data):
    """A job of OAR that holds machines.

    Args:
        site: its site.
        uid: its number there.
    """

    site: str
    uid: int


class Machine(Data):
    """One place that a host runs, as acquired.

    Args:
        host: host name of its node.
        address: IPv4 address by which the machines know each other; the key of the node
            in deployment.json.
        ssh_host: name or address that ssh connects to from here.
        ssh_port: port that ssh connects to from here.
        ssh_options: words for ssh that say how to get there (a jump); "-F none" keeps the
            user's own configuration out, which has nothing to say of a loopback port.
        entry: how the system that was there before ours lets us in; None where there is
            none.
        reserved: the node that it is on Grid'5000; None elsewhere.
        flavour: the flavour of its role.
        container: the container that it is; None elsewhere.
        stock: whether the system that was there before stays.
        hosted: the host that runs it, where that is another computer; None elsewhere.
        mac: hardware address on the shared network, "" where the platform decides.
        identity: what it was last told to run; None before its first start.
        boot_id: `/proc/sys/kernel/random/boot_id` when it was last seen up, "" before; of a
            container, which has its host's, with the start of its first process;
            while it is "started", that of the system which it leaves.
        python: path of its Python for Ansible, "" when unknown.
        state: "planned" until its start was asked for, "started" until it was seen under
            its role, then "up"; "lost" when it was given up (within `min`).
    """

    host: str
    address: str
    ssh_host: str
    ssh_port: int = 22
    ssh_options: tuple[str, ...] = ("-F", "none")
    entry: Entry | None = None
    reserved: Reserved | None = None
    flavour: str = ""
    container: Container | None = None
    stock: bool = False
    hosted: Hosted | None = None
    mac: str = ""
    identity: Identity | None = None
    boot_id: str = ""
    python: str = ""
    state: Literal["planned", "started", "up", "lost"] = "planned"


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
