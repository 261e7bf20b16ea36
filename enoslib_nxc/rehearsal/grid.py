"""A Grid'5000 on this computer: API, frontends, nodes, and a user's way to them."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

from enoslib_nxc import parallel, procs, shell
from enoslib_nxc.boots import accel
from enoslib_nxc.boots.qemu import QEMU
from enoslib_nxc.errors import BootError, ConfigError, PlatformError
from enoslib_nxc.events import Phase, Reporter, silent, step
from enoslib_nxc.model import Artifacts
from enoslib_nxc.platforms.local import free_ports
from enoslib_nxc.rehearsal import client, image, network, site
from enoslib_nxc.rehearsal.environments import Catalog
from enoslib_nxc.rehearsal.fleet import BOOT_SECONDS, Fleet
from enoslib_nxc.rehearsal.guests import Guests
from enoslib_nxc.rehearsal.jobs import Pace, State
from enoslib_nxc.rehearsal.machines import (
    CONTEXT_ADDRESS,
    HTTP,
    OAR_ADDRESS,
    SSH,
    Machines,
)
from enoslib_nxc.rehearsal.server import CLIENT_FILE, Rehearsal
from enoslib_nxc.rehearsal.service import Settings, SiteService
from enoslib_nxc.rehearsal.site import Site, SiteSpec
from enoslib_nxc.wait import Deadline

ACCOUNTS = ("ada", "grace")
"""Who has an account: those of `embedded/rehearsal/accounts.nix`."""

GUARD = Path(__file__).with_name("guard.sh")

RIGHTS = (State.LAUNCHING, State.RUNNING)
"""States of a job in which its user may log in on its nodes. OAR prepares them before it
says that a job runs."""

LOOK_SECONDS = 0.1
"""Between two looks at the jobs: shorter than a job is being launched."""


@dataclass(frozen=True)
class Size:
    """How large a rehearsal is; the nodes' memory is that of their cluster.

    Args:
        frontend_memory: MiB of each frontend.
        disk: bytes of each frontend's disk, for homes; it takes no more than is written.
        lifetime: seconds after which everything ends, whatever happens.
        accel: accelerator of the virtual machines.
    """

    frontend_memory: int = 384
    disk: int = 8 << 30
    lifetime: float = 12 * 3600.0
    accel: Literal["auto", "kvm", "tcg"] = "auto"


class GridRehearsal:
    """A Grid'5000 on this computer, from enter to exit.

    Args:
        specs: its sites; the first one's frontend is the access machine, too.
        home: HOME of the user, which gets keys and the clients' file; one that ends with the
            rehearsal by default.
        login: the user, one of `ACCOUNTS`.
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
        """FQDN of all nodes."""
        return [node.fqdn for one in self.sites.values() for node in one.nodes]

    def console(self, name: str) -> Path:
        """Return the console log of a machine, by its FQDN; a frontend's is its domain's."""
        return self.guests.console(name)

    def __enter__(self) -> GridRehearsal:
        with ExitStack() as stack:
            stack.callback(self._clean)
            self.directory.mkdir(mode=0o700)
            built = image.build(self._report, keep=self.directory / "system")
            self._make(built)
            self._boot()
            for one in self.sites.values():
                self._fleet.await_services(one)
            self._client.know(self._frontend_ports)
            self.api = stack.enter_context(self._serve())
            over = threading.Event()
            watcher = threading.Thread(target=self._watch, args=(over,), daemon=True)
            watcher.start()
            stack.callback(watcher.join)
            stack.callback(over.set)
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
        operator = client.make_operator(self.directory, self._frontend_ports)
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
        self._machines = Machines(built, operator.public, keys, self._size.frontend_memory)
        self._fleet = Fleet(self.sites, self._machines, self.guests, operator, self.directory)
        self._rights = self.directory / "rights"
        self._rights.write_text("")

    def _switch_on(self, files: Sequence[Path]) -> None:
        """Start the switch, and what removes everything when this process ends."""
        program = shell.require(
            "vde_switch", purpose="to connect virtual machines", package="vde2"
        )
        words = ["sh", GUARD, self.directory, program, *files]
        threading.Thread(
            target=shell.run,
            args=(words,),
            kwargs={"timeout": self._size.lifetime, "check": False},
            daemon=True,
        ).start()
        deadline = Deadline(10)
        while not (self.directory / "switch" / "ctl").exists():
            if deadline.passed:
                raise PlatformError("vde_switch did not start within 10 s")
            time.sleep(0.02)

    def _boot(self) -> None:
        """Start all machines side by side, and wait for them."""
        work: dict[str, Callable[[], None]] = {}
        for one in self.sites.values():
            work[network.frontend(one, list(self.sites.values())).domain] = self._starter(one)
            for node in one.nodes:
                work[node.fqdn] = lambda node=node: self._fleet.start(node)  # type: ignore[misc]
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
        settings = Settings(self._fleet, time.time, Catalog({}), pace=self._pace or Pace())
        others = [name for name in ACCOUNTS if name != self.login]
        return Rehearsal(
            self._specs, self._client.home, login=self.login, others=others, settings=settings
        )

    def _watch(self, over: threading.Event) -> None:
        """Keep the list of who may log in where, until it is over."""
        while not over.wait(LOOK_SECONDS):
            lines = [line for service in self.api.sites.values() for line in _rights(service)]
            text = "".join(f"{line}\n" for line in lines)
            if text != self._rights.read_text():
                fresh = self._rights.with_name("rights.new")
                fresh.write_text(text)
                fresh.replace(self._rights)

    def _clean(self) -> None:
        """End all processes and remove all files."""
        procs.end(procs.tagged(self.directory.name), 10)
        shutil.rmtree(self.directory, ignore_errors=True)


def _rights(service: SiteService) -> Sequence[str]:
    """Return "NODE USER" for each node that a user may log in on now."""
    with service.lock:
        jobs = [
            (job, service.scheduler.hosts(job))
            for job in service.scheduler.jobs()
            if job.state in RIGHTS and not job.order.deploy
        ]
    return [f"{host} {job.order.user}" for job, hosts in jobs for host in hosts]
