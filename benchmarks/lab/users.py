"""Programs of users of this package, each in a process of its own (`ns_client`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.lab import watched

ROOT = Path(__file__).parents[2]
"""Of the project."""

Words = list[str | Path]


def init(
    file: Path,
    configuration: Mapping[str, object],
    *,
    timeout: float,
    hosts: Sequence[Mapping[str, object]] = (),
    network: Mapping[str, object] | None = None,
    inside: Callable[[Words], Words] = list,
    others: Callable[[], Iterable[int]] | None = None,
) -> dict[str, Any]:
    """Have a user call `init()`.

    Args:
        file: that tells the process what to do; it is written.
        configuration: of the provider.
        timeout: seconds.
        hosts: of `en.Static`, if there are any.
        network: their network.
        inside: takes a command line and returns the one that runs it where it is to run.
        others: returns the processes whose memory counts as its own.

    Returns:
        seconds, mib, phases, and boot_ids of machines that it made itself.

    Raises:
        MeasureError: it failed.
    """
    told = {"configuration": configuration, "hosts": list(hosts), "network": network}
    file.write_text(json.dumps(told))
    done = file.with_suffix(".done")
    done.unlink(missing_ok=True)
    argv = inside([sys.executable, "-m", "benchmarks.lab.ns_client", file])
    ran = watched.run(argv, timeout=timeout, cwd=ROOT, others=others)
    found = json.loads(done.read_text())
    assert isinstance(found, dict)  # noqa: S101 (written by `ns_client`)
    found["mib"] += ran.others_mib
    return found
