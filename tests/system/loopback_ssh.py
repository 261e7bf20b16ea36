"""An ssh server of the test's own on loopback, with keys made for it."""

from __future__ import annotations

import getpass
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType


class LoopbackSsh:
    """Serves ssh for this user, from enter to exit.

    Args:
        directory: where its keys and configuration go; it is made.
        address: where it listens.
        environment: variables of those who come in.
    """

    def __init__(
        self, directory: Path, *, address: str = "127.0.0.1", **environment: object
    ) -> None:
        self.directory = directory
        self.address = address
        self.wrapped: list[str] = []
        variables = {"XDG_CACHE_HOME": directory / "cache", **environment}
        self._environment = " ".join(f"{name}={value}" for name, value in variables.items())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> LoopbackSsh:
        self.directory.mkdir(mode=0o700)
        for name in ("host", "user"):
            key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.directory / name]
            subprocess.run(key, check=True)
        shutil.copy(self.directory / "user.pub", self.directory / "authorized")
        (self.directory / "config").write_text(
            f"Port {self.port}\nListenAddress {self.address}\nHostKey {self.directory}/host\n"
            f"AuthorizedKeysFile {self.directory}/authorized\nStrictModes no\nUsePAM no\n"
            f"PidFile none\nPermitRootLogin yes\nSetEnv {self._environment}\n"
        )
        self.serve()
        return self

    def serve(self) -> None:
        """Start the server, with the keys that it has."""
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd, started as root, wants it
        sshd = shutil.which("sshd", path="/usr/sbin:/sbin:/usr/local/sbin")
        assert sshd, "openssh-server is needed"
        self._server = subprocess.Popen(
            [
                *self.wrapped,
                sshd,
                "-D",
                "-E",
                self.directory / "log",
                "-f",
                self.directory / "config",
            ]
        )
        self._wait()

    def _wait(self) -> None:
        for _ in range(100):
            try:
                socket.create_connection((self.address, self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError((self.directory / "log").read_text())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.terminate()
        self._server.wait(10)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._server.pid

    def log(self) -> str:
        """What it logged."""
        return (self.directory / "log").read_text()

    def wrap(self, argv: Sequence[str]) -> list[str]:
        """Return the ssh command line that runs an argv through this server."""
        options = {
            "IdentityFile": self.directory / "user",
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.directory / "known",
            "StrictHostKeyChecking": "accept-new",
            "LogLevel": "ERROR",
            "BatchMode": "yes",
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        place = ["-p", str(self.port), "-l", getpass.getuser(), "127.0.0.1"]
        return ["ssh", "-F", "none", *words, *place, shlex.join(argv)]
