"""`enoslib-nxc completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from enoslib_nxc.commands.shown import Command

PROGRAM = "enoslib-nxc"
SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Command,
    examples=[
        'eval "$(enoslib-nxc completion bash)"          # in ~/.bashrc',
        'eval "$(enoslib-nxc completion zsh)"           # in ~/.zshrc',
        "enoslib-nxc completion fish | source           # in config.fish",
    ],
    short_help="print the script for your shell",
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script by which SHELL completes commands, deployments, hosts and flavours."""
    kind = get_completion_class(shell)
    assert kind  # noqa: S101 (click has all three)
    variable = f"_{PROGRAM.replace('-', '_').upper()}_COMPLETE"
    click.echo(kind(ctx.find_root().command, {}, PROGRAM, variable).source())
