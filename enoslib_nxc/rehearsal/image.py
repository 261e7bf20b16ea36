"""The system of a rehearsal's machines: built by Nix from `embedded/rehearsal`."""

from __future__ import annotations

from pathlib import Path

from enoslib_nxc import artifacts, debian
from enoslib_nxc.built import Artifacts
from enoslib_nxc.config import Settings
from enoslib_nxc.events import Reporter

NODE, FRONTEND = "node", "frontend"
"""Roles of the composition."""


def build(report: Reporter, *, keep: Path) -> Artifacts:
    """Build the system, or find it built.

    Args:
        report: where events go.
        keep: link that keeps it from Nix's garbage collector.

    Raises:
        NxcError: it cannot be built.
    """
    settings = Settings.model_validate(
        {"composition": str(debian.EMBEDDED_DIR / "rehearsal"), "roles": {NODE: 1, FRONTEND: 1}}
    )
    return artifacts.obtain(settings, None, report, keep=keep)
