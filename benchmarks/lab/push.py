"""kexec of machines by nothing but ssh: fetch, load, jump."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping

from benchmarks.lab import answers, network
from benchmarks.lab.answers import Door
from benchmarks.lab.nodes import Nodes

SECONDS = 120.0
"""For a machine to fetch and load."""

FETCH = """
get() {
  if command -v curl > /dev/null; then curl -sSf -o "$2" "$1"
  elif command -v wget > /dev/null; then wget -q -O "$2" "$1"
  else python3 -c 'import sys, urllib.request as u; u.urlretrieve(*sys.argv[1:])' "$1" "$2"
  fi
}
"""

LOAD = """
load() {{ kexec "$@" -l {kernel} --initrd={initrd} --command-line={line}; }}
{calls} || exit
rm {kernel} {initrd}
setsid nohup sh -c 'sleep 0.2; kexec -e' > /dev/null 2>&1 < /dev/null &
"""
"""ssh must end before the system does."""

CHECKED = "load -s 2> /dev/null || load"
"""The file-based system call is the quicker one of those that take a digest of all that is
loaded, and once more in the jump."""

UNCHECKED = "load -c --no-checks"
"""The same without."""


def fetch(places: Mapping[str, str]) -> str:
    """Return a script that fetches what `network.served` serves.

    Args:
        places: name -> path on the machine.
    """
    lines = []
    for name, path in places.items():
        url = f"http://{network.GATEWAY}:8000/{name}"
        lines.append(f"mkdir -p {shlex.quote(path.rpartition('/')[0])} && get {url} {path}")
    return FETCH + "\n".join(f"{line} || exit" for line in lines) + "\n"


def take(nodes: Nodes, calls: str) -> None:
    """Put machines into their next system, all at once, each by one ssh; do not wait for it.

    Args:
        nodes: the machines.
        calls: how kexec loads it, `CHECKED` or `UNCHECKED`.
    """
    places = {name: f"/run/next/{name}" for name in nodes.files}
    line = shlex.quote(nodes.line())
    _on_all(nodes, lambda _: fetch(places) + LOAD.format(**places, line=line, calls=calls))


def put(nodes: Nodes) -> None:
    """Have kernel and initrd on machines, under their names in the store."""
    built = nodes.artifacts
    places = {"kernel": built.kernel, "initrd": built.initrd}
    _on_all(nodes, lambda _: fetch(places))


def _on_all(nodes: Nodes, script: Callable[[Door], str]) -> None:
    answers.each(nodes.doors, lambda d: _ask(nodes, d, script(d)))


def _ask(nodes: Nodes, door: Door, script: str) -> None:
    answers.ask(door, nodes.key, script, SECONDS)
