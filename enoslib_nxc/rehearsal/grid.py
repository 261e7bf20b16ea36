"""A Grid'5000 on this computer: API, frontends, nodes, and a user's way to them."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from enoslib_nxc import parallel, procs, shell
from enoslib_nxc.boots import accel
from enoslib_nxc.boots.qemu import QEMU
from enoslib_nxc.built import Artifacts
from enoslib_nxc.errors import BootError, ConfigError, PlatformError
from enoslib_nxc.events import Phase, Reporter, silent, step
from enoslib_nxc.platforms.local import free_ports
from enoslib_nxc.rehearsal import client, image, network, site
from enoslib_nxc.rehearsal.environments import Catalog
from enoslib_nxc.rehearsal.fleet import BOOT_SECONDS, Fleet
from enoslib_nxc.rehearsal.guests import Guests, check_memory
from enoslib_nxc.rehearsal.jobs import Pace
from enoslib_nxc.rehearsal.kadeploy import Kadeploy
from enoslib_nxc.rehearsal.machines import (
    CONTEXT_ADDRESS,
    HTTP,
    OAR_ADDRESS,
    SSH,
    Machines,
)
from enoslib_nxc.rehearsal.node_states import ABSENT
from enoslib_nxc.rehearsal.oarexec import Oarexec
from enoslib_nxc.rehearsal.server import CLIENT_FILE, Rehearsal
from enoslib_nxc.rehearsal.service import Settings, SiteService
from enoslib_nxc.rehearsal.site import Node, Site, SiteSpec
from enoslib_nxc.rehearsal.size import Size
from enoslib_nxc.rehearsal.standard import environments
from enoslib_nxc.rehearsal.web import PublicWeb
from enoslib_nxc.wait import Deadline

ACCOUNTS = ("ada", "grace")
"""Who has an account: those of `embedded/rehearsal/accounts.nix`."""

GUARD = Path(__file__).with_name("guard.sh")


class GridRehearsal:
    """A Grid'5000 on this computer, from enter to exit.

    Args:
        specs: its sites; the first one's frontend is the access machine, too.
        home: HOME of the user, which gets keys and the clients' file; one that ends with the
            rehearsal by default.
        login: the user, one of `ACCOUNTS`.
        only: FQDN of the nodes to start; the others are absent. All when empty.
        size: memory, disks, lifetime.
        pace: how long OAR takes for each step.
        report: where events go.
    """

    def __init__(
        self,
        specs: Sequence[SiteSpec],
        home: Path | None = None,
        *,
        login: str = ACCOUNTS[0],
        only: Collection[str] = (),
        size: Size | None = None,
        pace: Pace | None = None,
        report: Reporter = silent,
    ) -> None:
        if login not in ACCOUNTS:
            raise ConfigError(
                f"there is no account {login} on a rehearsed Grid'5000",
                resolution=f"use one of {', '.join(ACCOUNTS)}",
            )
        self.login = login
        self.sites: Mapping[str, Site] = {spec.site: site.build(spec) for spec in specs}
        self._specs = specs
        self._only = frozenset(only)
        self._home = home
        self._size = size or Size()
        self._pace = pace
        self._report = report
        self.directory = Path("/tmp") / f"enoslib-nxc-grid-{secrets.token_hex(4)}"  # noqa: S108

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program must have in its environment, beside what it has."""
        return self._client.environment

    @property
    def nodes(self) -> Sequence[str]:
        """FQDN of the nodes that there are."""
        return [node.fqdn for one in self.sites.values() for node in self._nodes(one)]

    def console(self, name: str) -> Path:
        """Return the console log of a machine, by its FQDN; a frontend's is its domain's."""
        return self.guests.console(name)

    def settle(self, timeout: float) -> bool:
        """Wait until OAR has looked at the nodes of jobs that were deleted or have ended.

        Args:
            timeout: seconds.

        Returns:
            Whether it has; who was found elsewhere is in `fleet.suspected`.
        """
        deadline = Deadline(timeout)
        while not (settled := not any(map(self._busy, self.api.sites.values()))):
            if deadline.passed:
                break
            time.sleep(0.2)
        return settled

    def _busy(self, service: SiteService) -> bool:
        with service.lock:
            ending = [j for j in service.scheduler.jobs() if j.kill_at and not j.ended]
            present = set(service.nodes) & set(self.nodes)
            return bool(ending) or any(
                service.scheduler.host_state(name) == ABSENT for name in present
            )

    def _nodes(self, one: Site) -> Sequence[Node]:
        return [n for n in one.nodes if not self._only or n.fqdn in self._only]

    def __enter__(self) -> GridRehearsal:
        with ExitStack() as stack:
            nodes = [node for one in self.sites.values() for node in self._nodes(one)]
            check_memory(
                [node.cluster.memory >> 20 for node in nodes],
                [self._size.frontend_memory] * len(self.sites),
            )
            stack.callback(self._clean)
            self.directory.mkdir(mode=0o700)
            built = image.build(self._report, keep=self.directory / "system")
            self._make(built)
            self._boot()
            self._keep_connected()
            for one in self.sites.values():
                self.fleet.await_services(one, len(self._nodes(one)))
            self._client.know(self._frontend_ports)
            self.api = stack.enter_context(self._serve())
            self._mark_absent()
            stack.enter_context(self._oarexec())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _make(self, built: Artifacts) -> None:
        """Make all but the machines: ports, keys, disks, a switch."""
        names = list(self.sites)
        ports = free_ports(2 * len(names))
        self._frontend_ports = dict(zip(names, ports, strict=False))
        self._http_ports = dict(zip(names, ports[len(names) :], strict=True))
        home = self._home or self.directory / "home"
        ours = [] if (home / CLIENT_FILE).exists() else [home / CLIENT_FILE]
        self._switch_on(ours)
        self._client = client.make(home, self.directory, ports[0])
        self._operator = client.make_operator(self.directory, self._frontend_ports)
        self._web = PublicWeb(self._http_ports)
        self._kernel = built.store.real(built.kernel)
        kind = accel.choose(
            self._size.accel,
            qemu=shell.require(
                QEMU, purpose="to start virtual machines", package="qemu-system-x86"
            ),
            kernel=self._kernel,
        )
        self.guests = Guests(
            self.directory, self.directory / "switch", self._size.lifetime, kind
        )
        keys = {self.login: self._client.public}
        self._machines = Machines(
            built, self._operator.public, keys, self._size.frontend_memory
        )
        kadeploy = Kadeploy(self.directory, self._web)
        self.fleet = Fleet(self.sites, self._machines, self.guests, self._operator, kadeploy)
        self._rights = self.directory / "rights"
        self._rights.write_text("")

    def _switch_on(self, files: Sequence[Path]) -> None:
        """Start the switch, and what removes everything when this process ends."""
        program = shell.require(
            "vde_switch", purpose="to connect virtual machines", package="vde2"
        )
        self._beside(["sh", GUARD, self.directory, program, *files])
        deadline = Deadline(10)
        while not (self.directory / "switch" / "ctl").exists():
            if deadline.passed:
                raise PlatformError("vde_switch did not start within 10 s")
            time.sleep(0.02)

    def _keep_connected(self) -> None:
        """Hold a connection to each frontend, which all others to it share."""
        for name in self.sites:
            self._beside(self._operator.master(name))

    def _beside(self, argv: Sequence[str | Path]) -> None:
        """Run a command until this process ends, or `_clean` ends it."""
        threading.Thread(
            target=shell.beside,
            args=(argv,),
            kwargs={"timeout": self._size.lifetime, "check": False},
            daemon=True,
        ).start()

    def _boot(self) -> None:
        """Start all machines side by side, and wait for them."""
        work: dict[str, Callable[[], None]] = {}
        for one in self.sites.values():
            work[network.frontend(one, list(self.sites.values())).domain] = self._starter(one)
            for node in self._nodes(one):
                work[node.fqdn] = lambda node=node: self.fleet.start(node)  # type: ignore[misc]
        with step(self._report, Phase.BOOT, f"boot {len(work)} machines"):
            outcomes = parallel.each(work, lambda name: self._booted(name, work[name]))
        if outcomes.failed:
            raise BootError(
                f"{len(outcomes.failed)} of {len(work)} machines did not come up",
                details="\n".join(str(error) for error in outcomes.failed.values()),
                resolution="give them more memory, or rehearse with fewer nodes",
            )

    def _booted(self, name: str, start: Callable[[], None]) -> None:
        with step(self._report, Phase.BOOT, "boot", subject=name):
            start()

    def _starter(self, one: Site) -> Callable[[], None]:
        """Return what starts a site's frontend."""
        told = network.frontend(one, list(self.sites.values()))
        context = self.directory / f"context-{one.name}"
        context.write_text(self._machines.frontend_context(told))
        disk = self.directory / f"disk-{told.domain}"
        shell.run(["truncate", "-s", str(self._size.disk), disk], timeout=10)
        shell.run(["mkfs.ext4", "-q", disk], timeout=60)
        guest = self._machines.frontend(
            one,
            told,
            {SSH: self._frontend_ports[one.name], HTTP: self._http_ports[one.name]},
            {CONTEXT_ADDRESS: context, OAR_ADDRESS: self._rights},
            disk,
        )

        def start() -> None:
            self.guests.start(guest)
            self.guests.await_ready(guest.name, Deadline(BOOT_SECONDS))

        return start

    def _serve(self) -> Rehearsal:
        settings = Settings(
            self.fleet,
            time.time,
            Catalog(environments(), web=self._web.web),
            pace=self._pace or Pace(),
            machines=True,
        )
        others = [name for name in ACCOUNTS if name != self.login]
        return Rehearsal(
            self._specs, self._client.home, login=self.login, others=others, settings=settings
        )

    def _mark_absent(self) -> None:
        """Let OAR know which nodes there are not."""
        for service in self.api.sites.values():
            for name in set(service.nodes) - set(self.nodes):
                with service.lock:
                    service.scheduler.set_host_state(name, ABSENT)

    def _oarexec(self) -> Oarexec:
        services = list(self.api.sites.values())
        word, lifetime = self.directory.name, self._size.lifetime
        return Oarexec(services, self._operator, self._rights, word, lifetime)

    def _clean(self) -> None:
        """End all processes and remove all files."""
        procs.end(procs.tagged(self.directory.name), 10)
        shutil.rmtree(self.directory, ignore_errors=True)
