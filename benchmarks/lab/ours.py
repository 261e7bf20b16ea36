"""Deployments of this package, as its users make them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

import enoslib_nxc
from benchmarks.measure import MeasureError
from enoslib_nxc.errors import NxcError
from enoslib_nxc.provider import NixOSCompose

MEMORY = 384
"""MiB of one machine: what the embedded composition needs."""


def roles(machines: int) -> dict[str, int]:
    """Return the roles of so many machines of the embedded composition."""
    return {"server": 1, **({"agent": machines - 1} if machines > 1 else {})}


def hosts(machines: int) -> dict[str, str]:
    """Return the same by host: name -> role, in the order of the roles."""
    agents = [f"agent{n}" for n in range(1, machines)] if machines > 2 else ["agent"]
    return {"server": "server", **dict.fromkeys(agents[: machines - 1], "agent")}


def provider(
    job_name: str, wanted: Mapping[str, object], *, hosts: object = None, **more: object
) -> NixOSCompose:
    """Return a silent provider, of the embedded composition unless another one is given."""
    settings = {"progress": "silent", "vm": {"memory": MEMORY}, **more}
    conf = enoslib_nxc.NixOSComposeConf.from_dictionary(
        {"job_name": job_name, "roles": dict(wanted), **settings}
    )
    return NixOSCompose(conf, hosts=hosts)


def seconds(made: NixOSCompose) -> float:
    """Return what `init()` takes.

    Raises:
        MeasureError: it failed.
    """
    began = time.monotonic()
    try:
        made.init()
    except NxcError as error:
        raise MeasureError(str(error)) from error
    return time.monotonic() - began


def deploy(made: NixOSCompose) -> float:
    """Return the same, and destroy what was deployed."""
    try:
        return seconds(made)
    finally:
        destroy(made)


def destroy(made: NixOSCompose) -> None:
    """Destroy a deployment; once more where that was interrupted."""
    try:
        made.destroy()
    except KeyboardInterrupt:
        with suppress(NxcError):
            made.destroy()
        raise
