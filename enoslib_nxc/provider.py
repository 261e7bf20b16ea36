"""EnOSlib's provider: `NixOSCompose(conf).init()`.

Nothing of a running deployment is kept on the object: `Providers` works on deep copies and
destroys the originals, and `@enostask` pickles it. All is found again by the job name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING
from uuid import uuid4

from enoslib.objects import Networks, Roles

from enoslib_nxc import together
from enoslib_nxc.booking import Booking
from enoslib_nxc.builder import NixOSComposeConf
from enoslib_nxc.errors import StateError, told_beside
from enoslib_nxc.reservation import ReservingProvider

if TYPE_CHECKING:
    from enoslib_nxc.account import Account
    from enoslib_nxc.events import Event, Reporter
    from enoslib_nxc.model import Plan
    from enoslib_nxc.phases import Nodes
    from enoslib_nxc.platforms.lent import Given
    from enoslib_nxc.preview import Preview
    from enoslib_nxc.state import Home


class NixOSCompose(ReservingProvider):
    """Builds a NixOS Compose composition, runs it, and gives EnOSlib its machines.

    Args:
        provider_conf: the configuration; it is checked here, before anything happens.
        name: name inside EnOSlib's `Providers`; the class's by default.
        hosts: the machines to boot, for flavours whose image is in memory: another EnOSlib
            provider (its `init()` is called, and its `destroy()` if the machines were made
            by that), or the Roles or hosts that one gave. They are taken in their order.
        vm_hosts: hosts that run the virtual machines of flavour vm-ramdisk instead of this
            computer, given in the same ways; machines are spread over them, in one network.

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

    def __init__(
        self,
        provider_conf: NixOSComposeConf,
        name: str | None = None,
        hosts: Given = None,
        vm_hosts: Given = None,
    ) -> None:
        super().__init__(provider_conf, name, hosts, vm_hosts)
        self.identity = uuid4().hex
        """The same for copies of this object, as `Providers` make them."""
        together.join(self)
        self.phases: dict[str, float] = {}
        """Seconds spent in each phase of the last `init()`."""

    def plan(self) -> Preview:
        """Return what `init()` would do: nothing is built, reserved or started.

        Records and files are read, and the calendar's API; machines are not asked.

        Raises:
            NxcError: the configuration cannot be carried out.
        """
        from enoslib_nxc.preview import preview

        return preview(self.settings, self._source)

    def report(self) -> Account | None:
        """Return what the deployment is made of, and what the runs of its name took.

        Returns:
            Without a deployment, the runs alone; None where there are none either.

        Raises:
            StateError: its record cannot be read.
        """
        from enoslib_nxc import account

        record = self.deployment
        return account.of(record) if record else account.past(self.settings.job_name)

    def phase(
        self, name: str, *, nodes: Nodes = None, reporter: Reporter | None = None
    ) -> AbstractContextManager[None]:
        """Measure what is done inside `with`: the report has it as a phase of the run.

        Args:
            name: of the phase, "run", "warm-up": letters, digits, blanks and "._+-", at most
                40 of them. Phases of this package cannot be meant, but "provision" and "run".
            nodes: the hosts that it is about: names, EnOSlib's hosts or Roles; None for the
                whole.
            reporter: takes the events (a function of an `Event`) instead of the terminal.

        Raises:
            NxcError: the name cannot be one, or there is no such deployment or host. What is
                raised inside goes on as it is; the phase has failed then.
        """
        from enoslib_nxc import phases

        return phases.measured(self.settings, name, nodes, reporter)

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
        from enoslib_nxc import deploy, hosts, prepare

        if start_time is not None:
            self.set_reservation(start_time)
        self.phases = {}
        with self._at_work(kwargs, "init") as (home, report):
            ready = prepare.prepare(self.settings, home, report, self._source)
            deployment = deploy.deploy(ready, home, report, force=force_deploy)
            networks = hosts.to_networks(deployment, self.settings)
            return hosts.to_roles(deployment, home), networks

    def async_init(self, start_time: int | None = None, **kwargs: object) -> None:
        """Build, and reserve the machines without waiting for them.

        Without a calendar nothing is reserved: machines of this computer start in `init()`,
        when all others are there too.

        Args:
            start_time: date to reserve for (seconds since the epoch, UTC).
            kwargs: `reporter`, as for `init`.

        Raises:
            NxcError: what was wrong, where, and what to do.
            InvalidReservationTime, InvalidReservationTooOld, InvalidReservationCritical:
                EnOSlib's, on a date that cannot be had.
        """
        from enoslib_nxc import prepare

        if start_time is not None:
            self.set_reservation(start_time)
        with self._at_work(kwargs, "async_init") as (home, report):
            ready = prepare.prepare(self.settings, home, report, self._source)
            prepare.reserve(ready, home)
        for lender in self._lenders:
            lender.async_init(start_time=start_time, **kwargs)

    def is_created(self) -> bool:
        """Tell whether this job name has machines, or a reservation of them.

        The first of this, `test_slot` and `async_init` to be called builds: EnOSlib's
        `Providers` call them one after the other, and a slot must not be lost to a build.
        """
        from enoslib_nxc import standing

        together.require_own_name(self)
        created = standing.running(self.settings, self._source)
        if not created:
            self._plan()
        return created

    def destroy(self, wait: bool = False, **kwargs: object) -> None:
        """End everything of this job name, whichever process started it.

        Args:
            wait: ignored: it always waits until nothing is left.
            kwargs: `reporter`, as for `init`.

        Raises:
            NxcError: another process is at work on it, or something would not end.
        """
        from enoslib_nxc import standing
        from enoslib_nxc.reporters import make

        settings = self.settings
        with make(settings.progress, sys.stderr) as shown:
            standing.destroy(
                settings.job_name,
                _chosen(kwargs, shown),
                settings.deadlines.destroy,
                source=self._source,
                settings=settings,
            )

    def test_slot(self, start_time: int, end_time: int) -> bool:
        """Tell whether the machines can be had then.

        Args:
            start_time: seconds since the epoch, UTC.
            end_time: how far the calendar is looked at, likewise.
        """
        from enoslib_nxc import flavours

        if not all(lender.test_slot(start_time, end_time) for lender in self._lenders):
            return False
        source = replace(self._source, booking=Booking(start_time, self.walltime_offset))
        booked = flavours.booked(self.settings, source)
        if not booked:
            return True
        plan = self._plan()
        return all(
            platform.test_slot(wish, plan.of(wish.roles)) for platform, wish in booked.items()
        )

    @contextmanager
    def _at_work(
        self, kwargs: Mapping[str, object], call: str
    ) -> Iterator[tuple[Home, Reporter]]:
        """Hold the deployment, tell what happens, and note it as a call."""
        from enoslib_nxc import history, state
        from enoslib_nxc.reporters import make, tee

        with (
            state.claim(self.settings.job_name) as home,
            make(self.settings.progress, sys.stderr) as shown,
            history.kept(home, self.settings, call=call) as noted,
        ):
            yield home, tee(_chosen(kwargs, shown), self._note_phase, noted)

    def _plan(self) -> Plan:
        """Build, where that is needed, and return who runs where."""
        from enoslib_nxc import prepare

        together.require_own_name(self)
        with self._at_work({}, "plan") as (home, report):
            return prepare.prepare(self.settings, home, report, self._source).plan

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
        except BaseException as error:
            try:
                self.destroy()
            except Exception as second:  # another provider's destroy() may raise anything
                told_beside(error, second, "destroy() failed too")
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
