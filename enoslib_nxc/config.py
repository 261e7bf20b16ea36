"""What the user asked for, checked and frozen.

These models are the configuration's only definition: the YAML keys, their defaults and
units, the JSON schema (`Settings.model_json_schema()`). `enoslib_nxc.builder` fills them.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

EMBEDDED = "embedded"
"""The composition that comes with this package, for `composition`."""

Scalar = str | int | float | bool


class Section(BaseModel):
    """A part of the configuration: unknown keys refused, nothing changes once checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Role(Section):
    """How many machines a role of the composition gets, and which.

    `nodes` machines named by NXC's rule (one: ROLE, several: ROLE1 to ROLEn), or the very
    names in `hosts`.
    """

    nodes: Annotated[int, Field(ge=1)] | None = Field(None, description="number of machines")
    hosts: tuple[str, ...] | None = Field(None, description="host names, instead of nodes")
    tags: tuple[str, ...] = Field((), description="further keys in EnOSlib's Roles")
    min: Annotated[int, Field(ge=0)] | None = Field(
        None, description="machines of this role that must come up; all when absent"
    )
    memory: Annotated[int, Field(ge=64)] | None = Field(
        None, description="MiB for each virtual machine of this role, instead of vm.memory"
    )
    cores: Annotated[int, Field(ge=1)] | None = Field(
        None, description="virtual cores of each machine of this role, instead of vm.cores"
    )


class Network(Section):
    """A network under further keys of EnOSlib's Networks."""

    roles: tuple[str, ...] = Field(min_length=1, description="keys in EnOSlib's Networks")


class Build(Section):
    """How the composition is built."""

    on: str = Field("local", description='"local", or ssh://[USER@]HOST[:PORT] that has Nix')
    store: Path | None = Field(
        None, description="root of an alternative Nix store (files in STORE/nix/store)"
    )
    system: str = Field("x86_64-linux", description="Nix system to build for")
    setup: str | None = Field(None, description="variant of setup.toml")
    setup_params: dict[str, Scalar] = Field(
        default_factory=dict, description="parameters that override those of setup.toml"
    )
    nix_flags: tuple[str, ...] = Field((), description="further words for nix build")
    locked: bool = Field(
        False, description="refuse successors of pinned Debian packages that have gone"
    )


class Ssh(Section):
    """How the machines are reached, and what they trust."""

    user: str = Field("root", description="remote user")
    key: Path | None = Field(
        None, description="private key, or its .pub with the private half in an agent"
    )
    trust: Literal["pin", "nxc"] = Field(
        "pin",
        description="pin: pin host keys, remove NXC's published key and empty password; "
        "nxc: leave the image as it is",
    )


class Deadlines(Section):
    """Seconds until a phase is given up."""

    build: Annotated[float, Field(gt=0)] = Field(7200, description="s, fetch and build")
    acquire: Annotated[float, Field(gt=0)] = Field(600, description="s, getting machines")
    boot: Annotated[float, Field(gt=0)] = Field(
        600, description="s, from the start of the machines until each answers under its role"
    )
    destroy: Annotated[float, Field(gt=0)] = Field(60, description="s, ending everything")


class Retries(Section):
    """How often a failed step is tried again."""

    boot: Annotated[int, Field(ge=0)] = Field(
        1, description="fresh starts of a machine that did not come up"
    )


class Vm(Section):
    """Local virtual machines (flavours vm and vm-ramdisk)."""

    memory: Annotated[int, Field(ge=64)] = Field(512, description="MiB for each machine")
    cores: Annotated[int, Field(ge=1)] = Field(1, description="virtual cores of each machine")
    accel: Literal["auto", "kvm", "tcg"] = Field(
        "auto", description="auto: KVM where a trial boot works, else TCG"
    )
    network: IPv4Network = Field(
        IPv4Network("192.168.1.0/24"), description="the network shared by the machines, a /24"
    )
    ssh_port: Annotated[int, Field(ge=1024, le=65535)] | None = Field(
        None, description="first loopback port for ssh; free ones when absent"
    )


class Settings(Section):
    """The whole configuration of one deployment."""

    composition: str = Field(
        EMBEDDED,
        description='flake (path or reference), compose-info file already built, or "embedded"',
    )
    composition_name: str = Field(
        "composition", description="its name in the flake; several may share one image"
    )
    all_in_one: bool = Field(
        False, description='build the image of all compositions ("::FLAVOUR")'
    )
    flavour: str = Field("vm-ramdisk", description="where and how it runs")
    roles: dict[str, Role] = Field(min_length=1, description="role -> machines")
    job_name: str = Field("enoslib-nxc", description="name under which it is found again")
    networks: tuple[Network, ...] = Field((), description="further names of the network")
    parameters: dict[str, Scalar] = Field(
        default_factory=dict, description="passed to the machines in deployment.json"
    )
    kernel_params: str = Field("", description="appended to the kernel's command line")
    min: Annotated[int, Field(ge=1)] | None = Field(
        None, description="machines that must come up over all roles; all when absent"
    )
    progress: Literal["auto", "rich", "plain", "silent"] = Field(
        "auto", description="auto: bars on a terminal, timed lines elsewhere"
    )
    build: Build = Field(default_factory=Build)
    ssh: Ssh = Field(default_factory=Ssh)
    deadlines: Deadlines = Field(default_factory=Deadlines)
    retries: Retries = Field(default_factory=Retries)
    vm: Vm = Field(default_factory=Vm)
