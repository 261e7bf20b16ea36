"""Variants of `setup.toml` (format: NXC 0.7.11, `nixos_compose/setup.py`, `nix/setup.nix`).

NXC's Nix side reads the file beside flake.nix and takes the variant from its
`project.selected`, overriding parameters from its `override-params`; its command line writes
both into the user's file. Here the user's file is only read: when what Nix must read differs
from it, the flake is built from a copy of its source with another setup.toml in it. The copy
gives the same store paths, since those depend on contents.

Of `[options]` and `[VARIANT.options]`, `nix-flags` and `kernel-params` are honoured; flavour,
composition and composition file are keys of our own configuration.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc.config_sections import Build
from enoslib_nxc.errors import ConfigError
from enoslib_nxc.nix import source

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "setup.toml"
RESERVED = {"project", "options", "params", "override-params", "overrides", "build"}
"""Tables at the top of setup.toml that are no variants."""

Table = dict[str, object]


@dataclass(frozen=True)
class Setup:
    """What setup.toml asks for.

    Args:
        nix_flags: further words for `nix build`.
        kernel_params: to append to the kernel's command line.
        overlay: file of the flake -> text that Nix must read in its place.
    """

    nix_flags: tuple[str, ...] = ()
    kernel_params: str = ""
    overlay: Mapping[str, str] | None = None


def resolve(build: Build, directory: Path | None) -> Setup:
    """Read a flake's setup.toml under the configuration's choices.

    Args:
        build: the configuration's section.
        directory: the flake's directory; None when it is not on this machine.

    Raises:
        ConfigError: there is no such variant, parameter table or file, or it is no TOML.
    """
    asked = build.setup is not None or bool(build.setup_params)
    path = directory / FILE if directory else None
    if path is None or not path.is_file():
        if asked:
            raise ConfigError(
                f"build.setup needs a {FILE} in the flake's directory; there is none"
                + (f" in {directory}" if directory else ": the flake is not a local directory")
            )
        return Setup()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    if asked and FILE not in (path.parent / "flake.nix").read_text(errors="replace"):
        raise ConfigError(
            f"build.setup has no effect: {path.parent / 'flake.nix'} does not mention {FILE}",
            resolution=f"pass `setup = ./{FILE};` to nxc.lib.compose in flake.nix",
        )
    return select(content, build, path)


def kernel_params(build: Build, flake: str) -> str:
    """Return what setup.toml appends to the kernel's command line; "" for nothing.

    Args:
        build: the configuration's section.
        flake: the composition, resolved to a path or flake reference.

    Raises:
        ConfigError: see `resolve`.
    """
    return resolve(build, source.locate(flake).directory).kernel_params


def select(content: Table, build: Build, path: Path) -> Setup:
    """Choose a variant. Pure.

    Args:
        content: the file's content.
        build: the configuration's section.
        path: the file, for messages.

    Raises:
        ConfigError: there is no such variant or no table of parameters.
    """
    variant = _variant(content, build.setup, path)
    options = {**_table(content, "options"), **_table(variant, "options")}
    if build.setup_params and not (_table(content, "params") or _table(variant, "params")):
        raise ConfigError(
            f"build.setup_params has no effect: {path} has no [params]",
            resolution="remove build.setup_params, or declare the parameters in [params]",
        )
    return Setup(
        nix_flags=tuple(shlex.split(str(options.get("nix-flags", "")))),
        kernel_params=str(options.get("kernel-params", "")),
        overlay=_overlay(content, build),
    )


def _variant(content: Table, name: str | None, path: Path) -> Table:
    if name is None:
        return {}
    tables = {key for key, value in content.items() if isinstance(value, dict)}
    variants = sorted(tables - RESERVED)
    if name not in variants:
        raise ConfigError(
            f"{path} has no variant {name!r} (build.setup)",
            resolution=f"set build.setup to one of: {', '.join(variants)}"
            if variants
            else "leave build.setup out: the file has no variant",
        )
    return _table(content, name)


def _overlay(content: Table, build: Build) -> Mapping[str, str] | None:
    """Return the setup.toml that Nix must read, None when the user's own will do.

    What a former `nxc build` left in `project.selected` and `override-params` does not
    count: NXC removes it too.
    """
    project = {k: v for k, v in _table(content, "project").items() if k != "selected"}
    wanted = {key: value for key, value in content.items() if key != "override-params"}
    if build.setup is not None:
        project["selected"] = build.setup
    if project or "project" in content:
        wanted["project"] = project
    if build.setup_params:
        wanted["override-params"] = dict(build.setup_params)
    return {FILE: to_toml(wanted)} if wanted != content else None


def _table(content: Table, key: str) -> Table:
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def to_toml(content: Table) -> str:
    """Write TOML: one line for each key, tables inline (TOML 1.0)."""
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in content.items())


def _key(key: str) -> str:
    return json.dumps(key, ensure_ascii=False)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, (str, bool)):
        # JSON's escapes are TOML's; DEL is the one character that JSON leaves as it is
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)  # numbers; dates, whose ISO form is TOML's
