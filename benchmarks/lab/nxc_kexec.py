"""kexec of machines by `nxc start`, until they answer."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

from benchmarks.lab import answers, push
from benchmarks.lab.answers import SSH, Door
from benchmarks.lab.nodes import Nodes
from benchmarks.lab.nxc_project import Project
from enoslib_nxc.built import Artifacts

TIMEOUT = 240.0
"""Seconds until machines are given up."""

SCREEN = """printf '%s\\n' '#!/bin/sh' 'shift; setsid "$@" < /dev/null > /run/nxc.log 2>&1 &' \
> /usr/bin/screen && chmod +x /usr/bin/screen"""
"""What nxc calls on nodes (`screen -dm WORDS`), where the image has no screen."""

# nxc's script and what it names are on a home that all nodes mount; here the script goes
# along with the call, by the same connection
CARRY = """for last; do :; done
script={script}
case $last in
*"$script"*) exec {ssh} -l root "$(echo "$*" | grep -o '[0-9.]*[.][0-9]*' | head -n 1)" \
  "mkdir -p {place} && cat > $script && chmod +x $script && $last" < "$script" ;;
esac
exec {ssh} "$@"
"""


def project(directory: Path, artifacts: Artifacts, nodes: Nodes) -> Project:
    """Make a project whose nodes let nxc in.

    Args:
        directory: it.
        artifacts: of flavour g5k-ramdisk.
        nodes: the machines.
    """
    made = Project(directory, artifacts)
    script = (
        directory / "artifact" / artifacts.composition / artifacts.flavour
    ) / "kexec_scripts/kexec.sh"
    ssh = shlex.join([shutil.which("ssh") or "ssh", *SSH[2:], "-i", str(nodes.key)])
    made.program("ssh", CARRY.format(script=script, place=script.parent, ssh=ssh))
    shutil.copy(nodes.key.with_suffix(".pub"), made.key.with_suffix(".pub"))
    return made


def prepare(nodes: Nodes) -> None:
    """Have on the nodes what nxc calls there."""
    answers.each(nodes.doors, lambda door: _ask(nodes, door))


def _ask(nodes: Nodes, door: Door) -> None:
    answers.ask(door, nodes.key, SCREEN)


def deploy(made: Project, nodes: Nodes) -> None:
    """Put kernel and initrd on the nodes, run `nxc start`, and wait until all answer.

    Raises:
        MeasureError: they do not, or as something else.
    """
    push.put(nodes)
    machines = made.directory / "machines"
    machines.write_text("".join(f"{door.address}\n" for door in nodes.doors))
    built = made.artifacts
    words = ["start", "-C", f"{built.composition}::{built.flavour}", "-m", str(machines)]
    # nxc gives addresses to roles in the order of the compose info
    roles = list(built.roles)
    doors = sorted(nodes.doors, key=lambda door: roles.index(door.role))
    for role in roles:
        words += ["-r", f"{role}={','.join(d.host for d in doors if d.role == role) or '0'}"]
    given = zip(doors, nodes.doors, strict=True)
    wanted = [replace(d, address=at.address, boot=at.boot) for d, at in given]
    with made.running(*words) as process:
        answers.until_all(wanted, nodes.key, TIMEOUT, lambda: made.failed(process))
