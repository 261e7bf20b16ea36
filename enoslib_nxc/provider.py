"""EnOSlib's provider: `NixOSCompose(conf).init()`.

Nothing of a running deployment is kept on the object: `Providers` works on deep copies and
destroys the originals, and `@enostask` pickles it. All is found again by the job name.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from enoslib.infra.provider import Provider
from enoslib.objects import Networks, Roles

from enoslib_nxc.builder import NixOSComposeConf
from enoslib_nxc.errors import StateError

if TYPE_CHECKING:
    from enoslib_nxc.config import Settings
    from enoslib_nxc.events import Event, Reporter
    from enoslib_nxc.model import Deployment
    from enoslib_nxc.platforms.hosts import Given


class NixOSCompose(Provider):  # type: ignore[misc]
    """Builds a NixOS Compose composition, runs it, and gives EnOSlib its machines.

    Args:
        provider_conf: the configuration; it is checked here, before anything happens.
        name: name inside EnOSlib's `Providers`; the class's by default.
        hosts: the machines to boot, for flavours whose image is in memory: another EnOSlib
            provider (its `init()` is called, and its `destroy()` if the machines were made
            by that), or the Roles or hosts that one gave. They are taken in their order.

    Raises:
        ConfigError: the configuration is wrong.

    Example:
        .. code-block:: python

            import enoslib as en
            import enoslib_nxc

            conf = en.NixOSComposeConf.from_settings(flavour="vm-ramdisk")
            conf.add_machine(roles=["server"], nodes=1).add_machine(roles=["agent"], nodes=2)
            with en.NixOSCompose(conf) as (roles, networks):
                en.run_command("ping -c 1 server", roles=roles["agent"])
    """

    provider_conf: NixOSComposeConf

    def __init__(
        self,
        provider_conf: NixOSComposeConf,
        name: str | None = None,
        hosts: Given = None,
    ) -> None:
        super().__init__(provider_conf, name)
        # a list can be read again, copied and pickled, whatever was given
        if hosts is not None and not isinstance(hosts, Provider | Roles):
            hosts = list(hosts)
        self.hosts = hosts
        self.reservation: int | None = None
        self.walltime_offset = 0
        self.phases: dict[str, float] = {}
        """Seconds spent in each phase of the last `init()`."""

    @property
    def settings(self) -> Settings:
        """The checked, frozen configuration."""
        return self.provider_conf.settings

    @property
    def deployment(self) -> Deployment | None:
        """The record of the running deployment, None when there is none of this job name."""
        from enoslib_nxc import state

        home = state.find(self.settings.job_name)
        return home.load() if home else None

    def init(
        self,
        force_deploy: bool = False,
        start_time: int | None = None,
        **kwargs: object,
    ) -> tuple[Roles, Networks]:
        """Build, start what does not run yet, and return the machines.

        Calling it again is cheap and safe: machines that run what they should are left
        alone. It goes on where an interrupted call ended.

        Args:
            force_deploy: boot every machine, whatever it runs.
            start_time: ignored on this machine, which has no calendar.
            kwargs: `reporter` takes the events (a function of an `Event`) instead of the
                terminal; anything else that EnOSlib passes is ignored.

        Returns:
            Roles by role of the composition and by tag; Networks by "nxc" and the
            configuration's names.

        Raises:
            NxcError: what was wrong, where, and what to do.
        """
        # the working parts are imported late: importing the package must stay quick
        from enoslib_nxc import deploy, hosts, state
        from enoslib_nxc.reporters import make, tee

        settings = self.settings
        self.phases = {}
        with (
            state.claim(settings.job_name) as home,
            make(settings.progress, sys.stderr) as shown,
        ):
            report = tee(_chosen(kwargs, shown), self._note_phase)
            deployment = deploy.deploy(
                settings, home, report, force=force_deploy, hosts=self.hosts
            )
            return hosts.to_roles(deployment, home), hosts.to_networks(deployment, settings)

    def is_created(self) -> bool:
        """Tell whether all machines of this job name are there."""
        from enoslib_nxc import deploy

        return deploy.running(self.settings.job_name)

    def destroy(self, wait: bool = False, **kwargs: object) -> None:
        """End everything of this job name, whichever process started it.

        Args:
            wait: ignored: it always waits until nothing is left.
            kwargs: `reporter`, as for `init`.

        Raises:
            NxcError: another process is at work on it, or something would not end.
        """
        from enoslib_nxc import deploy
        from enoslib_nxc.reporters import make

        settings = self.settings
        with make(settings.progress, sys.stderr) as shown:
            report = _chosen(kwargs, shown)
            timeout = settings.deadlines.destroy
            deploy.destroy(settings.job_name, report, timeout, hosts=self.hosts)

    def test_slot(self, start_time: int, end_time: int) -> bool:
        """Tell whether the machines can be had then: this machine has no calendar."""
        lender = self._lender
        return lender.test_slot(start_time, end_time) if lender else True

    def set_reservation(self, timestamp: int) -> None:
        """Keep the date (seconds since the epoch, UTC); this machine needs no reservation."""
        self.reservation = timestamp
        if self._lender:
            self._lender.set_reservation(timestamp)

    def offset_walltime(self, offset: int) -> None:
        """Keep the offset (seconds); machines here run until they are destroyed."""
        self.walltime_offset += offset
        if self._lender:
            self._lender.offset_walltime(offset)

    @property
    def _lender(self) -> Provider | None:
        """The other provider, where one was given and not just its hosts."""
        return self.hosts if isinstance(self.hosts, Provider) else None

    def _note_phase(self, event: Event) -> None:
        if event.seconds and not event.subject:
            name = event.phase.value
            self.phases[name] = self.phases.get(name, 0.0) + event.seconds

    def __enter__(self) -> tuple[Roles, Networks]:
        """Run `init()`; what a failed one leaves is destroyed, as `with` would not."""
        try:
            return self.init()
        except StateError:
            raise  # what is there belongs to another process, flavour or version
        except BaseException:
            self.destroy()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.destroy()


def _chosen(kwargs: Mapping[str, object], shown: Reporter) -> Reporter:
    """Return the caller's reporter if it gave one, else the terminal's."""
    given = kwargs.get("reporter")
    return given if callable(given) else shown
