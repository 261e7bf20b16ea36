"""An ssh agent that is lent to one script: it holds one key, and ends with it.

So a machine can go on from there to others with a key that never leaves this one.
"""

from __future__ import annotations

import os
from pathlib import Path

from enoslib_nxc import shell, ssh
from enoslib_nxc.shell import Result
from enoslib_nxc.ssh import Access

_LEND = """
ssh-add -q "$1" < /dev/null || exit
LENT=$SSH_AUTH_SOCK SSH_AUTH_SOCK=${2:-$SSH_AUTH_SOCK}
export LENT SSH_AUTH_SOCK
shift 2
exec 3<&0
"$@" <&3 3<&- &
trap 'kill $! "$SSH_AGENT_PID"' HUP INT TERM
wait $!
status=$?
kill "$SSH_AGENT_PID" 2> /dev/null
exit $status
"""
"""Runs a command with the new agent's socket in LENT; the user's own agent stays theirs (where
they have none, it is the same: without any, ssh would forward nothing). An
agent whose command was killed ends by itself within ten seconds (ssh-agent.c)."""

_HERE = ("sh", "-c", "SSH_AUTH_SOCK=$LENT exec sh -s")

_THERE = ("sh", "-c", 'exec ssh -o ForwardAgent="$LENT" "$@"', "sh")
"""A path as its value: since OpenSSH 8.2 (ssh_config(5))."""


def script(access: Access | None, text: str, key: Path, *, timeout: float) -> Result:
    """Run a shell script that may use a key; its text goes over standard input.

    Args:
        access: the machine that it runs on, which is trusted with the use of the key for as
            long as the script runs; None for this one.
        text: POSIX sh.
        key: private key without passphrase.
        timeout: seconds.

    Raises:
        ToolMissingError: this machine has no ssh-agent.
        CommandError: ssh or the script failed, or the time was over.
    """
    shell.require("ssh-agent", purpose="to lend a key", package="openssh-client")
    lend = ["ssh-agent", "sh", "-c", _LEND, "sh", str(key), os.environ.get("SSH_AUTH_SOCK", "")]
    if access is None:
        return shell.run([*lend, *_HERE], timeout=timeout, stdin=text)
    options = ssh.argv(access, "sh", "-s")[1:]
    with ssh.turn(access, timeout) as left:
        return shell.run([*lend, *_THERE, *options], timeout=left, stdin=text)
