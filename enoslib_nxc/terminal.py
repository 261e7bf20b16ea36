"""Command lines that give the user a shell on machines: one, or several in panes of tmux."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from enoslib_nxc import shell, ssh
from enoslib_nxc.errors import CommandError, PlatformError
from enoslib_nxc.ssh import Access

LOGIN = "command -v bash >/dev/null 2>&1 && exec bash -l; exec sh -l"
"""What is run in a container, whose image need not have bash where it says."""

KEPT = '"$@"; test $? -ne 255 || { echo "not connected; Enter closes this pane"; read -r _; }'
"""Runs its arguments; 255 is ssh's own exit status."""

PANES = 16
"""Of one tmux window: more are not readable, and tmux refuses those that are too small."""

TMUX_SECONDS = 15.0
"""For one command of tmux."""

SIZE = ("-x", "200", "-y", "60")
"""Columns and lines of a session until a terminal is attached to it: with tmux's own 80x24
there would be no room for `PANES`."""


def argv(access: Access) -> list[str]:
    """Return the command line that opens a shell on a machine, with this terminal.

    Args:
        access: how the machine is reached; its host key must be known already.
    """
    if access.through:
        return [*_with_terminal(access.through), "sh", "-c", LOGIN]
    identity = ["-o", "IdentitiesOnly=yes", "-i", str(access.key)] if access.key else []
    return [
        *["ssh", "-t", *ssh.options(access)],
        *["-o", "LogLevel=ERROR", "-o", f"ConnectTimeout={access.patience}"],
        *["-o", "ServerAliveInterval=15", "-o", "ControlPath=none"],
        *["-o", "PreferredAuthentications=publickey", *identity],
        *["-p", str(access.port), "-l", access.user, access.address],
    ]


def _with_terminal(through: Sequence[str]) -> list[str]:
    """Return the words that run a command in a container, with a terminal there too."""
    at = list(through).index("-i") if "-i" in through else -1
    return [*through[: at + 1], "-t", *through[at + 1 :]] if at >= 0 else list(through)


def panes(
    commands: Mapping[str, Sequence[str]],
    *,
    inside: bool,
    call: Callable[[Sequence[str]], str] | None = None,
) -> list[str]:
    """Start a tmux session with a pane for each command.

    Args:
        commands: title of a pane -> its command line.
        inside: whether this process runs in tmux itself.
        call: runs tmux and returns what it says; for tests.

    Returns:
        The command line that shows the session to this terminal. It ends with its panes.

    Raises:
        PlatformError: there are too many.
        ToolMissingError: there is no tmux.
        CommandError: tmux could not make them; then nothing of them is left.
    """
    if len(commands) > PANES:
        raise PlatformError(
            f"{len(commands)} machines do not fit into one window (at most {PANES})",
            resolution="name some of them; or `enoslib-nxc exec ROLE -- COMMAND`",
        )
    tmux = call or _tmux
    (first, command), *rest = commands.items()
    session = tmux(["new-session", "-d", *SIZE, "-P", "-F", "#{session_id}", _line(command)])
    try:
        tmux(["select-pane", "-t", session, "-T", first])
        for title, command in rest:
            tmux(["split-window", "-t", session, _line(command)])
            tmux(["select-pane", "-t", session, "-T", title])
            tmux(["select-layout", "-t", session, "tiled"])
        tmux(["set-option", "-t", session, "pane-border-status", "top"])
    except CommandError:
        with suppress(CommandError):  # it may have ended itself
            tmux(["kill-session", "-t", session])
        raise
    return ["tmux", "switch-client" if inside else "attach-session", "-t", session]


def _line(command: Sequence[str]) -> str:
    """Return what a pane runs; where ssh fails it stays, so that its words can be read."""
    return shlex.join(["sh", "-c", KEPT, "sh", *command])


def _tmux(words: Sequence[str]) -> str:
    shell.require("tmux", purpose="to show several machines", package="tmux")
    return shell.run(["tmux", *words], timeout=TMUX_SECONDS).stdout.strip()
