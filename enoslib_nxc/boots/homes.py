"""What Kadeploy and its nodes fetch from homes: image, description, deployment JSON."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from enoslib_nxc.boots import Run
from enoslib_nxc.boots.delivery import tried
from enoslib_nxc.errors import NxcError
from enoslib_nxc.events import Phase, step
from enoslib_nxc.files import File
from enoslib_nxc.g5k import environment, published, staging
from enoslib_nxc.g5k.published import Kept
from enoslib_nxc.g5k.staging import FullError, Staged, Staging
from enoslib_nxc.nix.provenance import digest
from enoslib_nxc.wait import Deadline

CONTEXT, DESCRIPTION = "deployment.json", "environment.yaml"


class Homes:
    """The user's homes on the sites of one run.

    The deployment JSON has one address for the whole life of a deployment, made of its
    token: nodes fetch it at each boot, and find there what the last `init()` said.

    Args:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._stagings: dict[str, Staging] = {}
        self._images: dict[str, Staged] = {}

    def context_url(self, site: str) -> str:
        """Return where nodes of a site fetch the deployment JSON.

        Raises:
            PlatformError: the home cannot be reached.
        """
        return self._context(site).url

    def stage(self, site: str, deadline: Deadline) -> None:
        """Have image and deployment JSON on a site, once for a run.

        Args:
            site: the site.
            deadline: until when.

        Raises:
            PlatformError: they did not get there.
        """
        if site in self._images:
            return
        run, home = self._run, self._home(site)
        self._record(site, self._context(site), ())
        with step(run.report, Phase.PUSH, "stage the image", subject=site):
            home.write(CONTEXT, run.context.text, under=run.deployment.token)
            place = run.deployment.artifacts.image
            path = run.deployment.artifacts.store.real(place)
            put = partial(home.put, File(path, digest(path), place))
            attempts = run.settings.retries.push + 1
            self._images[site] = tried(attempts, deadline, put, final=(FullError,))

    @contextmanager
    def environment(self, site: str, line: str, hosts: Iterable[str]) -> Iterator[str]:
        """Have the description of an environment on a site, for a while.

        Args:
            site: one that `stage` was called for.
            line: kernel command line of the hosts.
            hosts: hosts that are going to be deployed with it.

        Yields:
            Its address.

        Raises:
            PlatformError: it did not get there.
        """
        home = self._home(site)
        text = environment.describe(
            image_url=self._images[site].url,
            system=self._run.deployment.artifacts.system,
            kernel_params=line,
        )
        under = secrets.token_hex(16)
        self._record(site, home.place_of(DESCRIPTION, under=under), hosts)
        described = home.write(DESCRIPTION, text, under=under)
        try:
            yield described.url
        finally:
            # what is left of it goes at destroy()
            with suppress(NxcError):
                home.discard(described)

    def _home(self, site: str) -> Staging:
        if site not in self._stagings:
            run = self._run
            self._stagings[site] = staging.of_run(run.deployment, run.settings.g5k, site)
        return self._stagings[site]

    def _context(self, site: str) -> Staged:
        return self._home(site).place_of(CONTEXT, under=self._run.deployment.token)

    def _record(self, site: str, file: Staged, hosts: Iterable[str]) -> None:
        """Put on record what is about to be written, and whom it is for."""
        run = self._run
        kept = Kept(site=site, path=file.path, url=file.url)
        with self._lock:
            before = published.load(run.home)
            added = published.Published(
                login=run.deployment.login,
                g5k=run.settings.g5k,
                files=tuple(dict.fromkeys((*before.files, kept))),
                environments={**before.environments, **dict.fromkeys(hosts, file.url)},
            )
            published.save(run.home, added)
