"""The one place that builds the command lines that reach machines, over ssh or otherwise."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from enoslib_nxc import shell, turns
from enoslib_nxc.shell import Result

CONNECT_TIMEOUT = 30
"""Seconds for TCP and the key exchange: a guest under emulation needs several."""


DIRECT = ("-F", "none")
"""Options of ssh by which nothing leads elsewhere than to the address itself."""

KEY_EXCHANGE = "KexAlgorithms=-sntrup761*"
"""Without the method that OpenSSH 8.9 to 9.8 prefers: it takes a core a tenth of a second at
each end, a guest under emulation a second, where X25519, which is next, takes a tenth of that.
What it is for, that records of today are safe from machines of the future, newer versions have
at no such price (ML-KEM), and keep."""

PERSIST = 60
"""Seconds after the last command until a shared connection ends, as Ansible's own do."""

PROXY = "ProxyCommand="
"""Option of ssh_config(5) by which `through` leads."""


class HostKey(str, Enum):
    """What to do with the key that a host shows (values of ssh's StrictHostKeyChecking)."""

    PINNED = "yes"
    FIRST_CONTACT = "accept-new"


@dataclass(frozen=True)
class Access:
    """How one machine is reached.

    Args:
        name: name under which its host key is pinned; the host name.
        address: name or address to connect to.
        port: TCP port.
        user: remote user.
        key: private key, or a .pub whose private half is in an agent.
        known_hosts: the deployment's own file of pinned keys; None where `via` or the
            user's known_hosts vouch for the host.
        via: further options, which say how to get there. Ours come first, and so win. By
            default the user's own configuration is left out: it could add jumps, aliases or
            shared connections to what is a loopback port.
        patience: seconds for TCP and the key exchange.
        through: words that run a command on it from here, where that is another way than
            ssh ("docker exec -i NAME"); the fields about ssh then mean nothing.
        ansible: Ansible's variables for that way, beside ansible_host, its `address`.
        root_by: words before a command that make root of the user: "sudo", "-n".
        control: socket of a connection that its commands share (`multiplexing`); None where
            each has its own.
        gate: name of an ssh server on the way that many others share; "" where none is, or
            where `via` names it (a jump).
    """

    name: str
    address: str
    port: int
    user: str
    key: Path | None
    known_hosts: Path | None
    via: tuple[str, ...] = DIRECT
    patience: int = CONNECT_TIMEOUT
    through: tuple[str, ...] = ()
    ansible: Mapping[str, str] = field(default_factory=dict)
    root_by: tuple[str, ...] = ()
    gate: str = ""
    control: Path | None = None


def options(access: Access, host_key: HostKey = HostKey.PINNED) -> list[str]:
    """Return the ssh options that hold for every connection to a machine.

    Args:
        access: how it is reached.
        host_key: whether its key must be known already.
    """
    if access.known_hosts is None:
        return [*access.via, *_given(["StrictHostKeyChecking=yes", KEY_EXCHANGE])]
    words = [
        f"StrictHostKeyChecking={host_key.value}",
        f"UserKnownHostsFile={_quoted(access.known_hosts)}",
        "GlobalKnownHostsFile=/dev/null",
        f"HostKeyAlias={access.name}",
        "UpdateHostKeys=no",
        "HashKnownHosts=no",  # we find keys by their name
        KEY_EXCHANGE,
    ]
    return [*_given(words), *access.via]


def pinned(known_hosts: Path) -> list[str]:
    """Return the ssh options by which every host must show a key that a file has.

    Args:
        known_hosts: the file, with hosts under the names that ssh connects to.
    """
    words = [
        f"StrictHostKeyChecking={HostKey.PINNED.value}",
        f"UserKnownHostsFile={_quoted(known_hosts)}",
        "GlobalKnownHostsFile=/dev/null",
        "UpdateHostKeys=no",
    ]
    return _given(words)


def _given(words: Iterable[str]) -> list[str]:
    return [word for option in words for word in ("-o", option)]


def _quoted(path: Path) -> str:
    """Return a path as a value of ssh_config(5): blanks would part it, % begins a token."""
    text = str(path).replace("%", "%%")
    return f'"{text}"' if any(sign.isspace() for sign in text) else text


def argv(access: Access, *command: str, host_key: HostKey = HostKey.PINNED) -> list[str]:
    """Return the command line that runs a command on a machine.

    Args:
        access: how the machine is reached.
        command: words of the remote command; they are quoted here.
        host_key: whether its key must be known already.
    """
    if access.through:
        return [*access.through, *command]
    return [*_connection(access, host_key), access.address, shlex.join(command)]


def _connection(access: Access, host_key: HostKey) -> list[str]:
    """Return ssh and its options, all but the address."""
    identity = ["-o", "IdentitiesOnly=yes", "-i", str(access.key)] if access.key else []
    words = [
        "BatchMode=yes",
        "LogLevel=ERROR",
        f"ConnectTimeout={access.patience}",
        "ServerAliveInterval=15",
        *_sharing(access.control),
        "PreferredAuthentications=publickey",
    ]
    return [
        *["ssh", "-T", *options(access, host_key)],
        *(word for option in words for word in ("-o", option)),
        *identity,
        *["-p", str(access.port), "-l", access.user],
    ]


def _sharing(control: Path | None) -> list[str]:
    """Return the options of a connection that is shared, or is not.

    By one of the user's own, a command would reach the system before a boot.
    """
    if control is None:
        return ["ControlPath=none"]
    return ["ControlMaster=auto", f"ControlPersist={PERSIST}", f"ControlPath={control}"]


def through(access: Access) -> tuple[str, ...]:
    """Return the ssh options that lead by way of a machine to what is on its own side.

    A jump (`-J`) would take neither its key nor its options from here.

    Args:
        access: of the machine; its host key is known.
    """
    words = shlex.join(_connection(access, HostKey.PINNED)).replace("%", "%%")
    command = f"{words} -W [%h]:%p {shlex.quote(access.address)}"
    return ("-F", "none", "-o", f"{PROXY}{command}")


@contextmanager
def turn(access: Access, timeout: float) -> Iterator[float]:
    """Wait until a connection may be opened: what many go through bears few at once.

    Args:
        access: of the machine; without gate and jump there is nothing to wait for.
        timeout: seconds for the wait and for what follows.

    Yields:
        The seconds that are left for that.

    Raises:
        DeadlineError: the time was over before its turn came.
    """
    servers = [access.gate] if access.gate else []
    if "-J" in access.via[:-1]:
        servers.append(access.via[access.via.index("-J") + 1])
    with ExitStack() as stack:
        for server in servers:  # always in this order: nobody waits for each other
            timeout = stack.enter_context(turns.turn(server, access.name, timeout))
        yield timeout


def to_builder(
    host: str, user: str | None, port: int | None, words: Sequence[str]
) -> list[str]:
    """Return the command line that runs words on the machine that builds.

    That machine is the user's: their ssh configuration, keys and known hosts apply, and a
    host that they never met is refused rather than asked about.

    Args:
        host: name or address, or an alias of their configuration.
        user: remote user, None for what their configuration says.
        port: TCP port, None likewise.
        words: the remote command; quoted here.
    """
    login = [*(["-l", user] if user else []), *(["-p", str(port)] if port else [])]
    options = ["-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_TIMEOUT}"]
    return ["ssh", *options, *login, "--", host, shlex.join(words)]


def script(
    access: Access,
    text: str,
    *arguments: str,
    timeout: float,
    host_key: HostKey = HostKey.PINNED,
    check: bool = True,
) -> Result:
    """Run a shell script on a machine; its text goes over standard input.

    Args:
        access: how the machine is reached.
        text: POSIX sh.
        arguments: its positional arguments. They show in the remote process list: no secrets.
        timeout: seconds.
        host_key: whether the host key must be known already.
        check: raise when the script fails.

    Raises:
        CommandError: ssh or the script failed, or the time was over.
    """
    command = argv(access, *access.root_by, "sh", "-s", "--", *arguments, host_key=host_key)
    with turn(access, timeout) as left:
        return shell.run(command, timeout=left, stdin=text, check=check)


def make_key(path: Path, comment: str) -> str:
    """Make an Ed25519 key pair without passphrase, unless it is there.

    Args:
        path: of the private key; it is created 0600, its `.pub` beside it.
        comment: the public key's comment.

    Returns:
        The public key's line.
    """
    public = path.with_name(path.name + ".pub")
    if not public.exists():
        path.unlink(missing_ok=True)
        shell.require(
            "ssh-keygen", purpose="to make the deployment's key", package="openssh-client"
        )
        shell.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path],
            timeout=30,
        )
    return public.read_text().strip()


def agent_keys() -> list[str] | None:
    """Return the public keys that the user's agent holds; None where no agent runs."""
    if "SSH_AUTH_SOCK" not in os.environ:
        return None
    answer = shell.run(["ssh-add", "-L"], timeout=10, check=False)
    # 1: the agent holds none; 2: it cannot be reached (ssh-add(1))
    return answer.stdout.splitlines() if answer.returncode < 2 else None
