"""Packages from PyPI: NXC's own, the source of the stage-1 text, and those of the lock."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

from enoslib_nxc import shell
from enoslib_nxc.debian.lock import Source
from enoslib_nxc.errors import BuildError
from enoslib_nxc.nix.provenance import digest

# pip names the versions that there are; it names none when it reached no index
_GONE = re.compile(r"\(from versions: (?!none\))")


def download(requirement: str, cache: Path, *, timeout: float) -> Source | None:
    """Download a wheel into the cache with pip.

    Args:
        requirement: a name, or `NAME==VERSION`.
        cache: directory that receives the file.
        timeout: seconds.

    Returns:
        What came, or None when there is no such version.

    Raises:
        BuildError: pip could not be run, or reached no index: nobody knows what there is.
    """
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache) as directory:
        words = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        result = shell.run(
            [sys.executable, *words, "--dest", directory, requirement],
            timeout=timeout,
            check=False,
        )
        files = list(Path(directory).glob("*.whl"))
        if result.returncode != 0 or not files:
            if _GONE.search(result.stderr):
                return None
            raise _failed(requirement, result.stderr)
        file = files[0]
        # PEP 427: NAME-VERSION-PYTHON-ABI-PLATFORM.whl
        version = file.name.split("-")[1]
        name = requirement.partition("==")[0]
        source = Source(name=name, version=version, sha256=digest(file), filename=file.name)
        shutil.move(file, cache / file.name)
        return source


def _failed(requirement: str, stderr: str) -> BuildError:
    name = requirement.partition("==")[0]
    if "No module named pip" in stderr:
        return BuildError(
            f"pip is not installed for {sys.executable}; it is needed to fetch {name}",
            resolution="apt-get install python3-pip, or python3 -m ensurepip",
        )
    return BuildError(
        f"pip could not fetch {requirement}",
        details=shell.tail(stderr, 5),
        resolution="check the network and pip's configuration, and try again",
    )
