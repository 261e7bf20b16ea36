"""From the configuration's `composition` to artifacts: reuse, read, or fetch and build."""

from __future__ import annotations

from pathlib import Path

from enoslib_nxc import compose_info, debian, nix
from enoslib_nxc.config import EMBEDDED, Settings
from enoslib_nxc.events import Phase, Reporter, step
from enoslib_nxc.model import Artifacts, StoreMap


def obtain(settings: Settings, previous: Artifacts | None, report: Reporter) -> Artifacts:
    """Return the artifacts of the configuration, building only what is not there yet.

    Args:
        settings: the checked configuration.
        previous: what the deployment was made from last time, if anything.
        report: where events go.

    Raises:
        NxcError: sources cannot be had, the build failed, or its result is not NXC's.
    """
    source = Path(settings.composition).expanduser()
    if settings.composition != EMBEDDED and source.is_file():
        return _read(settings, source, report)
    flake = (
        str(debian.EMBEDDED_DIR) if settings.composition == EMBEDDED else settings.composition
    )
    fingerprint = nix.fingerprint(settings, flake)
    if previous and nix.reusable(previous, fingerprint):
        with step(report, Phase.BUILD, "build the composition") as reuse:
            reuse.noop("unchanged since the last build")
        return previous
    artifacts = nix.build(
        settings,
        flake=_prepared(settings, flake, report),
        report=report,
        timeout=settings.deadlines.build,
        given=settings.composition,
    )
    return artifacts.model_copy(update={"fingerprint": fingerprint})


def _read(settings: Settings, file: Path, report: Reporter) -> Artifacts:
    """Read a compose info that is already built; no Nix is needed."""
    root = settings.build.store
    with step(report, Phase.BUILD, f"read {file}") as reading:
        artifacts = compose_info.read(
            file,
            flavour=settings.flavour,
            composition=settings.composition_name,
            store=StoreMap(root=root) if root else StoreMap(),
        )
        reading.noop(f"{file} is already built")
    return artifacts


def _prepared(settings: Settings, flake: str, report: Reporter) -> str:
    """Fetch the sources of a composition of Debian packages; others need no such step."""
    directory = Path(flake.removeprefix("path:")).expanduser()
    if not (directory / debian.LOCK_NAME).is_file():
        return flake
    prepared = debian.prepare(
        directory,
        store=nix.choose(settings.build),
        locked=settings.build.locked,
        report=report,
        timeout=settings.deadlines.build,
    )
    return str(prepared.flake_dir)
