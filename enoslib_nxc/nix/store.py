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

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from enoslib_nxc import shell
from enoslib_nxc.built import StoreMap
from enoslib_nxc.config_sections import Build
from enoslib_nxc.errors import BuildError, CommandError
from enoslib_nxc.nix import substituters
from enoslib_nxc.nix.facts import Facts, probe
from enoslib_nxc.nix.site import HERE, Site

MAKE_TIMEOUT = 30.0
"""Seconds to make a directory, on a network file system perhaps."""

FEATURES = ("--extra-experimental-features", "nix-command flakes")


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
    if store.map != StoreMap():
        _make(store.map.root, site)
    if facts.proxy:
        return store  # names are the proxy's affair
    resolve = substituters.resolves_on(site) if site.wrap else substituters.resolves
    dead = substituters.options(facts.substituters, resolve=resolve)
    return replace(store, options=(*store.options, *dead))


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


def _make(root: Path, site: Site) -> None:
    """Make the directory of a store, which Nix would do later and with less to say.

    Raises:
        BuildError: it cannot be made, or not be written.
    """
    script = 'mkdir -p -- "$1/nix" && [ -w "$1/nix" ]'
    try:
        made = site.run(
            ["sh", "-c", script, "sh", str(root)],
            env={"LC_ALL": "C"},
            timeout=MAKE_TIMEOUT,
            check=False,
        )
        fault = made.stderr.rpartition(": ")[2].strip().lower() or "it cannot be written"
    except CommandError as error:
        made, fault = None, error.brief
    if made is None or made.returncode != 0:
        raise BuildError(
            f"build.store: the Nix store {root} cannot be used{site.where}: {fault}",
            resolution="set build.store to a directory that you may write to",
        )


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
