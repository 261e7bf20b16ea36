"""The machine that Nix runs on: this one, or another through a wrapped argv."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from enoslib_nxc import shell

Wrap = Callable[[Sequence[str]], Sequence[str]]
"""Turns an argv into one that runs it, word for word, on the other machine."""


@dataclass(frozen=True)
class Site:
    """Where commands run.

    Args:
        name: how messages call the other machine; "" for this one.
        wrap: turns an argv into one that runs it there; None for this machine.
    """

    name: str = ""
    wrap: Wrap | None = None

    @property
    def where(self) -> str:
        """Return " on NAME", or "" for this machine; for messages."""
        return f" on {self.name}" if self.name else ""

    def argv(self, words: Sequence[str], env: Mapping[str, str] | None = None) -> list[str]:
        """Return the argv that runs words there; elsewhere with env on top of its own."""
        if self.wrap is None:
            return list(words)
        settings = [f"{key}={value}" for key, value in (env or {}).items()]
        return list(self.wrap(["env", *settings, *words] if settings else words))

    def run(
        self,
        words: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        on_stderr: Callable[[str], None] | None = None,
    ) -> shell.Result:
        """Run a command there to its end; see `enoslib_nxc.shell.run`.

        Elsewhere it is told its time, too, since it runs on when our end of ssh is killed.
        """
        return shell.run(
            self.argv(self._timed(words, timeout), env),
            env=None if self.wrap else env,
            timeout=timeout,
            check=check,
            on_stderr=on_stderr,
        )

    def stream(
        self,
        words: Sequence[str],
        *,
        timeout: float,
        stdin_from: Path | None = None,
        stdout_to: Path | None = None,
    ) -> shell.Result:
        """Run a command there that a file goes to or comes from; see `shell.stream`."""
        return shell.stream(
            self.argv(self._timed(words, timeout)),
            timeout=timeout,
            stdin_from=stdin_from,
            stdout_to=stdout_to,
        )

    def _timed(self, words: Sequence[str], timeout: float) -> Sequence[str]:
        """Let words end by themselves; a little late, so that our own deadline is first."""
        if self.wrap is None:
            return words
        return ["timeout", "-k", "5", f"{timeout + 10:.0f}", *words]


HERE = Site()
