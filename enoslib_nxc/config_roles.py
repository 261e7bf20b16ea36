"""Machines and networks as the user asked for them: entries of `roles` and `networks`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from enoslib_nxc.config_types import (
    MAX_NODES,
    Count,
    Flag,
    HostName,
    Mebibytes,
    Name,
    Nodes,
    Section,
    Word,
    refusal,
)
from enoslib_nxc.mistakes import Mistake, show

NODE_PATTERN = r"^[a-z][a-z0-9]*-\d+\.[a-z]+\.grid5000\.fr$"
"""FQDN of a Grid'5000 node, CLUSTER-NUMBER.SITE.grid5000.fr (EnOSlib's schema, "hostname")."""


class Role(Section):
    """How many machines a role of the composition gets, and which.

    `nodes` machines named by NXC's rule (one: ROLE, several: ROLE1 to ROLEn), or the very
    names in `hosts`. With neither, as many as the composition's `rolesDistribution` says,
    else one. A count alone stands for `nodes`, a list alone for `hosts`.
    """

    nodes: Nodes | None = Field(None, description="number of machines, 1 to 10000")
    hosts: Annotated[tuple[HostName, ...], Field(min_length=1)] | None = Field(
        None, description="host names, instead of nodes"
    )
    tags: tuple[Name, ...] = Field((), description="further keys in EnOSlib's Roles")
    min: Annotated[int, Field(strict=True, ge=0)] | None = Field(
        None, description="machines of this role that must come up; all when absent"
    )
    memory: Mebibytes | None = Field(
        None,
        description="MiB for each virtual machine of this role, instead of vm.memory",
    )
    cores: Count | None = Field(
        None, description="virtual cores of each machine of this role, instead of vm.cores"
    )
    flavour: Word | None = Field(
        None, description="where and how this role runs, instead of flavour"
    )
    cluster: Word | None = Field(
        None, description="Grid'5000: cluster to take nodes of, instead of g5k.cluster"
    )
    servers: (
        Annotated[tuple[Annotated[str, Field(pattern=NODE_PATTERN)], ...], Field(min_length=1)]
        | None
    ) = Field(
        None,
        description="Grid'5000: the nodes, CLUSTER-NUMBER.SITE.grid5000.fr of one cluster",
    )
    primary_network: Name | None = Field(
        None, description="Grid'5000: id of the network of the first card; production if absent"
    )
    secondary_networks: tuple[Name, ...] = Field(
        (), description="Grid'5000: ids of the networks of further cards"
    )
    reservable_disks: Flag = Field(
        False, description="Grid'5000: reserve the disks of the nodes too"
    )

    @property
    def machines(self) -> int | tuple[str, ...] | None:
        """Return the count or the host names; None leaves it to the composition."""
        if self.hosts is not None:
            return self.hosts
        if self.nodes is None and self.servers is not None:
            return len(self.servers)
        return self.nodes

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, given: object) -> object:
        """Accept the short forms."""
        if given is None:
            return {}
        if isinstance(given, int) and not isinstance(given, bool):
            return {"nodes": given}
        if isinstance(given, Sequence) and not isinstance(given, str | bytes):
            return {"hosts": tuple(given)}
        if isinstance(given, Mapping | Role):
            return given
        raise refusal(
            Mistake("", f"{show(given)} is neither a count, nor host names, nor a mapping")
        )

    @model_validator(mode="after")
    def _agree(self) -> Role:
        if self.nodes is not None and self.hosts is not None:
            raise refusal(Mistake("", "give nodes or hosts, not both"))
        if self.machines is not None:
            size = count(self.machines)
            if (self.min or 0) > size:
                raise refusal(Mistake("min", f"{self.min} is more than the role has ({size})"))
            if self.servers is not None and size > len(self.servers):
                raise refusal(
                    Mistake("servers", f"{len(self.servers)} named, but the role has {size}")
                )
        if self.servers is not None:
            self._check_servers(self.servers)
        cards = [*filter(None, [self.primary_network]), *self.secondary_networks]
        if len(set(cards)) < len(cards):
            raise refusal(Mistake("secondary_networks", "a network is named twice"))
        return self

    def _check_servers(self, servers: tuple[str, ...]) -> None:
        if self.cluster is not None:
            raise refusal(Mistake("", "give cluster or servers, not both"))
        places = {(name.split("-")[0], name.split(".")[1]) for name in servers}
        if len(places) > 1:
            hint = "describe one role for each cluster"
            raise refusal(Mistake("servers", "they are of several clusters", hint))
        if len(set(servers)) < len(servers):
            raise refusal(Mistake("servers", "a node is named twice"))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell the short forms in the schema too."""
        full = handler.resolve_ref_schema(handler(core_schema))
        nodes = {"type": "integer", "minimum": 1, "maximum": MAX_NODES}
        hosts = {"type": "array", "items": {"type": "string"}, "minItems": 1}
        short = [nodes, hosts, {"type": "null"}]
        return {"description": full.pop("description", ""), "anyOf": [*short, full]}


def count(machines: int | Sequence[str]) -> int:
    """Return how many machines a count or a list of host names stands for."""
    return machines if isinstance(machines, int) else len(machines)


class Network(Section):
    """A network, under keys of EnOSlib's Networks.

    Where machines share one network, these are further names of it. On Grid'5000 it is
    EnOSlib's description of a network to reserve.
    """

    roles: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(
        description="keys in EnOSlib's Networks"
    )
    id: Name | None = Field(
        None, description="Grid'5000: name for primary_network and secondary_networks of roles"
    )
    type: Literal["prod", "kavlan", "kavlan-local", "kavlan-global", "slash_22", "slash_16"] = (
        Field("prod", description="Grid'5000: kind of network to reserve")
    )
    site: Word | None = Field(
        None, description="Grid'5000: its site; that of the machines when absent"
    )
