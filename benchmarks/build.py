"""Build and rebuild: the embedded composition, then one package more, from Debian packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.benchmark import Benchmark
from benchmarks.judge import Goal, ratio
from benchmarks.lab import images, ours
from benchmarks.lab.images import Scratch
from benchmarks.measure import OURS, Contestant, MeasureError, Trial
from enoslib_nxc import debian, reach, ssh, state
from enoslib_nxc.debian.lock import Lock, read_lock
from enoslib_nxc.debian.prepare import cache_root

JOB = "benchmark-build"

PEER = "mmdebstrap"

BASE, LOCK, REBUILD = "base s", "lock s", "rebuild s"
BASE_SIZE, REBUILT_SIZE = "MiB base", "MiB rebuilt"

EXTRA = "hello"
"""The package that the variation has besides."""

INSTALLED = "environment.systemPackages = [ pkgs.iperf3"
"""Where the composition says what its first role has."""

CONF = f"""job_name: {JOB}
composition: composition
flavour: vm-ramdisk
roles: {{server: 1}}
progress: silent
"""

TIMEOUT = 60.0
"""Seconds for a command that takes none by itself."""


@dataclass(frozen=True)
class Project:
    """A user's directory with a composition, and the downloads that it needs.

    Args:
        directory: the directory.
    """

    directory: Path

    @property
    def composition(self) -> Path:
        """Directory of the flake."""
        return self.directory / "composition"

    @property
    def store(self) -> Path:
        """The Nix store, which nothing else uses; Nix's caches are in it too."""
        return self.directory / "store"

    @property
    def cache(self) -> Path:
        """What stands for `~/.cache/enoslib-nxc`."""
        return self.directory / "cache" / "enoslib-nxc"

    @property
    def lists(self) -> Path:
        """The lists of Debian's packages."""
        return self.cache / "apt" / "state" / "lists"

    @property
    def lock(self) -> Lock:
        """What the composition is made of."""
        return read_lock(self.composition / debian.LOCK_NAME)

    def call(self, *words: str) -> float:
        """Run `enoslib-nxc` in the directory; return the seconds."""
        env = {"XDG_CACHE_HOME": str(self.cache.parent), "NIX_CONFIG": f"store = {self.store}"}
        program = Path(sys.executable).with_name("enoslib-nxc")
        return images.run([program, *words], env=env, cwd=self.directory)

    def build(self) -> float:
        """Build the composition; return the seconds."""
        return self.call("build", "--quiet", "conf.yaml")

    @property
    def info(self) -> dict[str, object]:
        """The entry `all` of the compose info that was built last."""
        link = (self.directory / "result-vm-ramdisk").readlink()
        text = (self.store / link.relative_to("/")).read_bytes()
        found: dict[str, object] = json.loads(text)["all"]
        return found

    def file(self, what: str) -> Path:
        """Return a file that the compose info names."""
        return self.store / Path(str(self.info[what])).relative_to("/")

    def mebibytes(self) -> float:
        """Return the size of what machines boot from, the kernel aside."""
        return self.file("initrd").stat().st_size / (1 << 20)

    def forget(self) -> None:
        """Begin anew: an empty store, the composition and its lock without the package."""
        cleared(self.store)
        shutil.copytree(self.directory / "begun", self.composition, dirs_exist_ok=True)


def project(directory: Path) -> Project:
    """Make a project of the embedded composition whose lock lacks one package.

    What apt and pip gave is there afterwards, for the package too.
    """
    made = Project(directory)
    made.composition.mkdir(parents=True)
    for name in ("flake.nix", "composition.nix", "setup.toml", debian.LOCK_NAME):
        shutil.copy(debian.EMBEDDED_DIR / name, made.composition)
    (directory / "conf.yaml").write_text(CONF)
    (made.cache / "debian").mkdir(parents=True)
    for source in made.lock.sources:
        if (had := cache_root() / "debian" / source.filename).is_file():
            shutil.copy(had, made.cache / "debian")
    made.call("lock", "--add", EXTRA, "composition")
    whole = made.lock
    extra = tuple(name for name in whole.groups["extra"] if name != EXTRA)
    packages = tuple(package for package in whole.packages if package.name != EXTRA)
    begun = whole.model_copy(
        update={"groups": {**whole.groups, "extra": extra}, "packages": packages}
    )
    (made.composition / debian.LOCK_NAME).write_text(begun.dump())
    shutil.copytree(made.composition, directory / "begun")
    return made


@contextmanager
def contestants(trial: Trial) -> Iterator[Sequence[Contestant]]:
    """Download what both need; the first build of each is not counted."""
    made = project(trial.directory / "project")
    lock = made.lock
    packages = ["hello"] if trial.smoke else [*lock.groups["base"], *lock.groups["extra"]]
    scratch = Scratch(trial.directory / "scratch", made.lists)
    scratch.debs.mkdir(parents=True)
    try:
        if not trial.smoke:
            made.build()
            scratch = scratch.beginning_with(_stage1(made))
            scratch.fetch([*packages, EXTRA])
        booted: list[str] = []
        yield [
            Contestant(OURS, lambda _: _ours(made, booted)),
            Contestant(PEER, lambda _: _peer(scratch, packages, trial)),
        ]
    finally:
        cleared(made.store)


def _ours(made: Project, booted: list[str]) -> Mapping[str, float]:
    """Build from nothing; add the package as a user does; build again."""
    made.forget()
    base = made.build()
    base_size = made.mebibytes()
    file = made.composition / "composition.nix"
    text = file.read_text()
    if INSTALLED not in text:
        raise MeasureError(f"the composition has no {INSTALLED!r}")
    file.write_text(text.replace(INSTALLED, f"{INSTALLED} pkgs.{EXTRA}", 1))
    lock = made.call("lock", "--add", EXTRA, "composition")
    rebuild = lock + made.build()
    if not booted:
        booted.append(_said(made))
    return {
        BASE: base,
        LOCK: lock,
        REBUILD: rebuild,
        BASE_SIZE: base_size,
        REBUILT_SIZE: made.mebibytes(),
    }


def _peer(scratch: Scratch, packages: Sequence[str], trial: Trial) -> Mapping[str, float]:
    """Build from scratch, without the package and with it."""
    rebuild, rebuilt_size = scratch.build([*packages, EXTRA])
    if trial.smoke:
        return {REBUILD: rebuild, REBUILT_SIZE: rebuilt_size}
    base, base_size = scratch.build(packages)
    return {
        BASE: base,
        REBUILD: rebuild,
        BASE_SIZE: base_size,
        REBUILT_SIZE: rebuilt_size,
    }


def _said(made: Project) -> str:
    """Boot what was built, and return what the package's program says there.

    Raises:
        MeasureError: there is something to configure that nobody did, or it does not run.
    """
    _require_nothing_to_configure(made)
    composition = str(made.composition)
    given = ours.provider(
        JOB, {"server": 1}, composition=composition, build={"store": str(made.store)}
    )
    try:
        ours.seconds(given)
        home = state.find(JOB)
        record = home.load() if home else None
        if home is None or record is None:
            raise MeasureError("there is no record of the machine that was booted")
        words = ssh.argv(reach.access(record, home, "server"), EXTRA)
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT)
    finally:
        ours.destroy(given)
    if done.returncode or "Hello" not in done.stdout:
        raise MeasureError(f"{EXTRA} does not run on the machine: {done.stderr.strip()}")
    return done.stdout


def _require_nothing_to_configure(made: Project) -> None:
    """Check that the package has no maintainer script, trigger nor configuration file."""
    (package,) = (one for one in made.lock.packages if one.name == EXTRA)
    archive = made.cache / "debian" / package.filename
    words = ["dpkg-deb", "--ctrl-tarfile", str(archive)]
    packed = subprocess.run(words, check=True, capture_output=True, timeout=TIMEOUT).stdout
    listed = subprocess.run(
        ["tar", "-t"], check=True, input=packed, capture_output=True, timeout=TIMEOUT
    ).stdout
    names = {Path(line).name for line in listed.decode().splitlines()}
    if scripts := names - {"", "control", "md5sums"}:
        raise MeasureError(f"{EXTRA} is not configured: {' '.join(sorted(scripts))} not run")


def _stage1(made: Project) -> Path:
    """Return the first part of the image, as a file that outlives the store."""
    found = made.file("stage1").with_name("initrd")
    return Path(shutil.copy(found, made.directory / "stage1"))


def cleared(store: Path) -> None:
    """Remove a Nix store, whose directories nobody may write to."""
    for directory, _, _ in os.walk(store):
        Path(directory).chmod(0o700)
    shutil.rmtree(store, ignore_errors=True)


BENCHMARK = Benchmark(
    name="build",
    title="Build and rebuild",
    text=f"""The embedded composition (Debian packages), flavour `vm-ramdisk`: *base*, then
base + `{EXTRA}`, which its lock does not have before. All .deb files and apt's lists are on
this computer beforehand, for both; both have apt choose packages from the whole of Debian.

- *enoslib-nxc*: *base s* is `enoslib-nxc build` with an empty Nix store and no cache of Nix.
  *rebuild s* is all that a user runs once `pkgs.{EXTRA}` is in the composition: `enoslib-nxc
  lock --add {EXTRA}` (*lock s*) and `enoslib-nxc build`, Python's start and imports counted.
  Maintainer scripts are never run, neither by the build nor by the machine, so the boot takes
  no longer; `{EXTRA}` has none, no trigger and no configuration file (checked), and runs
  on a machine booted from the image (checked once in each run). There is no dpkg on it to ask.
- *mmdebstrap*: from scratch for both: variant `essential` with the same packages by name,
  configured by dpkg, documentation left out as in ours, packed as ours: squashfs (zstd 3) in
  cpio, after the very same stage 1. No kernel, whose scripts would make an initrd besides.

*MiB*: what a machine boots from, the kernel aside. Kameleon 2.11 was measured once on such a
computer, downloads included: base 42 s, + hello 49 s from scratch, 4.6 s from a btrfs
checkpoint.
""",
    varies="images",
    sizes=(1,),
    smoke=(1,),
    open=contestants,
    goals=(
        Goal(
            f"base + {EXTRA}: mmdebstrap's time over ours",
            ratio(OURS, 1, REBUILD, ours=PEER),
            at_least=40,
            cause="more than a third of our time is the start of two programs in Python that "
            "import EnOSlib; then apt chooses packages, and Nix evaluates the composition and "
            "builds what depends on the role, one small derivation after the other.",
        ),
    ),
    needs=(("mmdebstrap", "mmdebstrap"), ("mksquashfs", "squashfs-tools"), ("cpio", "cpio")),
)
