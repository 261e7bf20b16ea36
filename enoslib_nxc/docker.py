"""Docker on this machine: its daemon, and what of a deployment it has, found by labels.

What runs is always asked of Docker: each container, network and volume of a deployment
carries its token in a label from the moment that it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from enoslib_nxc import shell
from enoslib_nxc.compose_file import DEPLOYMENT, HOST, SERVICE
from enoslib_nxc.errors import DeadlineError, PlatformError, ToolMissingError
from enoslib_nxc.shell import Result

ASK_SECONDS = 30.0
"""For one question to the daemon."""

REMOVE_SECONDS = 60.0
"""For the daemon to end and remove what it was told to."""


@dataclass(frozen=True)
class Found:
    """A container, as Docker tells of it.

    Args:
        id: Docker's identifier, another one each time that it is made.
        name: its name.
        host: host name that it was made for.
        service: digest of the service that it was made from.
        running: whether its first process is there.
        exit_code: with what it ended.
        started: when it was started last (RFC 3339).
        trouble: why it could not be started, mostly "".
    """

    id: str
    name: str
    host: str
    service: str
    running: bool
    exit_code: int
    started: str
    trouble: str = ""


@dataclass(frozen=True)
class Docker:
    """A daemon, by `docker --host`.

    Args:
        daemon: its address.
    """

    daemon: str

    def argv(self, *words: str) -> list[str]:
        """Return a command line of Docker's client."""
        return ["docker", f"--host={self.daemon}", *words]

    def run(self, *words: str, timeout: float = ASK_SECONDS, check: bool = True) -> Result:
        """Run Docker's client.

        Args:
            words: what follows `docker`.
            timeout: seconds.
            check: raise when it fails.

        Raises:
            CommandError: it failed, or did not end in time.
        """
        return shell.run(self.argv(*words), timeout=timeout, check=check)

    def require(self) -> None:
        """Make sure that the daemon answers, and answers us.

        Raises:
            PlatformError: it does not.
        """
        try:
            # `docker info` of version 20 does not say what is wrong when it has a format
            answer = self.run("version", "--format", "{{.Server.Version}}", check=False)
        except DeadlineError as error:
            raise PlatformError(
                f"docker's daemon at {self.daemon} does not answer", details=error.brief
            ) from error
        if answer.returncode != 0:
            raise _refusal(self.daemon, answer.stderr.strip())

    def cgroups(self) -> int:
        """Return the version of control groups that the daemon uses: 1 or 2."""
        return int(self.run("info", "--format", "{{.CgroupVersion}}").stdout)

    def compose(self) -> list[str]:
        """Return how to call compose: `docker compose`, else docker-compose.

        Raises:
            ToolMissingError: there is neither.
        """
        plugin = self.argv("compose")
        answer = shell.run([*plugin, "version", "--short"], timeout=ASK_SECONDS, check=False)
        if answer.returncode == 0:
            return plugin
        if shell.which("docker-compose") is None:
            raise ToolMissingError(
                "neither docker compose (v2) nor docker-compose (v1) is installed; "
                "one is needed to start containers",
                resolution="apt-get install docker-compose",
            )
        return ["docker-compose", "--host", self.daemon]

    def containers(self, token: str) -> list[Found]:
        """Return the containers of a deployment, whatever their state."""
        ids = self.listed("ps", token, "--all", "--no-trunc")
        if not ids:
            return []
        # one that is removed meanwhile is told of on standard error, and is not there
        answer = self.run("inspect", "--type", "container", *ids, check=False)
        return [each.found() for each in _INSPECTED.validate_json(answer.stdout or "[]")]

    def listed(self, kind: str, token: str, *words: str) -> list[str]:
        """Return what is labelled with a deployment's token.

        Args:
            kind: "ps", "network ls" or "volume ls".
            token: the token.
            words: further options.
        """
        mark = f"label={DEPLOYMENT}={token}"
        answer = self.run(*kind.split(), "--quiet", "--filter", mark, *words)
        return answer.stdout.split()

    def remove(self, ids: list[str]) -> None:
        """End containers at once and remove them, with the volumes that are theirs alone."""
        if ids:
            # those that another process removes at the same time are gone all the same
            words = ("rm", "--force", "--volumes", *ids)
            self.run(*words, timeout=REMOVE_SECONDS, check=False)


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _State(_Part):
    status: str = Field(alias="Status")
    exit_code: int = Field(alias="ExitCode")
    started: str = Field(alias="StartedAt")
    error: str = Field("", alias="Error")


class _Config(_Part):
    labels: dict[str, str] = Field(alias="Labels")


class _Inspected(_Part):
    """What `docker inspect` says of a container, as far as it matters here."""

    id: str = Field(alias="Id")
    name: str = Field(alias="Name")
    state: _State = Field(alias="State")
    config: _Config = Field(alias="Config")

    def found(self) -> Found:
        labels = self.config.labels
        return Found(
            id=self.id,
            name=self.name.lstrip("/"),
            host=labels.get(HOST, ""),
            service=labels.get(SERVICE, ""),
            running=self.state.status == "running",
            exit_code=self.state.exit_code,
            started=self.state.started,
            trouble=self.state.error,
        )


_INSPECTED = TypeAdapter(list[_Inspected])


def here() -> Docker:
    """Return the daemon that the user's Docker client talks to.

    Raises:
        ToolMissingError: there is no client.
        PlatformError: the daemon is on another machine.
    """
    shell.require("docker", purpose="to run containers", package="docker.io")
    form = "{{.Endpoints.docker.Host}}"
    answer = shell.run(["docker", "context", "inspect", "--format", form], timeout=ASK_SECONDS)
    daemon = answer.stdout.strip()
    if not daemon.startswith("unix://"):
        raise PlatformError(
            f"docker's daemon is not on this machine: {daemon}",
            details="containers share this machine's /nix/store",
            resolution="unset DOCKER_HOST, or: docker context use default",
        )
    return Docker(daemon)


@cache
def legacy(compose: str) -> bool:
    """Tell whether a compose program is docker-compose v1, which lacks the key `cgroup`.

    Args:
        compose: the first word of its command line.
    """
    if compose == "docker":
        return False
    told = shell.run([compose, "version", "--short"], timeout=ASK_SECONDS)
    return told.stdout.strip().startswith("1.")


def _refusal(daemon: str, told: str) -> PlatformError:
    """Say what keeps us from the daemon, by the words of Docker's client."""
    if "permission denied" in told:
        return PlatformError(
            f"you may not use docker's daemon at {daemon}",
            details=told,
            resolution="sudo usermod -aG docker $USER, and log in anew "
            "(members of that group are as good as root)",
        )
    return PlatformError(
        f"docker's daemon does not run at {daemon}",
        details=told,
        resolution="sudo systemctl start docker; or set DOCKER_HOST to one that runs",
    )
