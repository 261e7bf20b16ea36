"""What machines fetch from here, before they boot and while they do.

Where they have to be able to, each is asked to beforehand. Where `kexec.push` leaves the way
open, they try, and those that cannot are sent their files: no question is as quick as that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from enoslib_nxc import parallel
from enoslib_nxc.boots import Run, chain
from enoslib_nxc.boots.delivery import files_of, named, stayed, tried
from enoslib_nxc.context_server import Content, ContextServer, address_towards
from enoslib_nxc.errors import CommandError, PlatformError
from enoslib_nxc.events import Event, Phase, Status
from enoslib_nxc.files import File
from enoslib_nxc.transfer import Place
from enoslib_nxc.wait import Deadline

SHARE = 0.5
"""Of the time that is left: the rest is for another way."""


class Serving:
    """The files of a run, and the server for them where one is needed and reached."""

    def __init__(self) -> None:
        self.files: tuple[File, ...] = ()
        """Kernel and initrd."""
        self.context_url = ""
        """Where machines fetch the deployment JSON, "" when their command line holds it."""
        self._server: ContextServer | None = None
        self._unable: set[str] = set()
        """Machines that have tried to fetch from here in vain."""

    def prepare(self, run: Run, places: Mapping[str, Place], *, inline: bool) -> None:
        """Decide how files and deployment JSON get to the machines.

        Args:
            run: the run.
            places: the machines, which can be asked.
            inline: whether the JSON fits every kernel command line.

        Raises:
            PlatformError: the configuration, or the JSON's size, asks for what cannot be.
        """
        self.files = self.files or files_of(run)
        push = run.settings.kexec.push
        if self._server or not places or (inline and push == "send"):
            return
        open_way = inline and push == "auto"
        served = self._serve(run, places)
        unable = self._tried(places) if served and not open_way else {}
        refused = unable.get("http", []) if served else list(places)
        if refused and not open_way:
            self.close()
            raise _no_way_back(refused, push=push, inline=inline)
        if served and push != "send":
            self._offer(push, len(places), unable.get("chain", []))
        if not inline:
            self.context_url = self._publish("deployment.json", run.context.text.encode())

    def bring(self, run: Run, host: str, place: Place, deadline: Deadline) -> list[str]:
        """Have kernel and initrd on a machine, and return their paths there."""
        chained = any(file.chain for file in self.files)
        for files in [[file] for file in self.files] if chained else [self.files]:
            if files[0].chain and self._relayed(run, host, place, files[0], deadline):
                continue
            if not self._fetched(run, host, place, files, deadline):
                for file in files:
                    sent = partial(place.ensure, replace(file, url=""))
                    _attempted(run, host, [file], sent, deadline)
        return [place.target(file) for file in self.files]

    def _fetched(
        self, run: Run, host: str, place: Place, files: Sequence[File], deadline: Deadline
    ) -> bool:
        """Have a machine fetch files, in one go; tell whether they are there."""
        if not files[0].url or host in self._unable:
            return False
        fetch = partial(place.fetch, files)
        if run.settings.kexec.push != "auto":
            _attempted(run, host, files, fetch, deadline)
            return True
        try:
            fetch(max(1.0, deadline.remaining() * SHARE))
        except CommandError as error:
            self._unable.add(host)
            told = f"{named(files)} not fetched: {_last(error)}; what is not there is sent"
            run.report(Event(Phase.PUSH, Status.PROGRESS, host, told))
            return False
        return True

    def _relayed(
        self, run: Run, host: str, place: Place, file: File, deadline: Deadline
    ) -> bool:
        """Have a file on a machine by its chain; tell whether it is there."""

        def tell(message: str) -> None:
            run.report(Event(Phase.PUSH, Status.PROGRESS, host, message))

        name = file.path.name
        if host in self._unable:
            return False
        try:
            helped = place.relay(file, max(1.0, deadline.remaining() * SHARE))
        except CommandError as error:
            tell(f"{name} fetched from here: not by the chain: {_last(error)}")
            return False
        tell(f"{name} by the chain" + (f", the rest from here: {helped}" if helped else ""))
        return True

    def close(self) -> None:
        """Stop serving."""
        if self._server:
            self._server.close()
            self._server = None

    def _serve(self, run: Run, places: Mapping[str, Place]) -> bool:
        """Start the server; tell whether that could be done."""
        machines = [run.machine(host) for host in places]
        try:
            address = address_towards(machines[0].address)
            self._server = ContextServer(address, {m.address for m in machines})
        except OSError:
            return False
        return True

    def _tried(self, places: Mapping[str, Place]) -> dict[str, list[str]]:
        """Return the machines that cannot use the server, by the way they cannot."""
        url = self._publish("probe", b"reached")
        ways = parallel.each(places, lambda host: places[host].ways(url)).done
        return {
            way: [host for host in places if way not in ways.get(host, ())]
            for way in ("http", "chain")
        }

    def _offer(self, push: str, count: int, lacking: list[str]) -> None:
        """Have machines fetch the files, or take those of a size from each other.

        Args:
            push: the configuration's.
            count: machines.
            lacking: those that are known to have no Python.

        Raises:
            PlatformError: a chain is asked for, and cannot be.
        """
        if push == "chain" and lacking:
            self.close()
            raise _no_python(lacking)
        assert self._server  # noqa: S101
        offered = []
        for file in self.files:
            served = replace(file, url=self._publish(file.path.name, file.path))
            worth = push == "auto" and chain.spared(file, count) >= chain.LEAST_BYTES
            chained = push == "chain" or worth
            offered.append(chain.chained(served, self._server) if chained else served)
        self.files = tuple(offered)

    def _publish(self, name: str, content: Content) -> str:
        assert self._server  # noqa: S101
        return self._server.publish(name, content)


def _attempted(
    run: Run,
    host: str,
    files: Sequence[File],
    bring: Callable[[float], object],
    deadline: Deadline,
) -> None:
    """Have files on a machine, by one way, with the retries of the configuration."""
    try:
        tried(run.settings.retries.push + 1, deadline, bring)
    except CommandError as error:
        raise stayed(host, named(files), error) from error


def _last(error: CommandError) -> str:
    return error.details.strip().rpartition("\n")[2] or error.brief


def _no_python(lacking: list[str]) -> PlatformError:
    return PlatformError(
        f"{', '.join(lacking)} cannot be in a chain (kexec.push: chain): python3 is not there",
        resolution="install it there, or set kexec.push to auto",
    )


def _no_way_back(refused: list[str], *, push: str, inline: bool) -> PlatformError:
    what = f"kernel and initrd (kexec.push: {push})" if inline else "the deployment JSON"
    return PlatformError(
        f"{', '.join(refused)} cannot fetch {what} from this computer",
        details="" if inline else "it is too long for the kernel command line",
        resolution="set kexec.push to auto or send"
        if inline
        else "run this on a computer that they reach, or give fewer parameters and machines",
    )
