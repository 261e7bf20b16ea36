"""Doing the same for every node, side by side, with each failure kept under its node."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from enoslib_nxc import children
from enoslib_nxc.errors import NxcError

T = TypeVar("T")

WORKERS = 64
"""Nodes handled at once; each worker mostly waits for a process or a socket."""


@dataclass
class Outcomes(Generic[T]):
    """What came of each node.

    Args:
        done: node -> result.
        failed: node -> the error that ended it.
    """

    done: dict[str, T] = field(default_factory=dict)
    failed: dict[str, NxcError] = field(default_factory=dict)


def each(
    names: Iterable[str],
    work: Callable[[str], T],
    *,
    workers: int = WORKERS,
    cancel: Callable[[], None] = lambda: None,
) -> Outcomes[T]:
    """Call `work` for every name at once and wait for all.

    Args:
        names: nodes.
        work: called with each name, in a thread of its own.
        workers: calls under way at once.
        cancel: called when the wait is interrupted (Ctrl-C), to end what `work` waits for;
            the processes that it started are ended here.

    Returns:
        Results and failures by name; an error that is not an `NxcError` is a defect, and is
        raised once all calls have ended.
    """
    ordered = list(names)
    outcomes: Outcomes[T] = Outcomes()
    if not ordered:
        return outcomes
    with ThreadPoolExecutor(max_workers=min(workers, len(ordered))) as pool:
        futures = {name: pool.submit(work, name) for name in ordered}
        try:
            for name, future in futures.items():
                try:
                    outcomes.done[name] = future.result()
                except NxcError as error:
                    outcomes.failed[name] = error
        except BaseException:
            cancel()
            pool.shutdown(wait=False, cancel_futures=True)
            children.end_all()
            raise
    return outcomes
