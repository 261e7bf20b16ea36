"""The scripts that run on machines: read, short, and sent over ssh's input.

They are in `playbooks/` at the top of the repository. A user's own of the same name, in
`$XDG_CONFIG_HOME/enoslib-nxc/playbooks`, takes the place of ours.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

END = "END_OF_PYTHON"
"""No script has it as a line."""


def own_directory() -> Path:
    """Return where scripts of the user's own are looked for."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "enoslib-nxc" / "playbooks"


def replaced() -> tuple[Path, ...]:
    """Return the user's own scripts that take the place of ours."""
    own = own_directory()
    ours = (script.name for script in files("enoslib_nxc").joinpath("playbooks").iterdir())
    return tuple(sorted(own / name for name in ours if (own / name).is_file()))


def text(name: str) -> str:
    """Return a script.

    Args:
        name: its file name; without its end, if that is `.sh`.
    """
    name = name if "." in name else f"{name}.sh"
    own = own_directory() / name
    if own.is_file():
        return own.read_text(encoding="utf-8")
    ours = files("enoslib_nxc") / "playbooks" / name
    return ours.read_text(encoding="utf-8")


def function(name: str, script: str, values: Mapping[str, str]) -> str:
    """Return shell text that makes a script, with its values, a function that may exit.

    Args:
        name: of the function.
        script: file name of the script without `.sh`.
        values: its variables.
    """
    return f"{name}() (\n{assignments(values)}{text(script)}\n)\n"


def python_function(name: str, script: str, values: Mapping[str, str]) -> str:
    """Return shell text that makes a script in Python, with its values, a function.

    Args:
        name: of the function.
        script: file name of the script without `.py`.
        values: what is in its environment.
    """
    # the standard library alone: to look for more takes longer than to start
    run = f"python3 -I -S - <<'{END}'\n{text(f'{script}.py')}\n{END}"
    return f"{name}() (\nexport {' '.join(values)}\n{assignments(values)}{run}\n)\n"


def assignments(values: Mapping[str, str]) -> str:
    """Return shell text that sets variables, to stand before a script.

    Values travel in a script's text, over ssh's input: never on a command line.
    """
    return "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())
