"""Says what a failed `nix build` means: one error, what failed, its log, what to do."""

from __future__ import annotations

import difflib
import json
import shlex

from enoslib_nxc import shell
from enoslib_nxc.errors import BuildError, CommandError
from enoslib_nxc.nix.events import BuildLog, name
from enoslib_nxc.nix.store import NixStore
from enoslib_nxc.nix.target import Target

NO_ATTRIBUTE = "does not provide attribute"
SEE_HELP = "Try '"
"""Beginning of the line, an error to Nix, that follows one about a wrong flag."""

NO_FLAKE = ("cannot find flake", "' is unsupported")
"""Of a name that no registry has; of a URL of no known kind."""

NETWORK = ("unable to download", "Could not resolve", "cannot connect", "unable to fetch")


def explain(log: BuildLog, store: NixStore, target: Target, timeout: float) -> BuildError:
    """Return the error for a failed build.

    Args:
        log: all that Nix said.
        store: where it built.
        target: what it built.
        timeout: seconds for questions to Nix.
    """
    derivation = log.failed_derivation()
    if derivation:
        return _builder_failed(log, derivation, store, timeout)
    if any(NO_ATTRIBUTE in failure.message for failure in log.failures):
        return _no_attribute(store, target, timeout)
    return _not_evaluated(log, target)


def _builder_failed(
    log: BuildLog, derivation: str, store: NixStore, timeout: float
) -> BuildError:
    reason = next(f.message for f in log.failures if derivation in f.message)
    lines = log.tail(derivation)
    if not lines:
        kept = _ask(store, "nix-store", "--read-log", derivation, timeout=timeout)
        lines = tuple(shell.tail(kept).splitlines())
    where = [word for word in store.options[:3] if store.options[1:2] == ("store",)]
    see = shlex.join(["nix-store", *where, "--read-log", derivation])
    return BuildError(
        f"{name(derivation)} failed to build{store.site.where}: {_reason(reason)}",
        details="\n".join(lines),
        resolution=f"see its whole log: {see}",
    )


def _reason(message: str) -> str:
    """Take "exit code 1" out of the sentence of 2.8, or of that since 2.30."""
    words = message.partition("Reason:")[2] or message.rpartition("' ")[2]
    line = words.strip().splitlines()[0].rstrip(".;")
    return line.removeprefix("builder ").removeprefix("failed with ")


def _no_attribute(store: NixStore, target: Target, timeout: float) -> BuildError:
    listing = ("--json", target.packages, "--apply", "builtins.attrNames")
    found = _ask(store, "nix", "eval", *listing, timeout=timeout)
    names = [entry for entry in json.loads(found or "[]") if "::" in entry]
    brief = f'{target.given} has no packages.{target.system}."{target.name}"'
    if not names:
        return BuildError(
            brief,
            details="it has no NAME::FLAVOUR at all",
            resolution="a composition's flake sets "
            f"packages.{target.system} = nxc.lib.compose {{ ... }}",
        )
    if target.name.startswith("::"):
        return BuildError(
            brief,
            details=f"it has: {', '.join(sorted(names))}",
            resolution="take all_in_one out, and composition_name names the one to build; NXC "
            "builds several into one image only where there are several, and not for docker",
        )
    close = difflib.get_close_matches(target.name, names, n=3)
    advice = "set composition_name and flavour to one that it has"
    return BuildError(
        brief,
        details=f"it has: {', '.join(sorted(names))}",
        resolution=f"did you mean {' or '.join(close)}? {advice}" if close else advice,
    )


def _not_evaluated(log: BuildLog, target: Target) -> BuildError:
    if not log.failures:
        return BuildError(
            f"nix could not build {target.name} of {target.given}",
            details="\n".join(log.other),
        )
    # the last one: those before it are what it comes from, or what it was retried for
    told = [each for each in log.failures if not each.message.startswith(SEE_HELP)]
    failure = (told or log.failures)[-1]
    message, _, more = failure.message.partition("\n")
    details = "\n".join(part for part in (more.strip(), failure.excerpt) if part)
    if any(words in message for words in NETWORK):
        return BuildError(
            f"cannot fetch composition {target.given}: {message}",
            details=details,
            resolution="check the network and the flake reference; "
            "or give the directory of a flake that is on this machine",
        )
    return BuildError(
        f"cannot {'build' if log.evaluated else 'evaluate'} {target.name} "
        f"of {target.given}: {message}",
        details=details,
        resolution=_advice(message, target),
    )


def _advice(message: str, target: Target) -> str:
    absent = ("No such file", "does not exist", "not tracked", "not in the")
    if target.git_directory and any(words in message for words in absent):
        return f"git -C {target.git_directory} add FILE: Nix sees only files that git knows"
    if any(words in message for words in NO_FLAKE):
        return "composition is no file or directory here, nor a flake that Nix knows: check it"
    if "unrecognised flag" in message:
        return "check build.nix_flags"
    return "see where it comes from: add --show-trace to build.nix_flags"


def _ask(store: NixStore, program: str, *args: str, timeout: float) -> str:
    """Ask Nix something that only makes a message better; "" when it cannot say."""
    try:
        result = store.run(program, *args, timeout=timeout, check=False)
    except CommandError:
        return ""
    return result.stdout if result.returncode == 0 else ""
