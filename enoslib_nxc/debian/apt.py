"""A private apt: its own lists and an empty status, so that no root is needed.

Only the machine's `sources.list` and keys are shared with the system's apt: what the
machine may install is what a composition may be made of.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from enoslib_nxc import shell
from enoslib_nxc.debian.lock import Package
from enoslib_nxc.debian.stanzas import Stanza, parse_stanzas, selected
from enoslib_nxc.errors import BuildError, CommandError
from enoslib_nxc.nix.provenance import digest

FRESH_SECONDS = 3600.0
"""Age under which lists are taken as they are when a pinned version is not in them."""

Progress = Callable[[int, int], None]
"""Called with the files done and the files in all."""


class AptRoot:
    """apt on a directory of ours.

    Args:
        root: the directory; made when absent.
        timeout: seconds that each call of apt may take.
    """

    def __init__(self, root: Path, *, timeout: float) -> None:
        self.root = root
        self._timeout = timeout
        for part in ("state/lists/partial", "cache/archives/partial"):
            (root / part).mkdir(parents=True, exist_ok=True)
        status = root / "status"
        if not status.exists():  # apt's caches hold for as long as it does not change
            status.touch()

    @property
    def _stamp(self) -> Path:
        return self.root / "updated"

    def _apt(
        self,
        program: str,
        words: Sequence[str],
        *,
        check: bool = True,
        cwd: Path | None = None,
        on_stderr: Callable[[str], None] | None = None,
    ) -> shell.Result:
        shell.require(program, purpose="to fetch Debian packages", package="apt")
        options = {
            "Dir::State": self.root / "state",
            "Dir::State::status": self.root / "status",
            "Dir::Cache": self.root / "cache",
            # Debian's container images switch these off; each call then reads all lists anew
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "APT::Sandbox::User": "root",  # no change of user: ours owns the directories
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Status-Fd": "2",
            "Acquire::Languages": "none",
            # likewise: to read one entry of a compressed list, apt decompresses all before it
            "Acquire::GzipIndexes": "false",
        }
        argv = [program, *(f"-o{key}={value}" for key, value in options.items()), *words]
        return shell.run(
            argv,
            timeout=self._timeout,
            env={"LC_ALL": "C"},
            check=check,
            cwd=cwd,
            on_stderr=on_stderr,
        )

    def update(self) -> None:
        """Fetch the lists; a failing source is no error as long as others give packages.

        Raises:
            BuildError: there is no list at all afterwards.
        """
        result = self._apt("apt-get", ["-q", "update"], check=False)
        if not self.has_lists():
            raise BuildError(
                "apt could not fetch any list of packages",
                details=shell.tail(result.stderr or result.stdout),
                resolution="check the network and /etc/apt/sources.list",
            )
        if result.returncode == 0:
            self._stamp.touch()

    def has_lists(self) -> bool:
        """Whether lists were ever fetched here."""
        return any((self.root / "state/lists").glob("*_Packages*"))

    def stale(self) -> bool:
        """Whether the lists are old enough for a newer archive to be worth a look."""
        if not self.has_lists() or not self._stamp.exists():
            return True
        return time.time() - self._stamp.stat().st_mtime > FRESH_SECONDS

    def available(self, packages: Iterable[Package]) -> set[str]:
        """Return the names of those packages whose exact version the lists offer."""
        wanted = {package.name: package for package in packages}
        if not wanted:
            return set()
        shown = self._apt("apt-cache", ["show", *wanted], check=False).stdout
        return {
            stanza.name
            for stanza in parse_stanzas(shown)
            if stanza.sha256 == wanted[stanza.name].sha256
        }

    def solve(self, wanted: Sequence[str]) -> list[Stanza]:
        """Let apt's solver choose versions and dependencies for some names.

        Raises:
            BuildError: it found no solution; a name is unknown.
        """
        # --simulate would tell the same, after looking at every package for each that it adds
        words = ["-qq", "--print-uris", "--no-install-recommends", "install", *wanted]
        try:
            chosen = selected(self._apt("apt-get", words).stdout)
        except CommandError as error:
            raise BuildError(
                "apt found no solution for the composition's packages",
                details=error.details,
                resolution="check the names; `apt-cache policy NAME` tells what is there",
            ) from error
        pins = [f"{name}={version}" for name, version in chosen.items()]
        shown = parse_stanzas(self._apt("apt-cache", ["show", *pins]).stdout)
        return [stanza for stanza in shown if chosen.get(stanza.name) == stanza.version]

    def download(self, packages: Sequence[Package], cache: Path, progress: Progress) -> None:
        """Download exact versions into the cache, each under its `filename`, verified.

        Raises:
            BuildError: a package did not come, or not with the content that was pinned.
        """
        if not packages:
            return
        missing = {package.sha256: package for package in packages}
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache) as directory:
            pins = [package.pin for package in packages]
            on_line = _follow(len(packages), progress)
            result = self._apt(
                "apt-get",
                ["-q", "download", *pins],
                cwd=Path(directory),
                check=False,
                on_stderr=on_line,
            )
            for file in Path(directory).glob("*.deb"):
                package = missing.pop(digest(file), None)
                if package is not None:
                    shutil.move(file, cache / package.filename)
        if missing:
            raise BuildError(
                f"{len(missing)} packages could not be downloaded: "
                + ", ".join(sorted(package.pin for package in missing.values())),
                details=shell.tail(_without_status(result.stderr)),
                resolution="check the network and try again; what came is kept",
            )


def _follow(total: int, progress: Progress) -> Callable[[str], None]:
    """Return a reader of apt's status lines, `dlstatus:N:PERCENT:MESSAGE` (apt's README)."""

    def on_line(line: str) -> None:
        words = line.split(":")
        if words[0] == "dlstatus" and len(words) > 2:
            progress(int(float(words[2]) / 100 * total), total)

    return on_line


def _without_status(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("dlstatus:"))
