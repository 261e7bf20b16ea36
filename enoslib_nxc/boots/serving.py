"""What machines fetch from here while they boot: decided by asking them to, beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from enoslib_nxc import parallel
from enoslib_nxc.boots import Run, chain
from enoslib_nxc.boots.delivery import files_of, stayed, tried
from enoslib_nxc.context_server import Content, ContextServer, address_towards
from enoslib_nxc.errors import CommandError, PlatformError
from enoslib_nxc.events import Event, Phase, Status
from enoslib_nxc.transfer import File, Place
from enoslib_nxc.wait import Deadline

CHAIN_SHARE = 0.5
"""Of the time that is left: the rest is for fetching the file from here."""


class Serving:
    """The files of a run, and the server for them where one is needed and reached."""

    def __init__(self) -> None:
        self.files: tuple[File, ...] = ()
        """Kernel and initrd."""
        self.context_url = ""
        """Where machines fetch the deployment JSON, "" when their command line holds it."""
        self._server: ContextServer | None = None

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
        unable = self._serve(run, places)
        if refused := unable["http"]:
            self.close()
            if push in ("http", "chain") or not inline:
                raise _no_way_back(refused, push=push, inline=inline)
            return
        if push != "send":
            chained = self._worth(run, len(places), unable["chain"])
            self._offer(0 if push == "chain" else chain.LEAST_BYTES, chained=chained)
        if not inline:
            self.context_url = self._publish("deployment.json", run.context.text.encode())

    def bring(self, run: Run, host: str, place: Place, deadline: Deadline) -> list[str]:
        """Have kernel and initrd on a machine, and return their paths there."""
        there = []
        for file in self.files:
            if file.chain and self._relayed(run, host, place, file, deadline):
                there.append(place.target(file))
                continue
            try:
                attempts = run.settings.retries.push + 1
                there.append(tried(attempts, deadline, partial(place.ensure, file)))
            except CommandError as error:
                raise stayed(host, file, error) from error
        return there

    def _worth(self, run: Run, count: int, lacking: list[str]) -> bool:
        """Tell whether so many machines are to be a chain, some of which cannot.

        Raises:
            PlatformError: it is asked for, and cannot be.
        """
        push = run.settings.kexec.push
        wanted = push == "chain" or (push == "auto" and count >= chain.LEAST)
        if not (wanted and lacking):
            return wanted
        if push == "chain":
            self.close()
            raise _no_python(lacking)
        told = f"no chain: python3 is not on {', '.join(lacking)}"
        run.report(Event(Phase.PUSH, Status.PROGRESS, message=told))
        return False

    def _relayed(
        self, run: Run, host: str, place: Place, file: File, deadline: Deadline
    ) -> bool:
        """Have a file on a machine by its chain; tell whether it is there."""

        def tell(message: str) -> None:
            run.report(Event(Phase.PUSH, Status.PROGRESS, host, message))

        name = file.path.name
        try:
            helped = place.relay(file, max(1.0, deadline.remaining() * CHAIN_SHARE))
        except CommandError as error:
            why = error.details.strip().rpartition("\n")[2] or error.brief
            tell(f"{name} fetched from here: not by the chain: {why}")
            return False
        tell(f"{name} by the chain" + (f", the rest from here: {helped}" if helped else ""))
        return True

    def close(self) -> None:
        """Stop serving."""
        if self._server:
            self._server.close()
            self._server = None

    def _serve(self, run: Run, places: Mapping[str, Place]) -> dict[str, list[str]]:
        """Start the server; return the machines that cannot use it, by the way they cannot."""
        machines = [run.machine(host) for host in places]
        try:
            address = address_towards(machines[0].address)
            self._server = ContextServer(address, {m.address for m in machines})
        except OSError:
            return {"http": list(places), "chain": list(places)}
        url = self._publish("probe", b"reached")
        ways = parallel.each(places, lambda host: places[host].ways(url)).done
        return {
            way: [host for host in places if way not in ways.get(host, ())]
            for way in ("http", "chain")
        }

    def _offer(self, least: int, *, chained: bool) -> None:
        """Have machines fetch the files, or take those of a size from each other."""
        assert self._server  # noqa: S101
        offered = []
        for file in self.files:
            served = replace(file, url=self._publish(file.path.name, file.path))
            large = file.path.stat().st_size >= least
            offered.append(chain.chained(served, self._server) if chained and large else served)
        self.files = tuple(offered)

    def _publish(self, name: str, content: Content) -> str:
        assert self._server  # noqa: S101
        return self._server.publish(name, content)


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
