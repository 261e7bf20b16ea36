"""Running a command on machines of a deployment, side by side."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from enoslib_nxc import parallel, reach
from enoslib_nxc.data import Data
from enoslib_nxc.driver import Remote
from enoslib_nxc.errors import DeadlineError, NxcError
from enoslib_nxc.model import Deployment
from enoslib_nxc.state import Home

SECONDS = 600.0
"""For a command, unless the user says otherwise."""


class Done(Data):
    """How a command ended on one host.

    Args:
        host: host name.
        status: exit status; None where there is none, see `trouble`.
        output: standard output.
        errors: standard error.
        trouble: why there is no exit status: not reached, or not in time.
    """

    host: str
    status: int | None = None
    output: str = ""
    errors: str = ""
    trouble: str = ""


def run(
    deployment: Deployment,
    home: Home,
    hosts: Sequence[str],
    words: Sequence[str],
    *,
    timeout: float = SECONDS,
    ended: Callable[[Done], None] = lambda _done: None,
) -> tuple[Done, ...]:
    """Run a command on hosts, as root, without input; it ends there too when time is over.

    Args:
        deployment: the record.
        home: its directory.
        hosts: host names.
        words: the command; one word alone is a line for bash.
        timeout: seconds.
        ended: called with each end as it comes, from several threads.

    Returns:
        How it ended on each host, in their order.
    """
    line = words[0] if len(words) == 1 else shlex.join(words)

    def work(host: str) -> Done:
        done = _on(Remote(reach.own(deployment, home, host)), host, line, timeout)
        ended(done)
        return done

    found = parallel.each(hosts, work).done
    return tuple(found[host] for host in hosts)


def _on(machine: Remote, host: str, line: str, timeout: float) -> Done:
    try:
        # a test script's commands run under these; a user's does not expect them
        answer = machine.run(f"set +euo pipefail\n{line}", timeout)
    except DeadlineError:
        return Done(host=host, trouble=f"it did not end within {timeout:g} s")
    except NxcError as error:
        last = error.details.splitlines()[-1:] or [""]
        return Done(host=host, trouble=": ".join(filter(None, (error.brief, *last))))
    return Done(host=host, status=answer.status, output=answer.output, errors=answer.errors)
