"""Builds a composition with Nix and tells how far it is."""

from __future__ import annotations

import json
import tarfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from enoslib_nxc import compose_info
from enoslib_nxc.built import Artifacts, Provenance, StoreMap
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import BuildError, CommandError
from enoslib_nxc.events import Phase, Reporter, Step, step
from enoslib_nxc.nix import failures, provenance, remote, setup_toml, source
from enoslib_nxc.nix.events import BuildLog
from enoslib_nxc.nix.reuse import fingerprint
from enoslib_nxc.nix.source import Source
from enoslib_nxc.nix.store import NixStore, choose
from enoslib_nxc.nix.target import Target

INTERVAL = 0.1
"""Seconds between reports of progress: Nix tells of each 16 KiB of a download."""


def build(
    settings: Settings,
    *,
    flake: str,
    report: Reporter,
    timeout: float,
    given: str = "",
    chosen: Callable[[], NixStore] | None = None,
    keep: Path | None = None,
) -> Artifacts:
    """Build a composition, here or on `build.on`.

    Args:
        settings: the configuration.
        flake: a directory, a flake reference, or a compose-info file already built.
        report: where progress goes.
        timeout: seconds for all of it.
        given: what the user calls the flake, where it is a copy.
        chosen: gives the store to build in; the one of this machine by default.
        keep: link to make to the compose info, which keeps it and all that it names from
            Nix's garbage collector while the link is there. What another machine built is
            copied here, out of its reach.

    Raises:
        ConfigError: there is no such flake, variant or parameter.
        ToolMissingError: there is no Nix.
        BuildError: the build failed, or did not end in time.
        ArtifactError: what was built is no compose info.
    """
    place = source.locate(flake)
    given = given or flake
    mark = fingerprint(settings, flake)
    with step(report, Phase.BUILD, "build the composition") as running:
        if place.file is not None:
            running.noop(f"{place.file} is already built")
            artifacts = _prebuilt(settings, place.file)
            origin = provenance.collect(artifacts, flake=given)
        else:
            store = chosen() if chosen else choose(settings.build)
            artifacts, origin = _built(settings, place, given, running, timeout, store, keep)
    return artifacts.model_copy(update={"fingerprint": mark, "provenance": origin})


def prebuilt(settings: Settings, flake: str) -> Artifacts | None:
    """Return what a compose-info file describes; None where the composition is a flake.

    Args:
        settings: the configuration.
        flake: a directory, a flake reference, or a compose-info file already built.

    Raises:
        ConfigError: there is no such flake.
        ArtifactError: the file is wrong.
    """
    file = source.locate(flake).file
    return _prebuilt(settings, file) if file else None


def _prebuilt(settings: Settings, file: Path) -> Artifacts:
    """Read a compose info that was built before; no Nix is needed."""
    real = file.resolve()
    inside = [up.parent.parent for up in real.parents if up.parts[-2:] == ("nix", "store")]
    root = settings.build.store or (inside[-1] if inside else Path("/"))
    return _read(settings, file, StoreMap(root=root.expanduser().absolute()))


def _read(settings: Settings, file: Path, store: StoreMap) -> Artifacts:
    return compose_info.read(
        file, flavour=settings.flavour, composition=settings.composition_name, store=store
    )


def _built(
    settings: Settings,
    place: Source,
    given: str,
    running: Step,
    timeout: float,
    store: NixStore,
    keep: Path | None,
) -> tuple[Artifacts, Provenance]:
    deadline = time.monotonic() + timeout

    def left() -> float:
        return max(0.1, deadline - time.monotonic())

    setup = setup_toml.resolve(settings.build, place.directory)
    name = "" if settings.all_in_one else settings.composition_name
    with ExitStack() as stack:

        def scratch() -> Path:
            return Path(stack.enter_context(TemporaryDirectory(prefix="enoslib-nxc-")))

        target = Target(
            ref=_ref(place, setup, store, scratch, left),
            system=settings.build.system,
            name=f"{name}::{settings.flavour}",
            given=given,
            git_directory=place.directory if place.git else None,
        )
        link = ("--out-link", str(keep)) if keep and not store.site.wrap else ("--no-link",)
        flags = (*link, *setup.nix_flags, *settings.build.nix_flags)
        path = run_nix(store, target, flags, running, left)
    if store.site.wrap:
        file, files = remote.fetch(store, path, left)
    else:
        file, files = store.map.real(path), store.map
    artifacts = _read(settings, file, files)
    return artifacts, provenance.collect(
        artifacts, flake=given, directory=place.directory, store=store
    )


def _ref(
    place: Source,
    setup: setup_toml.Setup,
    store: NixStore,
    scratch: Callable[[], Path],
    left: Callable[[], float],
) -> str:
    """Return the flake reference for Nix; copy the source when it cannot be used in place.

    Only then is there a directory: a process that is killed while Nix builds leaves none.
    """
    if place.directory is None or place.root is None:
        return place.ref
    if not (store.site.wrap or setup.overlay or place.odd):
        return place.ref
    directory = scratch()
    packed = directory / "source.tar"
    source.pack(place, packed, setup.overlay or {})
    if store.site.wrap:
        copy = remote.push(store.site, packed, left)
    else:
        copy = str(directory / "source")
        with tarfile.open(packed) as archive:
            archive.extractall(copy, filter="tar")
    inside = place.directory.relative_to(place.root)
    if not inside.parts:
        return f"path:{copy}"
    # a flake below the top of its repository: `path:` takes no `dir` in Nix 2.8, git does
    for words in (("init", "-q"), ("add", "-A", "-f", ".")):
        store.site.run(["git", "-C", copy, *words], timeout=left())
    return f"git+file://{copy}?dir={quote(str(inside))}"


def run_nix(
    store: NixStore,
    target: Target,
    flags: tuple[str, ...],
    running: Step,
    left: Callable[[], float],
) -> str:
    """Run `nix build` to its end and return the store path that it gave.

    Args:
        store: where to build.
        target: what to build.
        flags: further words for `nix build`.
        running: the step that progress belongs to.
        left: seconds until the deadline.

    Raises:
        BuildError: it failed, or did not end in time.
    """
    progress = Progress(running)
    words = ("--json", "--log-format", "internal-json", *flags)
    seconds = left()
    try:
        result = store.run(
            "nix",
            "build",
            target.installable,
            *words,
            timeout=seconds,
            check=False,
            on_stderr=progress,
        )
    except CommandError as error:
        raise BuildError(
            f"building {target.name} did not end within {_shown(seconds)} s",
            details=f"being built: {progress.latest or 'nothing'}",
            resolution="give it more time with deadlines.build; what is built already is kept",
        ) from error
    if result.returncode != 0:
        raise failures.explain(progress.log, store, target, left())
    progress.finish()
    if not progress.log.began and not progress.log.downloaded:
        running.noop("already built")
    return _output(result.stdout)


def _shown(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}".removesuffix(".0")


def _output(text: str) -> str:
    """Read what `nix build --json` prints (the same from 2.8 to 2.34)."""
    try:
        return str(json.loads(text)[0]["outputs"]["out"])
    except (ValueError, LookupError, TypeError) as error:
        raise BuildError(
            "nix build gave no output path",
            details=text,
            resolution="check build.nix_flags: --dry-run and the like cannot be used here",
        ) from error


class Progress:
    """Turns Nix's log into progress of a step.

    Args:
        running: the step.

    Attributes:
        log: all that Nix said.
        latest: what was being built when anything last was.
    """

    def __init__(self, running: Step) -> None:
        self.log = BuildLog()
        self.latest = ""
        self._running = running
        self._said: tuple[object, ...] = ()
        self._said_bytes = 0
        self._at = 0.0

    def __call__(self, line: str) -> None:
        """Take one line of Nix's standard error."""
        self.log.feed(line)
        state = (self.log.done, self.log.expected, self.log.running)
        if state != self._said:
            self._said = state
            self._say_built()
        if self.log.downloaded != self._said_bytes and time.monotonic() - self._at > INTERVAL:
            self._say_downloaded()

    def finish(self) -> None:
        """Say that all is done: Nix's own counts may stop short (2.34 expects one more)."""
        total = max(self.log.done, self.log.began)
        if total and (total, total, ()) != self._said:
            self._running.progress("built", done=total, total=total, unit="derivations")
        if self.log.downloaded:
            self._say_downloaded()

    def _say_built(self) -> None:
        # before the first build Nix counts those that turn out to be there already
        if self.log.began:
            running = ", ".join(self.log.running)
            self.latest = running or self.latest
            self._running.progress(
                running,
                done=min(self.log.done, self.log.expected),
                total=self.log.expected,
                unit="derivations",
            )

    def _say_downloaded(self) -> None:
        self._at, self._said_bytes = time.monotonic(), self.log.downloaded
        self._running.progress(
            "downloading", done=self.log.downloaded, total=self.log.to_download, unit="bytes"
        )
