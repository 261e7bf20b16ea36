"""What the contract is tried on: each flavour with a deployment that never started anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import enoslib as en

from enoslib_nxc import NixOSCompose, NixOSComposeConf, flavours, state
from enoslib_nxc.booking import Booking
from enoslib_nxc.boots import Boot, Run
from enoslib_nxc.context import NodeContext
from enoslib_nxc.events import silent
from enoslib_nxc.flavours import Flavour, Source
from enoslib_nxc.model import Deployment, Entry, Machine, Part, Plan, Reserved
from enoslib_nxc.plan import make_plan
from enoslib_nxc.platforms import Grant, Platform
from enoslib_nxc.state import Home
from tests.unit import factory

ROLES = {"server": 1, "agent": 2}
HOSTS = ("server", "agent1", "agent2")


@dataclass(frozen=True)
class Case:
    """A row of the table.

    Args:
        flavour: its name.
        lent: whether machines of another provider take the place of its platform.
        elsewhere: whether hosts of another provider run its virtual machines.
    """

    flavour: str
    lent: bool = False
    elsewhere: bool = False

    def __str__(self) -> str:
        if self.elsewhere:
            return "vm-hosts"
        return "hosts" if self.lent and self.flavour != flavours.STOCK else self.flavour


CASES = (
    *(Case(name, lent=name == flavours.STOCK) for name in flavours.FLAVOURS),
    Case("vm-paused"),
    Case("vm-ramdisk", lent=True),
    Case("vm-ramdisk", elsewhere=True),
)
"""Every flavour of ours, one of another package, and the hosts of another provider: to be
taken over, and to run virtual machines."""


@dataclass(frozen=True)
class Subject:
    """A flavour and a deployment of it.

    Args:
        provider: as a user has it.
        source: where its machines come from.
        row: of the table.
        platform: gives machines.
        boot: starts them.
        home: the deployment's directory; the record is in it.
        deployment: the record: machines are planned, none was started.
    """

    provider: NixOSCompose
    source: Source
    row: Flavour
    platform: Platform
    boot: Boot
    home: Home
    deployment: Deployment

    @property
    def plan(self) -> Plan:
        """The hosts."""
        return self.deployment.plan

    @property
    def run(self) -> Run:
        """An `init()` at work on it."""
        told = NodeContext(text="{}", hosts="")
        return Run(self.provider.settings, self.home, self.deployment, told, silent)


def subject(case: Case, vm_host: en.Host | None = None) -> Subject:
    """Return a flavour with a deployment on record; the state's directory is the test's.

    Args:
        case: the row.
        vm_host: a host that runs virtual machines, where the row needs one.
    """
    conf = NixOSComposeConf.from_dictionary(
        {
            "flavour": case.flavour,
            "job_name": "contract",
            "progress": "silent",
            "roles": ROLES,
            "g5k": {"cluster": "chiclet", "walltime": "00:30:00"},
        }
    )
    hosts = [en.Host(f"192.0.2.{n}", alias=f"lent{n}") for n in (1, 2, 3)]
    provider = NixOSCompose(
        conf, hosts=hosts if case.lent else None, vm_hosts=[vm_host] if vm_host else None
    )
    source = Source.of(provider.hosts, Booking(), provider.vm_hosts)
    row = flavours.on(case.flavour, source)
    platform = row.platform(source)
    home = Home(state.state_root() / "contract")
    home.path.mkdir(parents=True)
    plan = make_plan(provider.settings, ROLES, {})
    if row.calendar or case.lent:
        grant = _promised(plan, calendar=row.calendar)
    else:
        grant = platform.acquire(provider.settings, home, plan, None, silent)
    deployment = _recorded(case, home, plan, grant, stock=row.stock)
    home.save(deployment)
    return Subject(provider, source, row, platform, row.boot(), home, deployment)


def _promised(plan: Plan, *, calendar: bool) -> Grant:
    """Return machines that others would have to be asked for."""
    machines = {
        node.host: Machine(
            host=node.host,
            address=f"192.0.2.{node.index}",
            ssh_host=f"192.0.2.{node.index}",
            entry=Entry(user="root"),
            reserved=Reserved(
                node=f"chiclet-{node.index}.lille.grid5000.fr", site="lille", job=1
            )
            if calendar
            else None,
        )
        for node in plan.nodes
    }
    return Grant(machines, ("192.0.2.0/24",), lent=not calendar)


def _recorded(case: Case, home: Home, plan: Plan, grant: Grant, *, stock: bool) -> Deployment:
    update = {"flavour": case.flavour, "stock": stock}
    part = Part(
        flavour=case.flavour,
        roles=tuple(ROLES),
        artifacts=factory.artifacts(*ROLES),
        networks=grant.networks,
        lent=grant.lent,
        vm_hosts=grant.vm_hosts,
    )
    return Deployment(
        job_name=home.job_name,
        token="c0ffee00c0ffee00",
        parts=(part,),
        plan=plan,
        machines={host: m.model_copy(update=update) for host, m in grant.machines.items()},
        ssh_key=Path(home.key),
    )
