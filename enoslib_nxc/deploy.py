"""The way of one `init()`: the steps in their order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace

from enoslib_nxc import context, multiplexing, parallel, reach, ssh, stock
from enoslib_nxc.acquire import acquire, gone, withdrawn_unused
from enoslib_nxc.boots import Run
from enoslib_nxc.boots.stock import StockBoot
from enoslib_nxc.bring_up import BringUp
from enoslib_nxc.errors import BootError
from enoslib_nxc.events import Reporter
from enoslib_nxc.model import Deployment, Identity
from enoslib_nxc.own_system import Met
from enoslib_nxc.prepare import Ready, Side
from enoslib_nxc.provision import Keys
from enoslib_nxc.ssh import Access
from enoslib_nxc.state import Home
from enoslib_nxc.wait import Deadline


def deploy(ready: Ready, home: Home, report: Reporter, *, force: bool = False) -> Deployment:
    """Bring a deployment to what its configuration says; do nothing where it is so.

    Args:
        ready: what `prepare` gave.
        home: the deployment's directory, held by this process.
        report: where events go.
        force: boot every machine, whatever it runs.

    Returns:
        The record, as it is on disk.

    Raises:
        NxcError: what was wrong, and what to do.
    """
    with ExitStack() as stack:
        for side in ready.sides.values():
            stack.enter_context(closing(side.boot))
        stack.enter_context(withdrawn_unused(ready, home))
        deployment = acquire(ready, home, report, force=force)
        stack.callback(multiplexing.settle, deployment.token)
        own = _keys(home, ready.user_keys)
        runs = {}
        for name, side in ready.sides.items():
            told = _context(side, deployment, own)
            runs[name] = Run(side.settings, home, deployment.only(name), told, report)
        for name, side in ready.sides.items():
            if before := ready.before((name,)):
                run = replace(runs[name], deployment=before)
                side.boot.stop(run, gone(before, deployment))
        cut_off = _connect(ready, deployment)
        _bring_up(ready, own, runs, set(ready.sides) if force else cut_off)
        return home.load() or deployment


def _connect(ready: Ready, deployment: Deployment) -> set[str]:
    """Have all networks; return the flavours whose machines ran on an older one."""
    return {
        name
        for platform, names in ready.platforms.items()
        if platform.connect(deployment.only(*names))
        for name in names
    }


def _bring_up(ready: Ready, own: Keys, runs: Mapping[str, Run], fresh: Container[str]) -> None:
    """Bring the machines of all flavours up, side by side.

    Those that keep their own system are told of the others once these are up, and their host
    keys known.

    Args:
        ready: what `prepare` gave.
        own: the keys of the deployment.
        runs: flavour -> its run.
        fresh: flavours of which every machine is booted, whatever it runs.

    Raises:
        BootError: too many machines did not come up; the details name each.
        NxcError: what the preflight of the only flavour that failed refused.
    """
    deadlines = {name: Deadline(ready.sides[name].settings.deadlines.boot) for name in runs}
    met: dict[str, dict[str, Met]] = {}

    def bring_up(name: str) -> None:
        side, run = ready.sides[name], runs[name]
        wanted = identities(side, run.deployment)
        anew = wanted if name in fresh else ()
        if isinstance(side.boot, StockBoot):
            met[name] = stock.enter(run, side.boot, wanted, anew=anew)
            return
        BringUp(side.boot, own, _reach, deadlines[name])(run, wanted, fresh=anew)

    def cancel() -> None:
        for deadline in deadlines.values():
            deadline.cancel()

    _side_by_side(runs, bring_up, cancel)
    for name in [each for each in runs if each in met]:
        _tell(ready.sides[name], runs[name], met, own)


def _tell(side: Side, run: Run, met: Mapping[str, Mapping[str, Met]], own: Keys) -> None:
    """Have the machines of a flavour that keep their own system know the deployment."""
    whole = run.home.load() or run.deployment
    run = replace(run, deployment=whole.only(side.settings.flavour))
    known = stock.known_hosts(whole, run.home, met)
    stock.join(run, side.boot, met[side.settings.flavour], own, known)


def _side_by_side(
    names: Collection[str], work: Callable[[str], None], cancel: Callable[[], None]
) -> None:
    """Do the work of each flavour; the error of the only one that failed is raised as it is."""
    if len(names) == 1:
        work(next(iter(names)))
        return
    failed = parallel.each(names, work, cancel=cancel).failed
    if len(failed) > 1:
        raise BootError(
            f"machines of flavours {' and '.join(failed)} did not come up",
            details="\n".join(map(str, failed.values())),
        )
    for error in failed.values():
        raise error


def _keys(home: Home, user_keys: tuple[str, ...]) -> Keys:
    public = ssh.make_key(home.key, f"enoslib-nxc {home.job_name}")
    return Keys(
        authorized=tuple(dict.fromkeys((*user_keys, public))),
        private=home.key.read_text(),
        public=public,
    )


def _context(side: Side, deployment: Deployment, own: Keys) -> context.NodeContext:
    settings = side.settings
    return context.make(
        side.built,
        deployment.plan,
        deployment.machines,
        authorized=own.authorized,
        user=deployment.login or settings.ssh.user,
        parameters=settings.parameters,
    )


def identities(side: Side, deployment: Deployment) -> dict[str, Identity]:
    """Return what each host of a flavour should run.

    Args:
        side: the flavour.
        deployment: its plan, and a machine for each host of it.
    """
    settings = side.settings
    wanted = {}
    for node in deployment.plan.nodes:
        image = side.built.roles[node.role]
        volumes = {"volumes": " ".join(image.volumes)} if image.volumes else {}
        shape = side.boot.shape(settings, node, deployment.machines[node.host])
        wanted[node.host] = Identity(
            host=node.host,
            role=node.role,
            toplevel=image.toplevel,
            digest=context.digest(
                parameters=settings.parameters,
                kernel_params=settings.kernel_params,
                shape={**shape, **volumes},
            ),
        )
    return wanted


def _reach(run: Run, host: str) -> Access:
    """Return how we reach a machine: those left as NXC made them get keys at a boot only."""
    how = reach.own if run.settings.ssh.trust == "pin" else reach.access
    return how(run.deployment, run.home, host)
