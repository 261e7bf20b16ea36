"""NixOS Compose's own `nxc`, in a virtual environment of its own, made on first use."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import MeasureError

VERSION = "0.7.11"
"""The release that is measured."""

TIMEOUT = 600.0
"""Seconds for the environment to be made, downloads included."""


def program() -> Path:
    """Return the program `nxc`."""
    return _environment() / "bin" / "nxc"


def python() -> Path:
    """Return the interpreter that `nxc` runs with; it has execo too."""
    return _environment() / "bin" / "python"


def _environment() -> Path:
    """Return the environment's directory, complete: one process makes it, others wait."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "enoslib-nxc" / "benchmarks" / f"nxc-{VERSION}"
    whole = place / "complete"
    if whole.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            # scripts in it have its path: it cannot be made elsewhere and moved here
            shutil.rmtree(place, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(place)])
            pip = [f"{place}/bin/python", "-m", "pip", "install", "--quiet"]
            _run([*pip, f"nixos-compose=={VERSION}"])
            whole.touch()
    return place


def _run(argv: list[str]) -> None:
    try:
        done = subprocess.run(argv, timeout=TIMEOUT, capture_output=True, text=True)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeasureError(f"nxc {VERSION} could not be installed: {error}") from error
    if done.returncode:
        raise MeasureError(
            f"nxc {VERSION} could not be installed: {done.stderr.strip()[-500:]}"
        )
