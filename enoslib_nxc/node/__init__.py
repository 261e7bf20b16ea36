"""The shell scripts that run as root on machines: read, short, and sent over ssh's input."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def text(name: str) -> str:
    """Return a script of this directory.

    Args:
        name: its file name without `.sh`.
    """
    return files(__name__).joinpath(f"{name}.sh").read_text(encoding="utf-8")


def assignments(values: Mapping[str, str]) -> str:
    """Return shell text that sets variables, to stand before a script.

    Values travel in a script's text, over ssh's input: never on a command line.
    """
    return "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())
