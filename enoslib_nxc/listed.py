"""This package in `en.check()`: EnOSlib lists providers, and asks their modules for a check.

EnOSlib looks for the module of each entry of `enoslib.PROVIDERS` as
`enoslib.infra.NAME.provider` (`_check_deps` of EnOSlib 10.9.0); so this one goes by that name.
"""

from __future__ import annotations

import sys

import enoslib

NAME = "enos_nixoscompose"
SHORT = "NixOSCompose"

OTHERS = ("grid5000", "tmux")
"""Subjects of the doctor that are not shown: EnOSlib asks about Grid'5000 itself."""


def enlist() -> None:
    """Have `en.check()` list this provider; an EnOSlib that keeps no list is left alone."""
    known = getattr(enoslib, "PROVIDERS", None)
    if isinstance(known, list) and all(entry[0] != SHORT for entry in known):
        known.append((SHORT, NAME, ""))
        sys.modules.setdefault(f"enoslib.infra.{NAME}.provider", sys.modules[__name__])


def check() -> list[tuple[str, bool | None, str]]:
    """Look at this computer, as `enoslib-nxc doctor` does.

    Returns:
        What was looked at, whether it can be used (None where it can, but not as it should
        be), and a hint, as EnOSlib shows them.
    """
    from enoslib_nxc.doctor import examine

    states = {"ok": True, "warning": None, "missing": False}
    return [
        (each.subject, states[each.state], each.remedy or each.told)
        for each in examine().findings
        if each.subject not in OTHERS
    ]
