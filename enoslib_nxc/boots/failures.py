"""One error that names every machine with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from enoslib_nxc import parallel
from enoslib_nxc.boots import Boot, Run
from enoslib_nxc.errors import BootError, NxcError

AFTERWARDS = "init() tries again what is missing; destroy() ends what is there"


def failure(
    what: str, failed: Mapping[str, NxcError], run: Run, boot: Boot, *, then: str = AFTERWARDS
) -> BootError:
    """Return one error that names every machine with its reason and its last lines.

    Args:
        what: became of them, after "N of M machines".
        failed: host -> why.
        run: the run.
        boot: has what machines wrote last.
        then: what to do.
    """
    total = len(run.deployment.plan.nodes)
    # side by side: a host that is gone is waited for once, not for each of its machines
    logs = parallel.each(failed, lambda host: boot.log(run, host)).done
    lines: list[str] = []
    for host, error in failed.items():
        lines += filter(None, [str(error), logs.get(host)])
    return BootError(
        f"{len(failed)} of {total} machines {what}: {', '.join(failed)}",
        details="\n".join(lines),
        resolution=then,
    )
