"""What Nix is asked to build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """What Nix is asked for.

    Args:
        ref: flake reference, as the machine of the store sees it.
        system: Nix system.
        name: "NAME::FLAVOUR".
        given: the flake as the user gave it, for messages.
        git_directory: the flake's directory when Nix sees only what git knows of it.
    """

    ref: str
    system: str
    name: str
    given: str
    git_directory: Path | None = None

    @property
    def packages(self) -> str:
        """The attribute set of all that can be built, as an installable."""
        return f"{self.ref}#packages.{self.system}"

    @property
    def installable(self) -> str:
        """The attribute to build, quoted for Nix: its name has colons."""
        return f'{self.packages}."{self.name}"'
