"""The image of flavour docker: in Docker under a name of its own, loaded once."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from enoslib_nxc.built import Artifacts
from enoslib_nxc.docker import Docker
from enoslib_nxc.errors import ArtifactError, CommandError

LOAD_SECONDS = 600.0
"""For Docker to take an image; NXC's are small."""

HASH_LENGTH = 32
"""Characters of a store path's hash (Nix manual, "store path")."""


def tag_of(artifacts: Artifacts) -> str:
    """Return the name that we give the image.

    NXC calls all of its images nxc-docker-base-image:latest; the store path says which it is.
    """
    return f"enoslib-nxc-image:{PurePosixPath(artifacts.image).name[:HASH_LENGTH]}"


def loaded(here: Docker, artifacts: Artifacts) -> None:
    """Load the image unless it is there.

    Args:
        here: the daemon.
        artifacts: what was built.

    Raises:
        ArtifactError: Docker does not take it.
    """
    tag = tag_of(artifacts)
    if here.run("image", "inspect", tag, check=False).returncode == 0:
        return
    file = artifacts.store.real(artifacts.image)
    try:
        told = here.run("load", "--input", str(file), timeout=LOAD_SECONDS).stdout
        found = re.search(r"^Loaded image(?: ID)?: (\S+)", told, re.MULTILINE)
        if found is None:
            raise CommandError("docker load named no image", details=told)
        here.run("tag", found[1], tag)
    except CommandError as error:
        raise ArtifactError(
            f"docker cannot load the image {file}",
            details=error.details,
            resolution="build it anew: nix-store --repair-path, or nix build --rebuild",
        ) from error
