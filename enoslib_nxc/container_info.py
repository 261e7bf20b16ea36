"""The compose info of flavours that run containers: a form of its own, without kernel or image.

Format of nspawn: NXC 0.7 (`nix/flavours/nspawn/generate_nspawn_compose.nix` of package
nixos-compose).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from enoslib_nxc.built import Artifacts, RoleImage, StoreMap

SYSTEM = "x86_64-linux"
"""The Nix system of containers: their compose info does not say it, and NXC knows no other."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Role(_Part):
    toplevel: str
    init: str
    volumes: list[str] = Field(default_factory=list)


class _Nspawn(_Part):
    composition: dict[str, _Role]
    test_script: str = ""
    roles_distribution: dict[str, int | list[str]] = Field(default_factory=dict)


def nspawn(
    tree: Mapping[str, object], *, source: Path, composition: str, store: StoreMap
) -> Artifacts:
    """Read the compose info of flavour nspawn; it holds one composition, unnamed.

    Args:
        tree: its JSON object.
        source: the file it comes from.
        composition: the name under which it was built.
        store: where the store paths that it names are on this machine.

    Raises:
        ValidationError: pydantic's; it is not what NXC writes.
    """
    info = _Nspawn.model_validate(tree)
    return Artifacts(
        flavour="nspawn",
        system=SYSTEM,
        composition=composition,
        compose_info=source,
        roles={
            name: RoleImage(toplevel=r.toplevel, init=r.init, volumes=tuple(r.volumes))
            for name, r in info.composition.items()
        },
        roles_distribution={
            role: tuple(entry) if isinstance(entry, list) else entry
            for role, entry in info.roles_distribution.items()
        },
        test_script=info.test_script,
        store=store,
    )


Reader = Callable[..., Artifacts]

READERS: Mapping[str, Reader] = {"nspawn": nspawn}
"""Flavour -> what reads its compose info."""
