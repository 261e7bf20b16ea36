"""What the user asked for, checked and frozen.

These models are the configuration's only definition: the YAML keys, their defaults and
units, the JSON schema (`NixOSComposeConf.json_schema()`). `enoslib_nxc.builder` fills them,
`enoslib_nxc.config_errors` turns what pydantic refuses into one `ConfigError`; there, a
field's description is the hint, so it says what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from enoslib_nxc.config_g5k import G5k
from enoslib_nxc.config_roles import Network, Role, count
from enoslib_nxc.config_sections import (
    Build,
    Deadlines,
    Docker,
    Kexec,
    Nspawn,
    Playbooks,
    Retries,
    Ssh,
    Vm,
)
from enoslib_nxc.config_types import (
    Count,
    Flag,
    KernelParams,
    Name,
    Scalar,
    Section,
    Word,
    refusal,
)
from enoslib_nxc.mistakes import Mistake, show, suggest
from enoslib_nxc.names import (
    JOB_NAME_PATTERN,
    host_name_fault,
    host_names,
    repeated_hosts,
)

EMBEDDED = "embedded"
"""The composition that comes with this package, for `composition`."""


class Settings(Section):
    """The whole configuration of one deployment."""

    composition: Annotated[str, Field(pattern=r"^[^-\s].*$")] = Field(
        EMBEDDED,
        description='flake (path or reference), compose-info file already built, or "embedded"',
    )
    composition_name: Word = Field(
        "composition", description="its name in the flake; several may share one image"
    )
    all_in_one: Flag = Field(
        False, description='build the image of all compositions ("::FLAVOUR")'
    )
    flavour: Word = Field("vm-ramdisk", description="where and how it runs")
    roles: dict[Name, Role] = Field(
        min_length=1,
        description="role -> count, host names, or a full description; one role at least",
    )
    job_name: Annotated[str, Field(pattern=JOB_NAME_PATTERN)] = Field(
        "enoslib-nxc",
        description="name under which it is found again; it names a directory: "
        "letters, digits, . _ and -, at most 64, a letter or digit first",
    )
    networks: tuple[Network, ...] = Field((), description="further names of the network")
    parameters: dict[str, Scalar] = Field(
        default_factory=dict, description="passed to the machines in deployment.json"
    )
    kernel_params: KernelParams = Field("", description="appended to the kernel's command line")
    min: Count | None = Field(
        None,
        description="machines that must come up over all roles; all when absent",
    )
    progress: Literal["auto", "rich", "plain", "silent"] = Field(
        "auto", description="auto: bars on a terminal, timed lines elsewhere"
    )
    build: Build = Field(default_factory=Build)
    ssh: Ssh = Field(default_factory=Ssh)
    deadlines: Deadlines = Field(default_factory=Deadlines)
    retries: Retries = Field(default_factory=Retries)
    vm: Vm = Field(default_factory=Vm)
    docker: Docker = Field(default_factory=Docker)
    nspawn: Nspawn = Field(default_factory=Nspawn)
    kexec: Kexec = Field(default_factory=Kexec)
    g5k: G5k = Field(default_factory=G5k)
    playbooks: Playbooks = Field(default_factory=Playbooks)

    @property
    def flavours(self) -> tuple[str, ...]:
        """The flavours that roles run with, in their order; mostly one."""
        return tuple(dict.fromkeys(map(self.flavour_of, self.roles)))

    def flavour_of(self, role: str) -> str:
        """Return the flavour of a role: its own, or that of all."""
        return self.roles[role].flavour or self.flavour

    def only(self, *flavours: str) -> Settings:
        """Return the settings of the roles that run with one of some flavours.

        Args:
            flavours: as in `flavours`; where it is one, it is that of all.
        """
        roles = {name: r for name, r in self.roles.items() if self.flavour_of(name) in flavours}
        flavour = flavours[0] if len(flavours) == 1 else self.flavour
        return self.model_copy(update={"flavour": flavour, "roles": roles})

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        """Check what concerns several roles, as far as the composition is not needed."""
        known = {name: role.machines for name, role in self.roles.items() if role.machines}
        if mistakes := naming_mistakes(known) + self._network_mistakes():
            raise refusal(*mistakes)
        if self.min is not None and len(self.flavours) > 1:
            text = "roles run with several flavours, of which each comes up by itself"
            raise refusal(Mistake("min", text, "give min to the roles instead"))
        total = sum(count(machines) for machines in known.values())
        if len(known) == len(self.roles) and (self.min or 0) > total:
            raise refusal(
                Mistake("min", f"{self.min} is more than all roles have together ({total})")
            )
        return self

    def _network_mistakes(self) -> list[Mistake]:
        """Find networks of roles that are not described."""
        ids = [network.id for network in self.networks if network.id]
        mistakes = [
            Mistake("networks", f"two networks have the id {show(name)}")
            for name in dict.fromkeys(ids)
            if ids.count(name) > 1
        ]
        for role, given in self.roles.items():
            wanted = {"primary_network": given.primary_network}
            wanted |= {
                f"secondary_networks[{i}]": n for i, n in enumerate(given.secondary_networks)
            }
            mistakes += [
                Mistake(
                    f"roles.{role}.{key}",
                    f"no network has the id {show(name)}",
                    suggest(name, ids, listed_as="ids in networks"),
                )
                for key, name in wanted.items()
                if name and name not in ids
            ]
        return mistakes


def naming_mistakes(machines: Mapping[str, int | tuple[str, ...]]) -> list[Mistake]:
    """Find names that cannot be host names, and names given twice.

    Args:
        machines: role -> count or host names.
    """
    hosts = {role: host_names(role, given) for role, given in machines.items()}
    mistakes = []
    for role, names in hosts.items():
        # generated names differ in their number alone; the last is the longest
        for name in names if isinstance(machines[role], tuple) else names[-1:]:
            if fault := host_name_fault(name):
                hint = f"name its hosts: roles.{role}.hosts"
                mistakes.append(Mistake(f"roles.{role}", fault, hint))
    return mistakes + repeated_hosts(hosts)
