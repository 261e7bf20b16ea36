"""A file from the home on a site to its nodes by TakTuk, in a tree of ssh connections.

Hosts are started side by side, each by a thread of its own: those that want the same file from
the same home are served by one tree. It begins when all hosts of the run have come, or are
known not to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field

from enoslib_nxc import parallel
from enoslib_nxc.boots import Run, taktuk
from enoslib_nxc.errors import CommandError, NxcError, PlatformError
from enoslib_nxc.files import File
from enoslib_nxc.g5k import where
from enoslib_nxc.g5k.staging import Staged
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.transfer import QUESTION_SECONDS, Place

GATHER_SECONDS = 2.0
"""Without any news of the other hosts, after which they are not waited for: more are started
than threads are there, or one gets the file in another way, slowly."""

SHARE = 0.5
"""Of the time that is left: the rest is for sending the file to each."""

Broadcast = Callable[[Mapping[str, Place]], dict[str, NxcError]]


@dataclass
class _Tree:
    """Hosts that are served together: their places, and then host -> why not."""

    places: dict[str, Place] = field(default_factory=dict)
    failed: Future[dict[str, NxcError]] = field(default_factory=Future)


class Spread:
    """Trees of one run.

    Args:
        run: the run.
        least: hosts for whom a tree is worth its while.
    """

    def __init__(self, run: Run, *, least: int) -> None:
        self._run = run
        self._least = least
        self._asking = threading.Lock()
        self._news = threading.Condition()
        self._expected: frozenset[str] = frozenset()
        self._settled: set[tuple[str, str]] = set()
        self._why: dict[str, str] = {}
        self._open: dict[tuple[str, str], _Tree] = {}

    def expect(self, hosts: Iterable[str]) -> None:
        """Say which hosts are going to want files, from now on.

        Args:
            hosts: all of them; each is `settled` for a file once it comes for it no more.
        """
        with self._news:
            self._expected = frozenset(hosts)
            self._settled.clear()
            self._news.notify_all()

    def settled(self, host: str, file: File) -> None:
        """Say that a host has a file.

        Args:
            host: the host.
            file: the file.
        """
        with self._news:
            self._settled.add((host, file.sha256))
            self._news.notify_all()

    def withdrawn(self, host: str) -> None:
        """Say that a host comes for nothing any more.

        Args:
            host: the host.
        """
        with self._news:
            self._expected -= {host}
            self._news.notify_all()

    def able(self, site: str) -> bool:
        """Tell whether TakTuk is where the nodes of a site are at hand."""
        return not self._lacking(site)

    def insist(self, site: str) -> None:
        """Refuse a site where TakTuk is not.

        Raises:
            PlatformError: naming the machine.
        """
        if why := self._lacking(site):
            brief, _, details = why.partition("\n")
            raise PlatformError(
                f"g5k.push: taktuk: {brief}",
                details=details,
                resolution="set it to auto or send",
            )

    def _lacking(self, site: str) -> str:
        """Return why a site has no TakTuk, "" where it has one; asked once."""
        with self._asking:
            if site not in self._why:
                frontend = self._frontend(site)
                at = f"on {frontend.name}" if frontend else "here"
                place = Place(frontend, HostKey.PINNED, "")
                try:
                    told = place.run("taktuk", {"ACTION": "look"}, timeout=QUESTION_SECONDS)
                    there = told.strip() == "here"
                    self._why[site] = "" if there else f"it is not installed {at}"
                except CommandError as error:
                    self._why[site] = (
                        f"it was not looked for {at}: {error.brief}\n{error.details}"
                    )
            return self._why[site]

    def ensure(
        self, host: str, place: Place, file: File, staged: Staged, seconds: float
    ) -> str:
        """Have a file on a node, and return its path there.

        Args:
            host: the node's host.
            place: our directory on it.
            file: which.
            staged: where the site's home has it.
            seconds: for all; a part of it is left when this fails.

        Raises:
            CommandError: TakTuk is not there, or the file did not get there whole.
        """
        site = self._site(host)
        if why := self._lacking(site):
            raise CommandError(why.partition("\n")[0])
        end = time.monotonic() + seconds * SHARE

        def broadcast(places: Mapping[str, Place]) -> dict[str, NxcError]:
            return self._broadcast(site, places, file, staged, end)

        failed = self._gathered((site, file.sha256), host, place, broadcast, end)
        if host in failed:
            raise CommandError(failed[host].brief, details=failed[host].details)
        return place.target(file)

    def _gathered(
        self,
        key: tuple[str, str],
        host: str,
        place: Place,
        broadcast: Broadcast,
        end: float,
    ) -> dict[str, NxcError]:
        """Join the tree that is being gathered, or begin one and serve it.

        Raises:
            CommandError: this host's own time was over before the tree had ended.
        """
        with self._news:
            first = key not in self._open
            tree = self._open.setdefault(key, _Tree())
            tree.places[host] = place
            self._news.notify_all()
            if first:
                self._await_others(key, tree, end)
                del self._open[key]
        if first:
            try:
                tree.failed.set_result(broadcast(tree.places))
            except BaseException as error:
                tree.failed.set_exception(error)
        try:
            # one that served the tree has its result by now
            return tree.failed.result(None if first else max(0.0, end - time.monotonic()))
        except FutureTimeoutError:
            raise CommandError(
                "the tree that it is in has not ended in time", details=f"{host} waited in vain"
            ) from None

    def _await_others(self, key: tuple[str, str], tree: _Tree, end: float) -> None:
        """Wait until no other host can come, or nothing was heard of them for a while."""
        site, sha256 = key

        def missing() -> set[str]:
            left = self._expected - tree.places.keys()
            return {h for h in left if (h, sha256) not in self._settled and self._on(h, site)}

        while missing() and (left := end - time.monotonic()) > 0:
            if not self._news.wait(min(GATHER_SECONDS, left)):
                return

    def _on(self, host: str, site: str) -> bool:
        reserved = self._run.machine(host).reserved
        return reserved is not None and reserved.site == site

    def _broadcast(
        self, site: str, places: Mapping[str, Place], file: File, staged: Staged, end: float
    ) -> dict[str, NxcError]:
        """Bring a file to hosts, and return host -> why it is not there."""
        if len(places) < self._least:
            return {host: CommandError("it is the only node") for host in places}
        looked = parallel.each(places, lambda host: places[host].look(file, taktuk.PART))
        lacking = {host: places[host] for host, there in looked.done.items() if not there}
        told: dict[str, str] = {}
        for group in taktuk.alike(lacking):
            left = max(1.0, end - time.monotonic())
            told |= taktuk.spread(self._run, self._frontend(site), group, file, staged, left)
        accepted = parallel.each(lacking, lambda host: places[host].accept(file, taktuk.PART))
        failed = dict(looked.failed)
        for host, error in accepted.failed.items():
            why = told.get(host) or error.details or error.brief
            failed[host] = CommandError("it did not get there by taktuk", details=why)
        return failed

    def _site(self, host: str) -> str:
        reserved = self._run.machine(host).reserved
        assert reserved  # noqa: S101 (homes are on sites)
        return reserved.site

    def _frontend(self, site: str) -> Access | None:
        return where.frontend(self._run.settings.g5k, site, self._run.deployment.login)
