"""Writes a project to begin with, from the templates of this package."""

from __future__ import annotations

import re
from pathlib import Path

from enoslib_nxc.debian import EMBEDDED_DIR, LOCK_NAME
from enoslib_nxc.errors import ConfigError

TEMPLATES = Path(__file__).with_name("templates")

EMBEDDED = ("flake.nix", "composition.nix", "setup.toml", LOCK_NAME)
"""Files of the embedded composition; the library that they call is put in by the build."""

JOB_NAME = "my-experiment"
"""What the templates are called; a project is called after its directory."""


def names() -> tuple[str, ...]:
    """Return the names of the templates, the usual one first."""
    return tuple(sorted(path.name for path in TEMPLATES.iterdir() if path.is_dir()))


def files(template: str) -> dict[str, str]:
    """Return the files of a template: path in it -> text.

    Args:
        template: one of `names`.
    """
    root = TEMPLATES / template
    found = {
        str(path.relative_to(root)): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }
    if template == "embedded":
        for name in EMBEDDED:
            found[f"composition/{name}"] = (EMBEDDED_DIR / name).read_text(encoding="utf-8")
    return found


def write(directory: Path, template: str) -> tuple[Path, ...]:
    """Write a project; nothing is written where something of it is there already.

    Args:
        directory: where; it is made if it is not there.
        template: one of `names`.

    Returns:
        The files.

    Raises:
        ConfigError: one of them is there, or they cannot be written.
    """
    wanted = {directory / name: text for name, text in files(template).items()}
    there = [str(path) for path in wanted if path.exists() or path.is_symlink()]
    if there:
        raise ConfigError(
            f"{', '.join(there)}: there already, and not overwritten",
            resolution="enoslib-nxc init ANOTHER_DIRECTORY, or move what is there away",
        )
    called = job_name(directory)
    try:
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            # "x": what somebody else wrote meanwhile is not overwritten either
            with path.open("x", encoding="utf-8") as file:
                file.write(text.replace(JOB_NAME, called))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError(f"{error.filename or directory}: {reason}") from error
    return tuple(wanted)


def job_name(directory: Path) -> str:
    """Return the name of a deployment that is called after a directory."""
    made = re.sub(r"[^A-Za-z0-9._-]+", "-", directory.resolve().name)
    return re.sub(r"^[^A-Za-z0-9]+", "", made)[:64] or JOB_NAME
