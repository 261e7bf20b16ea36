"""What machines fetch from here while they boot: decided by asking them to, beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from enoslib_nxc import parallel
from enoslib_nxc.boots import Run
from enoslib_nxc.boots.delivery import files_of, stayed, tried
from enoslib_nxc.context_server import ContextServer, address_towards
from enoslib_nxc.errors import CommandError, PlatformError
from enoslib_nxc.transfer import File, Place
from enoslib_nxc.wait import Deadline


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
        refused = self._serve(run, places)
        if not refused:
            assert self._server  # noqa: S101
            served = [
                (file, self._server.publish(file.path.name, file.path)) for file in self.files
            ]
            if push != "send":
                self.files = tuple(replace(file, url=url) for file, url in served)
            if not inline:
                text = run.context.text.encode()
                self.context_url = self._server.publish("deployment.json", text)
        elif push == "http" or not inline:
            raise _no_way_back(refused, inline=inline)

    def bring(self, run: Run, host: str, place: Place, deadline: Deadline) -> list[str]:
        """Have kernel and initrd on a machine, and return their paths there."""
        there = []
        for file in self.files:
            try:
                attempts = run.settings.retries.push + 1
                there.append(tried(attempts, deadline, partial(place.ensure, file)))
            except CommandError as error:
                raise stayed(host, file, error) from error
        return there

    def close(self) -> None:
        """Stop serving."""
        if self._server:
            self._server.close()
            self._server = None

    def _serve(self, run: Run, places: Mapping[str, Place]) -> list[str]:
        """Start the server; return the machines that cannot fetch from it, and stop it then."""
        machines = [run.machine(host) for host in places]
        try:
            address = address_towards(machines[0].address)
            self._server = ContextServer(address, {m.address for m in machines})
        except OSError:
            return list(places)
        url = self._server.publish("probe", b"reached")
        answers = parallel.each(places, lambda host: places[host].can_fetch(url)).done
        refused = [host for host in places if not answers.get(host)]
        if refused:
            self.close()
        return refused


def _no_way_back(refused: list[str], *, inline: bool) -> PlatformError:
    what = "kernel and initrd (kexec.push: http)" if inline else "the deployment JSON"
    return PlatformError(
        f"{', '.join(refused)} cannot fetch {what} from this computer",
        details="" if inline else "it is too long for the kernel command line",
        resolution="set kexec.push to auto or send"
        if inline
        else "run this on a computer that they reach, or give fewer parameters and machines",
    )
