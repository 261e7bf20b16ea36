"""What the doctor found: plain frozen data."""

from __future__ import annotations

from typing import Literal

from enoslib_nxc.data import Data
from enoslib_nxc.errors import NxcError

State = Literal["ok", "warning", "missing"]

MOST = 3
"""Lines of an error's details that are told, the last ones."""


class Verdict(Data):
    """What one check found.

    Args:
        state: whether what it looked at can be used.
        told: what there is, or what is wrong, one line.
        remedy: what to do about it, "" where nothing has to be done.
    """

    state: State
    told: str
    remedy: str = ""


class Finding(Verdict):
    """What one check found, and whether it matters.

    Args:
        subject: what was looked at.
        needed: whether the configuration needs it; without one, whether all do.
    """

    subject: str
    needed: bool


class Diagnosis(Data):
    """All that was found.

    Args:
        findings: in the order of the checks.
        well: whether nothing is missing that is needed.
    """

    findings: tuple[Finding, ...]
    well: bool


def ok(told: str) -> Verdict:
    """Return that something can be used."""
    return Verdict(state="ok", told=told)


def warning(told: str, remedy: str = "") -> Verdict:
    """Return that something can be used, but not as it should be."""
    return Verdict(state="warning", told=told, remedy=remedy)


def missing(error: NxcError) -> Verdict:
    """Return that something cannot be used, in the words of its error."""
    told = [line for line in error.details.splitlines() if not line.startswith("$ ")]
    why = "; ".join(told[-MOST:])
    return Verdict(
        state="missing",
        told=f"{error.brief}: {why}" if why else error.brief,
        remedy=error.resolution,
    )
