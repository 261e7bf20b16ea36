"""Which Nix store to use, and with which options.

A user's configuration is never changed: what a machine without daemon needs is said by
`--option` to our own processes, and only where the user's configuration leaves it unset.

| machine | store | options |
| --- | --- | --- |
| root, no build users | /nix/store | `build-users-group =`, host tools in the sandbox |
| root with build users, or the owner of /nix | /nix/store | none |
| user, daemon answers | /nix/store | none |
| user, no daemon | `$XDG_DATA_HOME/enoslib-nxc/store`, rootless | host tools in the sandbox |
| `build.store` given | that one | host tools in the sandbox |

Host tools (/bin, /usr ...) are what a nixpkgs-free composition builds with. Debian's Nix
has an empty sandbox; where there is a daemon, its administrator decides.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from enoslib_nxc import shell
from enoslib_nxc.config import Build
from enoslib_nxc.errors import BuildError, CommandError, ToolMissingError
from enoslib_nxc.model import StoreMap
from enoslib_nxc.nix import substituters
from enoslib_nxc.nix.site import HERE, Site

FEATURES = ("--extra-experimental-features", "nix-command flakes")
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


@dataclass(frozen=True)
class NixStore:
    """A Nix store and how to reach it.

    Args:
        map: where its files are, on the machine that has the store.
        options: words that every Nix program needs for it.
        env: variables that every Nix program needs for it.
        bin_dir: directory of the Nix programs; "" looks them up in PATH.
        version: version of Nix.
        site: the machine that has it.
    """

    map: StoreMap = field(default_factory=StoreMap)
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    bin_dir: str = ""
    version: str = ""
    site: Site = HERE

    def argv(self, program: str, *args: str) -> list[str]:
        """Return the argv of a Nix program (`nix`, `nix-store` ...) on this store.

        It is to be run with `env` on top of the environment, on the machine of the store.
        """
        features = FEATURES if program == "nix" else ()
        path = str(PurePosixPath(self.bin_dir, program))
        return [path, *features, *self.options, *args]

    def run(
        self,
        program: str,
        *args: str,
        timeout: float,
        check: bool = True,
        on_stderr: Callable[[str], None] | None = None,
    ) -> shell.Result:
        """Run a Nix program on this store, on its machine; see `enoslib_nxc.shell.run`."""
        return self.site.run(
            self.argv(program, *args),
            env=self.env,
            timeout=timeout,
            check=check,
            on_stderr=on_stderr,
        )


def choose(build: Build, *, site: Site = HERE) -> NixStore:
    """Find out which store to use on a machine, and with which options.

    Args:
        build: the configuration's section.
        site: the machine.

    Raises:
        ToolMissingError: there is no Nix.
        BuildError: no store can be used there.
    """
    facts = probe(site)
    store = decide(build, facts, site=site)
    if facts.proxy:
        return store  # names are the proxy's affair
    resolve = substituters.resolves_on(site) if site.wrap else substituters.resolves
    dead = substituters.options(facts.substituters, resolve=resolve)
    return replace(store, options=(*store.options, *dead))


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


def decide(build: Build, facts: Facts, *, site: Site = HERE) -> NixStore:
    """Choose the store and its options from what a machine has.

    Raises:
        BuildError: no store can be used there.
    """
    bin_dir = str(PurePosixPath(facts.nix).parent)
    root = _alternative(build, facts, site)
    if root is None:
        options = _no_group(facts)
        return NixStore(
            options=(*options, *_sandbox(facts)) if options else (),
            bin_dir=bin_dir,
            version=facts.version,
            site=site,
        )
    if facts.uid != 0 and not facts.userns:
        raise BuildError(
            f"no Nix store can be used{site.where}: there is no daemon, and user namespaces, "
            f"which the store {root} needs, are switched off",
            resolution="start nix-daemon, or allow user namespaces "
            "(sysctl user.max_user_namespaces), or set build.on to a machine with Nix",
        )
    return NixStore(
        map=StoreMap(root=root),
        options=("--option", "store", str(root), *_no_group(facts), *_sandbox(facts)),
        # Nix's caches hold answers about one store only (facts: mixed ones end in errors)
        env={"XDG_CACHE_HOME": str(root / "cache")},
        bin_dir=bin_dir,
        version=facts.version,
        site=site,
    )


def _alternative(build: Build, facts: Facts, site: Site) -> Path | None:
    """Return the root of the alternative store to use, or None for the usual store."""
    if build.store is not None:
        if build.store.parts[:1] == ("~",):
            return Path(facts.home).joinpath(*build.store.parts[1:])
        return (Path(facts.home) if site.wrap else Path.cwd()) / build.store
    chosen = str(facts.settings.get("store", "auto"))
    if chosen.startswith("/"):
        return Path(chosen)
    usable = facts.uid == 0 or facts.owner or facts.daemon or chosen != "auto"
    return None if usable else Path(facts.data, "enoslib-nxc", "store")


def _no_group(facts: Facts) -> tuple[str, ...]:
    """Return what lets root build where there are no build users."""
    # as root, Nix itself sets this group on top of the default, which is none
    group = facts.settings.get("build-users-group", "nixbld")
    if facts.uid != 0 or facts.nixbld or group != "nixbld":
        return ()
    return ("--option", "build-users-group", "")


def _sandbox(facts: Facts) -> tuple[str, ...]:
    """Return what makes the sandbox bearable, or leaves it out where root cannot have it."""
    if not facts.userns and "sandbox" not in facts.settings:
        return ("--option", "sandbox", "false")
    # a list until 2.26, an object since; /bin/sh alone is what Nix was compiled with
    paths = facts.settings.get("sandbox-paths")
    names = (
        {str(path).partition("=")[0] for path in paths}
        if isinstance(paths, list | dict)
        else set()
    )
    if names - {"/bin/sh"} or not facts.tools:
        return ()
    return ("--option", "sandbox-paths", " ".join(facts.tools))
