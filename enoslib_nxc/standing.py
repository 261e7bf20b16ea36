"""What of a deployment is there, and its end; both by its record."""

from __future__ import annotations

from enoslib_nxc import flavours, history, multiplexing, state
from enoslib_nxc.acquire import forget
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import NxcError
from enoslib_nxc.events import Phase, Reporter, step
from enoslib_nxc.flavours import Source
from enoslib_nxc.model import Deployment
from enoslib_nxc.reporters import tee
from enoslib_nxc.state import Home


def destroy(
    job_name: str,
    report: Reporter,
    timeout: float,
    *,
    source: Source | None = None,
    settings: Settings | None = None,
) -> None:
    """End a deployment by its name alone; nothing happens when there is none.

    Where only files in homes on sites are left that cannot be removed now, that is told, and
    they stay on record: the next call tries again.

    Args:
        job_name: its name.
        report: where events go.
        timeout: seconds.
        source: where the machines came from, as far as the caller knows.
        settings: the configuration, if there is one: it tells where else than in the records
            of this computer to look for reservations of that name.

    Raises:
        NxcError: it is in use, or something of it could not be ended.
    """
    source = source or Source()
    elsewhere = flavours.booked(settings, source) if settings else {}
    if state.find(job_name) is None and not elsewhere:
        return
    with (
        step(
            tee(report, history.ends(job_name)), Phase.DESTROY, f"destroy {job_name}"
        ) as destroying,
        state.claim(job_name) as home,
    ):
        deployment = home.load()
        if deployment is not None:
            told = _released(deployment, home, source, timeout)
            multiplexing.end(deployment.token)  # of a process that was killed
        else:
            given_up = [platform.give_up(wish) for platform, wish in elsewhere.items()]
            told = tuple(line for lines in given_up for line in lines)
        for trouble in told:
            destroying.progress(trouble)
        if not forget(home):
            destroying.progress(f"the record of {job_name} stays: destroy() it again for these")


def _released(
    deployment: Deployment, home: Home, source: Source, timeout: float
) -> tuple[str, ...]:
    """Give back what all platforms gave; one that fails does not keep the others from it.

    Returns:
        What people should know.

    Raises:
        NxcError: that of the first platform which failed.
    """
    rows = flavours.recorded(deployment, source)
    told: list[str] = []
    failed: list[NxcError] = []
    for platform, names in flavours.platforms(rows, source).items():
        try:
            told += platform.release(deployment.only(*names), home, timeout)
        except NxcError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return tuple(told)


def running(settings: Settings, source: Source) -> bool:
    """Tell whether a deployment of that name is there, as far as this machine can see.

    Where there is a calendar, its reservation is what counts (EnOSlib's Grid'5000 provider).

    Args:
        settings: the configuration.
        source: where the machines come from.

    Raises:
        NxcError: the calendar cannot be asked, or the record not be read.
    """
    if booked := flavours.booked(settings, source):
        return all(platform.find(wish) for platform, wish in booked.items())
    home = state.find(settings.job_name)
    deployment = home.load() if home else None
    if deployment is None or home is None:
        return False
    rows = flavours.recorded(deployment, source)
    expected = {m.host for m in deployment.machines.values() if m.state != "lost"}
    up = {m.host for m in deployment.machines.values() if m.state == "up"}
    return (
        up == expected
        and all(
            platform.connected(deployment.only(*names))
            for platform, names in flavours.platforms(rows, source).items()
        )
        and all(
            up & set(part.machines) <= row.boot().alive(part, home)
            for name, row in rows.items()
            for part in [deployment.only(name)]
        )
    )
