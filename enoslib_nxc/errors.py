"""What a user is told when something is wrong: one error, what, where, and what to do.

Every exception that leaves this package for a user's mistake or for the outside
world's faults is an `NxcError`; anything else is a defect of ours.
"""

from __future__ import annotations

from enoslib.errors import EnosError


class NxcError(EnosError):  # type: ignore[misc]
    """A failure that a user can act upon.

    Args:
        brief: one line, lower case, naming what is wrong and where (the configuration
            key, the node, the file).
        details: further lines: log tails, per-node reports. May be empty.
        resolution: what to do about it. May be empty.
    """

    def __init__(self, brief: str, *, details: str = "", resolution: str = "") -> None:
        super().__init__(brief, details, resolution)
        self.brief = brief
        self.details = details
        self.resolution = resolution

    def __str__(self) -> str:
        parts = [self.brief]
        if self.details:
            parts += [f"  {line}" for line in self.details.splitlines()]
        if self.resolution:
            parts.append(f"-> {self.resolution}")
        return "\n".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own pickling would pass `args` positionally to a keyword-only __init__
        return (
            _rebuild,
            (type(self), self.brief, self.details, self.resolution),
            self.__dict__,
        )


def told_beside(first: BaseException, second: Exception, what: str) -> None:
    """Have an error tell of another one, which came while its leftovers were cleared away.

    Args:
        first: what the user must see; it is raised by the caller.
        second: the other one.
        what: could not be done, "what was held could not be given back".
    """
    line = f"{what}: {second}"
    if isinstance(first, NxcError):
        first.details = "\n".join(filter(None, [first.details, line]))
    elif hasattr(first, "add_note"):  # Python 3.11
        first.add_note(line)


def _rebuild(cls: type[NxcError], brief: str, details: str, resolution: str) -> NxcError:
    error = cls.__new__(cls)
    NxcError.__init__(error, brief, details=details, resolution=resolution)
    return error


class ConfigError(NxcError):
    """The configuration is wrong; raised before anything is built or started."""


class ToolMissingError(NxcError):
    """A program that this step needs is not installed."""


class CommandError(NxcError):
    """A program that we started failed, or did not end in time."""


class DeadlineError(CommandError):
    """A program that we started did not end in time."""


class BuildError(NxcError):
    """Nix, or the step that fetches a composition's sources, could not build."""


class ArtifactError(NxcError):
    """A compose info, or a file that it names, is absent or not what NXC specifies."""


class PlatformError(NxcError):
    """Machines could not be had: memory, ports, tools, or the testbed refused."""


class UnreachableError(PlatformError):
    """No root can come in, or nothing answers."""


class BootError(NxcError):
    """Machines did not come up as planned; the details have a line per node."""


class ScriptError(NxcError):
    """A composition's test script failed, or there is none."""


class StateError(NxcError):
    """The record of a deployment cannot be used: locked, damaged, of another version."""
