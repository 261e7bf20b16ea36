"""From the configuration's `composition` to artifacts: reuse, read, or fetch and build."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from enoslib_nxc import debian, nix, ssh
from enoslib_nxc.built import Artifacts
from enoslib_nxc.config import EMBEDDED, Settings
from enoslib_nxc.errors import BuildError, DeadlineError
from enoslib_nxc.events import Phase, Reporter, step
from enoslib_nxc.wait import Deadline


def obtain(
    settings: Settings, previous: Artifacts | None, report: Reporter, *, keep: Path
) -> Artifacts:
    """Return the artifacts of the configuration, building only what is not there yet.

    Args:
        settings: the checked configuration.
        previous: what the deployment was made from last time, if anything.
        report: where events go.
        keep: link that keeps what is built from Nix's garbage collector.

    Raises:
        NxcError: sources cannot be had, the build failed, or its result is not NXC's.
    """
    flake = _flake(settings)
    fingerprint = nix.fingerprint(settings, flake)
    if previous and nix.reusable(previous, fingerprint):
        with step(report, Phase.BUILD, "build the composition") as reuse:
            reuse.noop("unchanged since the last build")
        return previous
    try:
        artifacts = _made(settings, flake, report, keep)
    except DeadlineError as error:
        raise BuildError(
            "fetching and building the composition did not end within "
            f"{settings.deadlines.build:g} s",
            details=f"{error.brief}\n{error.details}",
            resolution="give it more time with deadlines.build; what is there already is kept",
        ) from error
    return artifacts.model_copy(update={"fingerprint": fingerprint})


def at_hand(settings: Settings, previous: Artifacts | None) -> Artifacts | None:
    """Return the artifacts for which nothing has to be built, as far as files tell.

    Nix is not asked; what its store holds is known to the build only.

    Args:
        settings: the checked configuration.
        previous: what the deployment was made from last time, if anything.

    Raises:
        ConfigError: there is no such composition.
        ArtifactError: it is a compose-info file, and wrong.
    """
    flake = _flake(settings)
    if prebuilt := nix.prebuilt(settings, flake):
        return prebuilt
    if previous and nix.reusable(previous, nix.fingerprint(settings, flake)):
        return previous
    return None


def _made(settings: Settings, flake: str, report: Reporter, keep: Path) -> Artifacts:
    """Fetch and build, all under one deadline."""
    deadline = Deadline(settings.deadlines.build)
    chosen = functools.cache(lambda: nix.choose(settings.build, site=_builder(settings)))
    prepared = _prepared(settings, flake, report, chosen)
    return nix.build(
        settings,
        flake=prepared,
        report=report,
        timeout=deadline.remaining(),
        given=settings.composition,
        chosen=chosen,
        keep=keep,
    )


def effective(settings: Settings) -> Settings:
    """Return the settings with the kernel parameters of the composition's setup.toml added.

    Raises:
        ConfigError: setup.toml is wrong, or has no such variant.
    """
    own = nix.kernel_params(settings.build, _flake(settings))
    both = " ".join(filter(None, [own, settings.kernel_params]))
    return settings.model_copy(update={"kernel_params": both})


def _flake(settings: Settings) -> str:
    if settings.composition == EMBEDDED:
        # its own files alone: it may lie in a git repository of other things
        return f"path:{debian.EMBEDDED_DIR}"
    return settings.composition


def _builder(settings: Settings) -> nix.Site:
    """Return the machine of `build.on`."""
    return nix.site(
        settings.build,
        lambda at, words: ssh.to_builder(at.host, at.user, at.port, words),
    )


def _prepared(
    settings: Settings, flake: str, report: Reporter, chosen: Callable[[], nix.NixStore]
) -> str:
    """Fetch the sources of a composition of Debian packages; others need no such step."""
    directory = Path(flake.removeprefix("path:")).expanduser()
    if not (directory / debian.LOCK_NAME).is_file():
        return flake
    prepared = debian.prepare(
        directory,
        store=chosen(),
        locked=settings.build.locked,
        report=report,
        timeout=settings.deadlines.build,
        flavour=settings.flavour,
    )
    return f"path:{prepared.flake_dir}"  # whatever git repository the cache is in
