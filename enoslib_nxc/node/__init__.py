"""The shell scripts that run as root on machines: read, short, and sent over ssh's input."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def text(name: str) -> str:
    """Return a script of this directory.

    Args:
        name: its file name without `.sh`.
    """
    return files(__name__).joinpath(f"{name}.sh").read_text(encoding="utf-8")
