"""A file to hosts of a lab by one of the package's ways, in a process of its own.

FILE says what and to whom. It writes beside it how long it took: from the first connection
until every host has the whole file under its digest.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from enoslib_nxc import agent, node, parallel
from enoslib_nxc.boots import chain, taktuk
from enoslib_nxc.context_server import ContextServer
from enoslib_nxc.errors import CommandError, NxcError
from enoslib_nxc.files import File
from enoslib_nxc.nix.provenance import digest
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.transfer import Place

SECONDS = 600.0
"""For one host."""

DIRECTORY = "/var/tmp/enoslib-nxc-benchmark"  # noqa: S108 (each host has its own)

Told = Mapping[str, Any]

Way = Callable[[Told, File, Mapping[str, Place]], None]


def by_send(_told: Told, file: File, places: Mapping[str, Place]) -> None:
    """Send it over ssh, to all at once: `kexec.push: send`."""
    _each(places, lambda host: places[host].ensure(file, SECONDS))


def by_http(told: Told, file: File, places: Mapping[str, Place]) -> None:
    """Have all fetch it from here at once: `kexec.push: http`."""
    server = ContextServer(told["source"], set(places))
    try:
        url = server.publish(file.path.name, file.path)
        fetched = File(file.path, file.sha256, file.store_path, url=url)
        _each(places, lambda host: places[host].ensure(fetched, SECONDS))
    finally:
        server.close()


def by_chain(told: Told, file: File, places: Mapping[str, Place]) -> None:
    """Have each take it from the one before, and the first from here: `kexec.push: chain`."""
    server = ContextServer(told["source"], set(places))
    try:
        url = server.publish(file.path.name, file.path)
        fetched = File(file.path, file.sha256, file.store_path, url=url)
        chained = chain.chained(fetched, server)
        _each(places, lambda host: _helped(places[host].relay(chained, SECONDS)))
    finally:
        server.close()


def by_taktuk(told: Told, file: File, places: Mapping[str, Place]) -> None:
    """Spread it in a tree, as from a frontend of Grid'5000: `g5k.push: taktuk`."""
    _each(places, lambda host: places[host].look(file, taktuk.PART))
    one = next(iter(places.values()))
    values = {
        "ACTION": "spread",
        "FILE": str(file.path),
        "PART": one.part(file, taktuk.PART),
        "KEYS": Path(told["known_hosts"]).read_text(),
        "NODES": "\n".join(places),
        "PORT": "22",
        "SECONDS": f"{SECONDS:.0f}",
    }
    text = node.assignments(values) + node.text("taktuk")
    said = agent.script(None, text, Path(told["key"]), timeout=SECONDS).stdout
    try:
        _each(places, lambda host: places[host].accept(file, taktuk.PART))
    except CommandError as error:
        raise CommandError(error.brief, details=f"{error.details}\n{said}") from error


WAYS: dict[str, Way] = {
    "send": by_send,
    "http": by_http,
    "chain": by_chain,
    "taktuk": by_taktuk,
}


def _helped(why: str) -> None:
    """Refuse a chain that broke: it is not what is measured."""
    if why:
        raise CommandError("the source had to help", details=why)


def _each(places: Mapping[str, Place], work: Callable[[str], object]) -> None:
    for error in parallel.each(places, work).failed.values():
        raise error


def main() -> None:
    """Do what the file says."""
    told_in = Path(sys.argv[1])
    told = json.loads(told_in.read_text())
    image = Path(told["image"])
    file = File(image, digest(image), "/nowhere")
    known = Path(told["known_hosts"])
    places = {
        address: Place(
            Access(address, address, 22, "root", Path(told["key"]), known),
            HostKey.PINNED,
            DIRECTORY,
        )
        for address in told["addresses"]
    }
    began = time.perf_counter()
    try:
        WAYS[told["way"]](told, file, places)
    except NxcError as error:
        sys.exit(str(error))
    seconds = time.perf_counter() - began
    told_in.with_suffix(".done").write_text(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
