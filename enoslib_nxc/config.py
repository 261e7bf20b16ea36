"""What the user asked for, checked and frozen.

These models are the configuration's only definition: the YAML keys, their defaults and
units, the JSON schema (`NixOSComposeConf.json_schema()`). `enoslib_nxc.builder` fills them,
`enoslib_nxc.config_errors` turns what pydantic refuses into one `ConfigError`; there, a
field's description is the hint, so it says what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from enoslib_nxc.config_g5k import G5k
from enoslib_nxc.config_roles import Network, Role, count
from enoslib_nxc.config_types import (
    Count,
    Flag,
    KernelParams,
    Mebibytes,
    Name,
    Scalar,
    Seconds,
    Section,
    UserPath,
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


class Build(Section):
    """How the composition is built."""

    on: Annotated[
        str, Field(pattern=r"^(local|ssh://([\w.][\w.-]*@)?[\w.][\w.-]*(:\d+)?)$")
    ] = Field("local", description='"local", or ssh://[USER@]HOST[:PORT] that has Nix')
    store: UserPath | None = Field(
        None, description="root of an alternative Nix store (files in STORE/nix/store)"
    )
    system: Word = Field("x86_64-linux", description="Nix system to build for")
    setup: Word | None = Field(None, description="variant of setup.toml")
    setup_params: dict[str, Scalar] = Field(
        default_factory=dict, description="parameters that override those of setup.toml"
    )
    nix_flags: tuple[str, ...] = Field((), description="further words for nix build, a list")
    locked: Flag = Field(
        False, description="refuse successors of pinned Debian packages that have gone"
    )

    @model_validator(mode="before")
    @classmethod
    def _mend_yaml(cls, given: object) -> object:
        """Take `true` for the key `on`: YAML 1.1, hence PyYAML, reads a bare `on` as that."""
        if isinstance(given, Mapping):
            return {"on" if key is True else key: value for key, value in given.items()}
        return given


class Ssh(Section):
    """How the machines are reached, and what they trust."""

    user: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")] = Field(
        "root", description="remote user"
    )
    key: UserPath | None = Field(
        None, description="private key, or its .pub with the private half in an agent"
    )
    trust: Literal["pin", "nxc"] = Field(
        "pin",
        description="pin: pin host keys, remove NXC's published key and empty password; "
        "nxc: leave the image as it is",
    )


class Deadlines(Section):
    """Seconds until a phase is given up."""

    build: Seconds = Field(7200, description="s, fetch and build")
    acquire: Seconds = Field(
        86400,
        description="s, waiting for machines, from the date of the reservation if it has one",
    )
    boot: Seconds = Field(
        600,
        description="s, from the start of the machines until each answers under its role; "
        "1800 with g5k-image when absent",
    )
    destroy: Seconds = Field(
        900, description="s, ending everything; nodes go back to their own systems first"
    )


class Retries(Section):
    """How often a failed step is tried again."""

    boot: Annotated[int, Field(strict=True, ge=0)] = Field(
        1, description="fresh starts of a machine that did not come up"
    )
    push: Annotated[int, Field(strict=True, ge=0)] = Field(
        2, description="further attempts to bring kernel and initrd to a host"
    )


def _a_24(network: IPv4Network) -> IPv4Network:
    """Refuse another size: NXC numbers machines by the last byte of their address."""
    if network.prefixlen != 24:
        raise refusal(Mistake("", f"{show(network)} is not a /24"))
    return network


class Vm(Section):
    """Local virtual machines (flavours vm and vm-ramdisk)."""

    memory: Mebibytes = Field(512, description="MiB for each machine")
    cores: Count = Field(1, description="virtual cores of each machine")
    accel: Literal["auto", "kvm", "tcg"] = Field(
        "auto", description="auto: KVM where a trial boot works, else TCG"
    )
    network: IPv4Network = Field(
        IPv4Network("192.168.1.0/24"),
        description="the network shared by the machines, a /24 such as 192.168.1.0/24",
    )
    ssh_port: Annotated[int, Field(strict=True, ge=1024, le=65535)] | None = Field(
        None, description="first loopback port for ssh; free ones when absent"
    )

    @field_validator("network")
    @classmethod
    def _is_a_24(cls, network: IPv4Network) -> IPv4Network:
        return _a_24(network)


class Containers(Section):
    """What flavours of containers have in common."""

    network: IPv4Network | None = Field(
        None,
        description="the network shared by the containers and this computer, a /24; one that "
        "this computer has no route to when absent",
    )

    @field_validator("network")
    @classmethod
    def _is_a_24(cls, network: IPv4Network | None) -> IPv4Network | None:
        return network and _a_24(network)


class Docker(Containers):
    """Containers (flavour docker); they have this computer's memory and cores."""


class Nspawn(Containers):
    """Containers (flavour nspawn); they have this computer's memory and cores."""


class Kexec(Section):
    """Hosts of another EnOSlib provider (`hosts=`), which boot the image by kexec.

    The time for copies to them counts towards deadlines.boot.
    """

    push: Literal["auto", "send", "http"] = Field(
        "auto",
        description="how kernel and initrd get to a host that lacks them: send: over ssh; "
        "http: it fetches them from here; auto: http where it can, else send",
    )
    keep_address: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="give a host the address that it has: yes: by the kernel's ip=; no: by "
        "DHCP; auto: by ip= unless it has it by DHCP now",
    )
    host_keys: Literal["known", "first-contact"] = Field(
        "known",
        description="keys of the system that a host has: known: to the user's known_hosts or "
        "the other provider's options; first-contact: taken when first seen",
    )
    reboot_on_destroy: Flag = Field(
        True, description="reboot hosts into their own system when they are given back"
    )


class Playbooks(Section):
    """Ansible playbooks of one's own, run as root; groups are roles and tags."""

    before: tuple[UserPath, ...] = Field(
        (),
        description="files, run on hosts and nodes that are about to be booted by kexec, in "
        "the system that they leave",
    )
    after: tuple[UserPath, ...] = Field(
        (),
        description="files, run on all machines once they are up, at each init(): a second "
        "run should change nothing",
    )


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
