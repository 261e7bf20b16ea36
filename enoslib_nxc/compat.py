"""What EnOSlib's services need on machines, by name: the table that Nix reads too.

`embedded/nxc/compat.json` is the one place where it is written: the embedded library's
`compat.nix` and the NixOS module `nix/compat.nix` install from it, the tasks of `presence/`
look for what it names, and `docs/services.md` is made of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FILE = Path(__file__).parent / "embedded" / "nxc" / "compat.json"
"""The table."""

OPTION = "enoslib.compat"
"""The option of a role that takes names of the table."""

INSTALLED = "/etc/enoslib-compat"
"""File of a machine that holds its names of the table, one a line."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Needs(_Row):
    """What a name of the option brings.

    Args:
        debian: packages of Debian, with the embedded library; None where there are none.
        wheels: packages of PyPI that come with it.
        nixpkgs: attributes of nixpkgs, with NixOS.
        python: packages of nixpkgs' Python, by their names on PyPI.
        nixos: options of NixOS that are set.
        commands: what a machine then has in its PATH.
        kernel_modules: what its kernel has, or loads.
        files: path on the machine -> file of `embedded/nxc/compat` that it is a copy of.
        reason: why `debian` is None; with nothing for nixpkgs either, there is no such name.
    """

    debian: tuple[str, ...] | None
    wheels: tuple[str, ...] = ()
    nixpkgs: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    nixos: Mapping[str, bool] = {}
    commands: tuple[str, ...] = ()
    kernel_modules: tuple[str, ...] = Field((), alias="kernelModules")
    files: Mapping[str, str] = {}
    reason: str = ""

    @property
    def refused(self) -> bool:
        """Whether no composition can have it."""
        return not (self.debian or self.nixpkgs)


class Seen(_Row):
    """By what a package of Debian is seen to be present; by nothing: it always is.

    Args:
        commands: programs, all in the PATH.
        python: packages of Python.
    """

    commands: tuple[str, ...] = ()
    python: tuple[str, ...] = ()


class Service(_Row):
    """A service of EnOSlib.

    Args:
        state: `works` on the embedded composition, as `test` shows; `unshown`: it should, but
            nothing here shows it; `no`: it cannot, for the reason in `text`.
        compat: names of the option that it needs.
        test: `FILE::TEST` that shows it, "" where none does.
        text: what to know about it, or the reason.
        nix: how a composition has the same, where the service cannot bring it.
    """

    state: Literal["works", "unshown", "no"]
    compat: tuple[str, ...] = ()
    test: str = ""
    text: str
    nix: str = ""


class Table(_Row):
    """The whole table.

    Args:
        names: what each name of the option brings.
        packages: packages of Debian that are seen by something else than a command of the same
            name.
        services: EnOSlib's services, by class name.
    """

    names: Mapping[str, Needs]
    packages: Mapping[str, Seen]
    services: Mapping[str, Service]

    def seen(self, package: str) -> Seen:
        """Return by what a package of Debian is seen to be present."""
        return self.packages.get(package, Seen(commands=(package,)))

    def bring_packages(self, asked: Collection[str], missing: Collection[str]) -> list[str]:
        """Return the names that bring packages of Debian.

        Args:
            asked: all packages that a task asks for: together they tell the service.
            missing: those that are not there.
        """
        has = {name: {*(needs.debian or ())} for name, needs in self.names.items()}
        return _covering(has, asked, missing)

    def bring_python(self, asked: Collection[str], missing: Collection[str]) -> list[str]:
        """Return the names that bring packages of Python, likewise."""
        has = {name: set(needs.python) for name, needs in self.names.items()}
        return _covering(has, asked, missing)

    def bring_file(self, path: str) -> list[str]:
        """Return the names that bring a file."""
        return [name for name, needs in self.names.items() if path in needs.files]


def _covering(
    has: Mapping[str, Collection[str]], asked: Collection[str], missing: Collection[str]
) -> list[str]:
    known = {one for brought in has.values() for one in brought}
    for wanted in ({*asked} & known | {*missing}, {*missing}):
        names = [name for name, brought in has.items() if wanted <= {*brought}]
        if names:
            return names
    return []


@cache
def table() -> Table:
    """Return the table."""
    return Table.model_validate_json(FILE.read_bytes())


def advice(names: Collection[str], role: str, installed: Collection[str]) -> str:
    """Return what to add to a composition, as a part of a sentence.

    Args:
        names: names of the table, any of which brings what is missing; may be empty.
        role: role of the composition.
        installed: names that the machine has already.
    """
    where = f"role {role} of the composition"
    if not names:
        return f"add it to environment.systemPackages of {where}"
    if len(names) == 1:
        (name,) = names
        text = f'add `{OPTION} = [ "{name}" ];` to {where}'
    else:
        text = f"add one of {', '.join(names)} to `{OPTION}` of {where}, or it alone to "
        text += "environment.systemPackages"
    return text + (f", which has: {', '.join(installed)}" if installed else "")
