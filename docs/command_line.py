"""Write the reference part of docs/command-line.md: python docs/command_line.py."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import click

from enoslib_nxc.cli import SECTIONS, main

PAGE = Path(__file__).with_name("command-line.md")
MARK = "<!-- what follows is made by `python docs/command_line.py` -->\n"


def _usage(command: click.Command) -> str:
    return " ".join(command.get_usage(_context(command)).removeprefix("Usage: ").split())


def _context(command: click.Command) -> click.Context:
    """Return the context that the command line itself would make: commands keep some of it."""
    top = click.Context(main, info_name="enoslib-nxc", **main.context_settings)
    return click.Context(command, info_name=command.name, parent=top)


def _options(command: click.Command) -> list[str]:
    ctx = _context(command)
    rows = [
        record
        for parameter in command.get_params(ctx)
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts
        for record in [parameter.get_help_record(ctx)]
        if record
    ]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [f"| `{names}` | {' '.join(told.split())} |" for names, told in cells]
    return ["| option | |", "| --- | --- |", *lines, ""] if lines else []


def _section(command: click.Command) -> list[str]:
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(command.help or ""))
    examples = getattr(command, "examples", ())
    shown = ["```sh", *examples, "```", ""] if examples else []
    return [
        f"#### {command.name}\n",
        f"`{_usage(command)}`\n",
        f"{text}\n",
        *_options(command),
        *shown,
    ]


def reference() -> str:
    """Return the reference: every command, with its options and examples."""
    parts = ["## Reference\n"]
    for title, commands in SECTIONS.items():
        parts.append(f"### {title}\n")
        for command in commands:
            parts += _section(command)
    return "\n".join(parts).rstrip("\n") + "\n"


def page(now: str) -> str:
    """Return the page with its reference brought up to date.

    Args:
        now: the page as it is.
    """
    return f"{now.partition(MARK)[0]}{MARK}\n{reference()}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
