"""What a build gave: Artifacts, and their files. No effects here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from enoslib_nxc.data import Data


class StoreMap(Data):
    """Where the files of store paths really are.

    Nix prints `/nix/store/...` whatever store it uses; with `--store ROOT` the file is at
    `ROOT/nix/store/...` (Nix manual, "local store").

    Args:
        root: directory that stands for `/`; `/` for the usual store.
    """

    root: Path = Path("/")

    def real(self, path: str | Path) -> Path:
        """Return the place of a store path on this machine."""
        return self.root / Path(path).relative_to("/")


class RoleImage(Data):
    """One role as built.

    Args:
        toplevel: store path of the role's system, without `/init`.
        init: store path of the program that stage 1 starts; `toplevel/init` since NXC 0.7.
        closure_info: store path of the closure info, where the compose info names it.
        volumes: directories of the host that a container sees, SOURCE:TARGET[:ro].
    """

    toplevel: str
    init: str
    closure_info: str | None = None
    volumes: tuple[str, ...] = ()


class Provenance(Data):
    """Where artifacts come from; stored with the deployment, for the paper's appendix.

    Args:
        flake: the flake reference as the user gave it, or the compose-info file.
        lock_hash: sha256 (hex) over the flake's lock files, "" when there is none.
        nar_hashes: toplevel store path -> NAR hash (SRI), where Nix could tell.
        digests: "kernel", "initrd" ... -> sha256 (hex) of the file.
        versions: program or package -> version.
    """

    flake: str = ""
    lock_hash: str = ""
    nar_hashes: dict[str, str] = Field(default_factory=dict)
    digests: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)


class Artifacts(Data):
    """What the build gave: NXC's compose info, read and checked.

    Paths are store paths as Nix names them; `store.real()` gives the file.

    Args:
        flavour: flavour that it was built for.
        system: Nix system.
        composition: the composition chosen in it.
        compose_info: the compose-info file itself, on this machine.
        compositions_info_path: store path of the file that stage 1 reads roles from.
        roles: role -> image, of the chosen composition.
        roles_distribution: role -> count or host names, as the composition proposes.
        kernel: store path of the kernel, "" where there is none.
        initrd: store path of the initrd, "" likewise.
        qemu_script: store path of NXC's qemu script, "" where there is none.
        image: store path of the tarball, or of the image for Docker, "" where there is none.
        compose_file: store path of NXC's compose file for Docker, "" where there is none.
        all_info: NXC's `all` object verbatim, which stage 1 reads from deployment.json.
        test_script: store path of the composition's test script, "" where there is none.
        store: where the files are.
        fingerprint: what the build was made from; equal fingerprints need no new build.
            "" when it cannot be told without asking Nix.
        provenance: where it comes from.
    """

    flavour: str
    system: str
    composition: str
    compose_info: Path
    compositions_info_path: str = ""
    roles: dict[str, RoleImage]
    roles_distribution: dict[str, int | tuple[str, ...]] = Field(default_factory=dict)
    kernel: str = ""
    initrd: str = ""
    qemu_script: str = ""
    image: str = ""
    compose_file: str = ""
    all_info: dict[str, str] = Field(default_factory=dict)
    test_script: str = ""
    store: StoreMap = StoreMap()
    fingerprint: str = ""
    provenance: Provenance = Provenance()


def nothing(flavour: str, system: str, roles: Iterable[str]) -> Artifacts:
    """Return what is there for roles whose machines keep their own systems: nothing but names.

    Args:
        flavour: their flavour.
        system: Nix system that the others are built for.
        roles: the roles, which no composition needs to have.
    """
    images = {role: RoleImage(toplevel="", init="") for role in roles}
    return Artifacts(
        flavour=flavour, system=system, composition="", compose_info=Path(), roles=images
    )
