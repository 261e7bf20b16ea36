"""Reads what apt prints, and settles dependencies. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from enoslib_nxc.debian.lock import Package, sanitise
from enoslib_nxc.errors import BuildError

SCRIPT_ONLY = frozenset(
    (
        *("adduser", "cdebconf", "debconf", "debconf-2.0", "dpkg", "init-system-helpers"),
        *("install-info", "lsb-base", "perl", "perl-base", "runit-helper", "sensible-utils"),
        *("sysvinit-utils", "ucf"),
    )
)
"""Packages that others depend on for their maintainer scripts, which are never run here."""

_KERNEL = "linux-image-"

_URI = re.compile(r"^'\S+' ([^\s_]+)_([^\s_]+)_[^\s_]+\.deb \d+ ")
"""A line of `apt-get --print-uris`: address, NAME_VERSION_ARCHITECTURE.deb, size, digest."""


@dataclass(frozen=True)
class Stanza:
    """A binary package as the archive describes it (Debian policy, section 5.3).

    Args:
        name: package name.
        version: its version.
        architecture: `amd64` or `all`.
        sha256: of the .deb, hexadecimal.
        depends: groups of alternatives, names only, of Pre-Depends and Depends.
        provides: virtual packages that it stands for.
    """

    name: str
    version: str
    architecture: str
    sha256: str
    depends: tuple[tuple[str, ...], ...] = ()
    provides: tuple[str, ...] = ()


def selected(addresses: str) -> dict[str, str]:
    """Return name -> version of what `apt-get --print-uris install` would download."""
    lines = (_URI.match(line) for line in addresses.splitlines())
    return {match[1]: unquote(match[2]) for match in lines if match}


def parse_stanzas(text: str) -> list[Stanza]:
    """Return the packages in the output of `apt-cache show`."""
    return [_stanza(_fields(block)) for block in re.split(r"\n\s*\n", text) if block.strip()]


def _fields(block: str) -> dict[str, str]:
    """Return the one-line fields of a stanza; continuation lines are of no use here."""
    pairs = (line.split(":", 1) for line in block.splitlines() if line[:1] not in (" ", "\t"))
    return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}


def _stanza(fields: Mapping[str, str]) -> Stanza:
    relations = [fields.get(key, "") for key in ("Pre-Depends", "Depends")]
    return Stanza(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        sha256=fields.get("SHA256", ""),
        depends=tuple(group for text in relations for group in _relation(text)),
        provides=tuple(group[0] for group in _relation(fields.get("Provides", ""))),
    )


def _relation(text: str) -> list[tuple[str, ...]]:
    """Return `a (>= 1) | b:any, c` as [("a", "b"), ("c",)]."""
    return [
        tuple(re.split(r"[\s(:\[<]", word.strip(), maxsplit=1)[0] for word in group.split("|"))
        for group in text.split(",")
        if group.strip()
    ]


def closure(wanted: Iterable[str], stanzas: Iterable[Stanza]) -> tuple[Package, ...]:
    """Return the packages that some names need, each with its dependencies settled.

    Args:
        wanted: names asked for.
        stanzas: a set that the solver found to be complete.

    Returns:
        The packages, sorted by name.

    Raises:
        BuildError: a name or a dependency is not in the set.
    """
    known = {stanza.name: stanza for stanza in stanzas}
    provided = {
        virtual: stanza.name for stanza in known.values() for virtual in stanza.provides
    }
    todo, found = sorted(set(wanted)), dict[str, Package]()
    while todo:
        name = todo.pop()
        if name in found:
            continue
        stanza = known.get(name)
        if stanza is None:
            raise BuildError(
                f"package {name} is not among those that apt selected",
                resolution="name a real package, not a virtual one",
            )
        depends = _settle(stanza, known, provided)
        found[name] = _package(stanza, depends)
        todo += depends
    return tuple(found[name] for name in sorted(found))


def _settle(
    stanza: Stanza, known: Mapping[str, Stanza], provided: Mapping[str, str]
) -> list[str]:
    names = set()
    for group in stanza.depends:
        if SCRIPT_ONLY.intersection(group):
            continue
        # a kernel's other dependencies serve the hooks that make its initrd and boot entry
        if stanza.name.startswith(_KERNEL) and not group[0].startswith(_KERNEL):
            continue
        real = [word if word in known else provided.get(word) for word in group]
        first = next((word for word in real if word), None)
        if first is None:
            raise BuildError(f"apt selected nothing for {' | '.join(group)} of {stanza.name}")
        names.add(first)
    return sorted(names)


def _package(stanza: Stanza, depends: Iterable[str]) -> Package:
    filename = sanitise(f"{stanza.name}_{stanza.version}_{stanza.architecture}.deb")
    return Package(
        name=stanza.name,
        version=stanza.version,
        architecture=stanza.architecture,
        sha256=stanza.sha256,
        filename=filename,
        depends=tuple(depends),
    )
