"""Looks at what this computer has for each flavour, and says what to do about what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from enoslib_nxc import artifacts, flavours, parallel
from enoslib_nxc.config import Settings
from enoslib_nxc.config_sections import Build, Ssh
from enoslib_nxc.doctor import checks
from enoslib_nxc.doctor.model import Diagnosis, Finding, Verdict, missing, ok
from enoslib_nxc.errors import NxcError
from enoslib_nxc.flavours import Flavour, Source

__all__ = ["Diagnosis", "Finding", "examine"]


def examine(settings: Settings | None = None) -> Diagnosis:
    """Look at this computer, all checks side by side; nothing is built, started or changed.

    Args:
        settings: a configuration; what it needs decides whether all is well. Without one,
            that is what all flavours need: versions, Nix and ssh.
    """
    looked, needed = _checks(settings)
    done = parallel.each(looked, lambda subject: _verdict(looked[subject])).done
    findings = tuple(
        Finding(subject=subject, needed=subject in needed, **done[subject].model_dump())
        for subject in looked
    )
    return Diagnosis(
        findings=findings,
        well=not any(each.needed and each.state == "missing" for each in findings),
    )


def _checks(settings: Settings | None) -> tuple[dict[str, Callable[[], Verdict]], set[str]]:
    """Return the checks by subject, and the subjects that matter."""
    build = settings.build if settings else Build()
    given = settings.ssh if settings else Ssh()
    own: dict[str, Callable[[], Verdict]] = {}
    rows = flavours.rows(settings, Source()) if settings else {}
    for name, row in rows.items():
        own[f"flavour {name}"] = _of_flavour(row, settings)
    looked: dict[str, Callable[[], Verdict]] = {
        **own,
        "versions": checks.versions,
        "nix": lambda: checks.nix_store(build),
        "ssh": checks.programs,
        "ssh keys": lambda: checks.ssh_keys(given),
        "virtual machines": checks.virtual_machines,
        "kvm": lambda: checks.kvm(_kernels(settings)),
        "docker": checks.docker_daemon,
        "nspawn": lambda: checks.nspawn(settings),
        "grid5000": checks.grid5000,
        "tmux": checks.tmux,
    }
    needed = {*own, "versions", "ssh", "ssh keys"}
    if settings is None or _built_here(settings):
        needed.add("nix")
    return looked, needed


def _of_flavour(row: Flavour, settings: Settings | None) -> Callable[[], Verdict]:
    """Return the check of a flavour: what `init()` asks of this computer before it builds."""

    def look() -> Verdict:
        assert settings  # noqa: S101 (flavours are those of a configuration)
        row.boot().require()
        row.platform(Source()).check(settings.only(row.name))
        return ok(row.description)

    return look


def _built_here(settings: Settings) -> bool:
    """Tell whether Nix of this computer takes part: not where all is built already."""
    try:
        return settings.build.on == "local" and artifacts.at_hand(settings, None) is None
    except NxcError:
        return True  # the build will say what is wrong


def _kernels(settings: Settings | None) -> list[Path]:
    """Return the kernel of a composition that is built already."""
    if settings is None:
        return []
    try:
        made = artifacts.at_hand(settings, None)
    except NxcError:
        return []
    return [made.store.real(made.kernel)] if made and made.kernel else []


def _verdict(look: Callable[[], Verdict]) -> Verdict:
    try:
        return look()
    except NxcError as error:
        return missing(error)
    except OSError as error:  # the other checks go on
        return missing(NxcError(str(error)))
