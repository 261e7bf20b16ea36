"""Kernel, initrd and deployment JSON to nodes of Grid'5000, by way of the home on their site.

The site's home takes a file once; all nodes then read it there side by side, over NFS, or
fetch it from the site's web server. Only where neither works is it sent over ssh: from the
site to all, where TakTuk is (`spread`), else from here to each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from enoslib.infra.enos_g5k.constants import KAVLAN_LOCAL_IDS

from enoslib_nxc import parallel
from enoslib_nxc.boots import Run
from enoslib_nxc.boots.delivery import files_of, stayed, tried
from enoslib_nxc.boots.spread import Spread
from enoslib_nxc.errors import CommandError, NxcError, PlatformError
from enoslib_nxc.events import Event, Phase, Status, step
from enoslib_nxc.files import File
from enoslib_nxc.g5k import nfs_store, published, staging
from enoslib_nxc.g5k.published import Kept, Published
from enoslib_nxc.g5k.staging import FullError, Staged, Staging
from enoslib_nxc.model import Reserved
from enoslib_nxc.state import Home
from enoslib_nxc.transfer import Place
from enoslib_nxc.wait import Deadline

BY_HOME = ("nfs", "http", "taktuk")
"""Ways that begin with a file in the home."""

WAYS = {
    "auto": ("nfs", "http", "taktuk", "send"),
    "nfs": ("nfs",),
    "http": ("http",),
    "taktuk": ("taktuk", "send"),
    "send": ("taktuk", "send"),
}
"""`g5k.push` -> the ways to try, in their order."""

NAMES = {"nfs": "over NFS", "http": "by HTTP", "taktuk": "by taktuk", "send": "over ssh"}
"""Ways, for people."""

Source: TypeAlias = Callable[[float], str]
"""Has a file on a node within some seconds, and returns its path there."""

CONTEXT = "deployment.json"
"""Name of the deployment JSON in the home."""


class StagedDelivery:
    """Gets files to reserved nodes."""

    def __init__(self) -> None:
        self.context_url = ""
        """Where nodes fetch the deployment JSON, "" when their command line holds it."""
        self._files: tuple[File, ...] = ()
        self._staged: dict[str, tuple[Staged, ...]] = {}
        self._stores: set[str] = set()
        self._home: Home | None = None
        self._stagings: dict[str, Staging] = {}
        self._spread: Spread | None = None
        self._crowds: set[str] = set()
        """Sites with nodes enough for a tree."""

    def prepare(self, run: Run, places: Mapping[str, Place], *, inline: bool) -> None:
        """Put files into the homes of the nodes' sites, where nodes are to have them so."""
        self._files = self._files or files_of(run)
        nodes = [_reserved(run, host) for host in places]
        shut = [host for host in places if _is_shut(_reserved(run, host))]
        if shut and run.settings.g5k.push in BY_HOME:
            raise PlatformError(
                f"g5k.push: {run.settings.g5k.push}: {', '.join(shut)} cannot reach a home "
                "from a local kavlan",
                resolution="set it to auto or send",
            )
        self._stage_stores(run, nodes)
        sites = Counter(node.site for node in nodes if not _is_shut(node))
        self._stage(run, sorted(self._by_home(run, sites) - set(self._staged)))
        if self._spread:
            self._spread.expect(places)
        if not inline and not self.context_url and places:
            self._publish(run, places)

    def bring(self, run: Run, host: str, place: Place, deadline: Deadline) -> list[str]:
        """Have kernel and initrd on a node, and return their paths there."""
        node = _reserved(run, host)
        trees = self._spread if node.site in self._crowds else None
        attempts = run.settings.retries.push + 1
        there = []
        for file, staged in zip(self._files, self._of(node), strict=True):
            sources = _sources(file, staged, place, run.deployment.login)
            if staged and trees:
                sources["taktuk"] = partial(trees.ensure, host, place, file, staged)
            wish = WAYS[run.settings.g5k.push]
            try:
                known = {way: sources[way] for way in wish if way in sources}
                ensure = partial(_first_that_works, known)
                path, way = tried(attempts, deadline, ensure)
            except CommandError as error:
                if trees:
                    trees.withdrawn(host)
                raise stayed(host, file.path.name, error) from error
            if trees:
                trees.settled(host, file)
            there.append(path)
            told = f"{file.path.name} {way}"
            run.report(Event(Phase.PUSH, Status.PROGRESS, host, told))
        return there

    def close(self) -> None:
        """Remove the deployment JSON from the home, once no node is to fetch it any more.

        What stays there is on record, for `destroy()`.
        """
        self.context_url = ""
        if self._home and not _booting(self._home):
            published.take_back(self._home)
        self._home = None

    def _at(self, run: Run, site: str) -> Staging:
        """Return the home on a site."""
        if site not in self._stagings:
            self._stagings[site] = staging.of_run(run.deployment, run.settings.g5k, site)
        return self._stagings[site]

    def _of(self, node: Reserved) -> tuple[Staged | None, ...]:
        """Return the files in the home that a node can reach; None for each that is not."""
        nothing = (None,) * len(self._files)
        return nothing if _is_shut(node) else self._staged.get(node.site, nothing)

    def _by_home(self, run: Run, sites: Mapping[str, int]) -> set[str]:
        """Return the sites whose home is to have the files.

        Args:
            run: the run.
            sites: site -> how many of its nodes can reach its home.

        Raises:
            PlatformError: TakTuk is asked for, and not there.
        """
        push = run.settings.g5k.push
        least = 1 if push == "taktuk" else 2
        self._spread = self._spread or Spread(run, least=least)
        crowds = {site for site, nodes in sites.items() if nodes >= least}
        if push == "taktuk":
            for site in crowds:
                self._spread.insist(site)
        elif push == "send":
            crowds = {site for site in crowds if self._spread.able(site)}
        self._crowds |= crowds
        return crowds if push == "send" else set(sites)

    def _stage(self, run: Run, sites: list[str]) -> None:
        """Put kernel and initrd into the homes of sites.

        Raises:
            PlatformError: a home takes no more; or it cannot be reached, and no other way
                is allowed.
        """
        if not sites:
            return
        deadline = Deadline(run.settings.deadlines.boot)
        attempts = run.settings.retries.push + 1

        def stage(site: str) -> tuple[Staged, ...]:
            home = self._at(run, site)
            with step(run.report, Phase.PUSH, "stage kernel and initrd", subject=site):
                return tuple(
                    tried(attempts, deadline, partial(home.put, file), final=(FullError,))
                    for file in self._files
                )

        outcome = parallel.each(sites, stage, cancel=deadline.cancel)
        self._staged.update(outcome.done)
        for site, error in outcome.failed.items():
            push = run.settings.g5k.push
            if isinstance(error, FullError) if push == "auto" else push != "send":
                raise error
            reason = f"sent to each node instead: {error.brief}"
            run.report(Event(Phase.PUSH, Status.PROGRESS, site, reason))

    def _stage_stores(self, run: Run, nodes: Iterable[Reserved]) -> None:
        """Have the closure in the home of each site whose nodes mount it from there.

        Raises:
            PlatformError: a node has no way to it, or the home takes no more.
        """
        if run.deployment.flavour != nfs_store.FLAVOUR or run.settings.g5k.nfs_store:
            return
        if shut := [node.node for node in nodes if _is_shut(node)]:
            raise PlatformError(
                f"{', '.join(shut)} cannot mount a store from a local kavlan",
                resolution="use flavour g5k-ramdisk, or a routed kavlan",
            )
        deadline = Deadline(run.settings.deadlines.boot)

        def stage(site: str) -> None:
            home = self._at(run, site)
            with step(run.report, Phase.PUSH, "stage the store", subject=site):
                nfs_store.stage(home, run.deployment.artifacts, deadline)

        sites = {node.site for node in nodes} - self._stores
        for error in parallel.each(sites, stage, cancel=deadline.cancel).failed.values():
            raise error
        self._stores |= sites

    def _publish(self, run: Run, places: Mapping[str, Place]) -> None:
        """Put the deployment JSON where all nodes can fetch it, and see that they can.

        Raises:
            PlatformError: some cannot.
        """
        shut = [host for host in places if _is_shut(_reserved(run, host))]
        if shut:
            raise _no_way_to_context(shut, "a local kavlan has no way out")
        site = _reserved(run, next(iter(places))).site
        url = self._write(run, site)
        able = parallel.each(places, lambda host: places[host].can_fetch(url)).done
        refused = [host for host in places if not able.get(host)]
        if refused:
            raise _no_way_to_context(refused, f"they get nothing from {url}")
        self.context_url = url

    def _write(self, run: Run, site: str) -> str:
        """Have the deployment JSON in a home, on record before it is there; return its URL."""
        settings, token = run.settings.g5k, run.deployment.token
        home = self._at(run, site)
        place = home.place_of(CONTEXT, under=token)
        kept = Kept(site=site, path=place.path, url=place.url)
        # what an earlier run could not remove is still there
        files = tuple(dict.fromkeys((*published.load(run.home).files, kept)))
        record = Published(login=run.deployment.login, g5k=settings, files=files)
        published.save(run.home, record)
        self._home = run.home
        return home.write(CONTEXT, run.context.text, under=token).url


def _sources(file: File, staged: Staged | None, place: Place, owner: str) -> dict[str, Source]:
    """Return the ways in which a node gets a file on its own."""
    by: dict[str, Source] = {"send": partial(place.ensure, file)}
    if staged:
        lent = replace(file, lent=staged.path, owner=owner)
        by["nfs"] = partial(place.ensure, lent)
        by["http"] = partial(place.ensure, replace(file, url=staged.url))
    return by


def _first_that_works(sources: Mapping[str, Source], seconds: float) -> tuple[str, str]:
    """Have a file on a node by one of its ways; return its path there, and the way.

    Raises:
        CommandError: none works; the details say why of each.
    """
    deadline = Deadline(seconds)
    told = []
    for way, ensure in sources.items():
        try:
            return ensure(max(1.0, deadline.remaining())), NAMES[way]
        except CommandError as error:
            told.append(f"{NAMES[way]}: {error.details or error.brief}")
            last = error
    raise CommandError(last.brief, details="\n".join(told)) from last


def _reserved(run: Run, host: str) -> Reserved:
    reserved = run.machine(host).reserved
    assert reserved  # noqa: S101 (this delivery is for reserved nodes)
    return reserved


def _booting(home: Home) -> bool:
    """Tell whether machines were started, and not seen yet: Ctrl-C leaves such."""
    deployment = home.load()
    machines = deployment.machines.values() if deployment else ()
    return any(machine.state == "started" for machine in machines)


def _is_shut(node: Reserved) -> bool:
    """Tell whether a node is in a local kavlan: no route leads from it to its site."""
    return node.vlan in KAVLAN_LOCAL_IDS


def _no_way_to_context(hosts: list[str], reason: str) -> NxcError:
    return PlatformError(
        f"{', '.join(hosts)} cannot fetch the deployment JSON: {reason}",
        details="it is too long for the kernel command line",
        resolution="give fewer parameters and machines; or see that ~/public on the frontend "
        "can be entered by all (chmod o+x)",
    )
