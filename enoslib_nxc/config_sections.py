"""Sections of the configuration, but for those of roles, networks and Grid'5000."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from enoslib_nxc.config_types import (
    Count,
    Flag,
    Mebibytes,
    Scalar,
    Seconds,
    Section,
    UserPath,
    Word,
    refusal,
)
from enoslib_nxc.mistakes import Mistake, show


def _mended(given: object) -> object:
    """Take `true` for the key `on`: YAML 1.1, hence PyYAML, reads a bare `on` as that."""
    if isinstance(given, Mapping):
        return {"on" if key is True else key: value for key, value in given.items()}
    return given


LAST_PORT = 65535


def _with_a_port(address: str) -> str:
    """Refuse a port that there cannot be; an address may have none."""
    port = address.rpartition(":")[2]
    if port.isdigit() and not 1 <= int(port) <= LAST_PORT:
        raise refusal(
            Mistake("", f"{show(address)}: port {port} is not between 1 and {LAST_PORT}")
        )
    return address


_SSH = r"ssh://([\w.][\w.-]*@)?[\w.][\w.-]*(:\d{1,5})?"
SshHost = Annotated[str, Field(pattern=f"^{_SSH}$"), AfterValidator(_with_a_port)]


class Build(Section):
    """How the composition is built."""

    on: Annotated[str, Field(pattern=f"^(local|{_SSH})$"), AfterValidator(_with_a_port)] = (
        Field("local", description='"local", or ssh://[USER@]HOST[:PORT] that has Nix')
    )
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
        return _mended(given)


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
    """Virtual machines (flavours vm and vm-ramdisk), here or, in memory, on other hosts."""

    memory: Mebibytes = Field(512, description="MiB for each machine")
    cores: Count = Field(1, description="virtual cores of each machine")
    accel: Literal["auto", "kvm", "tcg"] = Field(
        "auto", description="auto: KVM where a trial boot works, else TCG"
    )
    network: IPv4Network = Field(
        IPv4Network("192.168.1.0/24"),
        description="the network shared by the machines, a /24 such as 192.168.1.0/24",
    )
    ssh_port: Annotated[int, Field(strict=True, ge=1024, le=LAST_PORT)] | None = Field(
        None, description="first loopback port for ssh; free ones when absent"
    )
    on: tuple[SshHost, ...] = Field(
        (),
        description="hosts that run machines of flavour vm-ramdisk instead of this computer, a "
        "list of ssh://[USER@]HOST[:PORT] with USER root",
    )
    host_keys: Literal["known", "first-contact"] = Field(
        "known",
        description="ssh keys of these hosts, or of vm_hosts: known: to the user's known_hosts "
        "or the other provider's options; first-contact: taken when first seen",
    )
    vxlan_port: Annotated[int, Field(strict=True, ge=1, le=LAST_PORT)] = Field(
        4789, description="UDP port by which these hosts carry the machines' network"
    )

    @model_validator(mode="before")
    @classmethod
    def _mend_yaml(cls, given: object) -> object:
        return _mended(given)

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

    push: Literal["auto", "send", "http", "chain"] = Field(
        "auto",
        description="how kernel and initrd get to a host that lacks them: send: over ssh; "
        "http: it fetches them from here; chain: from the host before it, which has them from "
        "here, by Python 3; auto: each host as it can, first chain (where that spares this "
        "computer 256 MiB or more of a file), then http, then send",
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
