"""What a machine has of Nix: one small script tells all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from enoslib_nxc.errors import BuildError, CommandError, ToolMissingError
from enoslib_nxc.nix.site import HERE, Site

PROBE_TIMEOUT = 30.0
"""Seconds; the probe takes 40 ms here, and a daemon's socket unit may first start it."""

# One process tells all; the same here and through ssh, whose PATH often lacks Nix's own.
PROBE = r"""
PATH="$PATH:$HOME/.nix-profile/bin:/nix/var/nix/profiles/default/bin"
nix=$(command -v nix) || exit 0
echo "nix=$nix"
echo "version=$("$nix" --version)"
echo "uid=$(id -u)"
echo "home=$HOME"
echo "data=${XDG_DATA_HOME:-$HOME/.local/share}"
state="${NIX_STATE_DIR:-/nix/var/nix}"
[ -w "$state" ] && echo owner=1
socket="${NIX_DAEMON_SOCKET_PATH:-$state/daemon-socket/socket}"
[ -S "$socket" ] && [ -w "$socket" ] &&
  nix --extra-experimental-features nix-command store ping --store daemon \
    >/dev/null 2>&1 && echo daemon=1
env | grep -qiE '^(http|https|all)_proxy=.' && echo proxy=1
getent group nixbld >/dev/null && echo nixbld=1
[ "$(cat /proc/sys/user/max_user_namespaces 2>/dev/null)" = 0 ] && echo nouserns=1
[ "$(cat /proc/sys/kernel/unprivileged_userns_clone 2>/dev/null)" = 0 ] && echo nouserns=1
command -v unshare >/dev/null && ! unshare --user true 2>/dev/null && echo nouserns=1
for dir in /bin /usr /lib /lib64 /etc/alternatives; do [ -e "$dir" ] && echo "tools=$dir"; done
config=$(nix --extra-experimental-features nix-command show-config --json 2>/dev/null) ||
  config=$(nix --extra-experimental-features nix-command config show --json 2>/dev/null)
printf 'config=%s\n' "$config"
"""


@dataclass(frozen=True)
class Facts:
    """What a machine has of Nix.

    Args:
        nix: path of the nix program.
        version: its version.
        uid: numeric user id.
        home: home directory.
        data: XDG data directory.
        owner: the user may write to the usual store's state directory.
        daemon: a Nix daemon answers.
        proxy: the network is reached through a proxy.
        nixbld: the group of build users exists.
        userns: user namespaces can be made; they cannot in a chroot or a plain container.
        tools: directories of host tools that exist.
        settings: settings that the user's configuration changes -> value.
        substituters: the substituters in force.
    """

    nix: str
    version: str = ""
    uid: int = 0
    home: str = "/root"
    data: str = "/root/.local/share"
    owner: bool = False
    daemon: bool = False
    proxy: bool = False
    nixbld: bool = False
    userns: bool = True
    tools: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    substituters: tuple[str, ...] = ()


def probe(site: Site = HERE) -> Facts:
    """Ask a machine what it has of Nix (one process, about 40 ms).

    Raises:
        ToolMissingError: there is no Nix.
        BuildError: the machine does not answer.
    """
    try:
        said = site.run(["sh", "-c", PROBE], timeout=PROBE_TIMEOUT).stdout
    except CommandError as error:
        raise BuildError(
            f"cannot find out what there is of Nix{site.where or ' here'}: {error.brief}",
            details=error.details,
            resolution=f"check that `ssh {site.name} true` works (build.on)" * bool(site.name),
        ) from error
    facts = parse_probe(said)
    if facts is None:
        raise ToolMissingError(
            f"nix is not installed{site.where}; it is needed to build the composition",
            resolution="apt-get install nix-bin, or give a compose-info file that is already "
            "built as composition",
        )
    return facts


def parse_probe(text: str) -> Facts | None:
    """Read what `PROBE` printed; None when it found no Nix."""
    pairs = [line.partition("=")[::2] for line in text.splitlines() if "=" in line]
    said = dict(pairs)
    if "nix" not in said:
        return None
    config = _config(said.get("config", ""))
    settings = {
        name: entry["value"]
        for name, entry in config.items()
        if entry.get("value") != entry.get("defaultValue")
    }
    urls = config.get("substituters", {}).get("value", ())
    return Facts(
        nix=said["nix"],
        version=said.get("version", "").rpartition(" ")[2],
        uid=int(said["uid"]),
        home=said["home"],
        data=said["data"],
        owner="owner" in said,
        daemon="daemon" in said,
        proxy="proxy" in said,
        nixbld="nixbld" in said,
        userns="nouserns" not in said,
        tools=tuple(value for key, value in pairs if key == "tools"),
        settings=settings,
        substituters=tuple(str(url) for url in urls) if isinstance(urls, list) else (),
    )


def _config(text: str) -> dict[str, dict[str, object]]:
    """Read `nix show-config --json`: name -> {value, defaultValue, ...}; {} if it failed."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {key: value for key, value in found.items() if isinstance(value, dict)}
