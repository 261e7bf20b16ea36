"""A user's mistakes, gathered and told together as one `ConfigError`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from enoslib_nxc.errors import ConfigError

SHOWN = 60
"""Characters of a bad value that a message repeats."""


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong.

    Args:
        path: configuration key, `roles.agent.nodes`; "" where the text says where.
        text: what is wrong, lower case.
        hint: what to do about it, or what is allowed. May be empty.
    """

    path: str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


def config_error(mistakes: Sequence[Mistake]) -> ConfigError:
    """Return the one error that tells them all: the mistake itself, or a line for each.

    Args:
        mistakes: what is wrong, at least one; said once each.
    """
    told = tuple(dict.fromkeys(mistakes))
    if len(told) == 1:
        return ConfigError(str(told[0]), resolution=told[0].hint)
    lines = [
        f"{mistake} -> {mistake.hint}" if mistake.hint else str(mistake) for mistake in told
    ]
    return ConfigError(f"{len(told)} mistakes in the configuration", details="\n".join(lines))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that was probably meant, "" when none resembles it."""
    by_folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_folded, n=1)
    return by_folded[close[0]] if close else ""


def suggest(word: str, known: Iterable[str], *, listed_as: str) -> str:
    """Return a hint: the word probably meant, and the list of those known.

    Args:
        word: the unknown word.
        known: what it may be.
        listed_as: what introduces the list, "known flavours".
    """
    known = tuple(known)
    meant = nearest(word, known)
    listing = f"{listed_as}: {', '.join(known)}"
    return f"did you mean {meant}? {listing}" if meant else listing


def show(value: object) -> str:
    """Return a bad value as a configuration file would write it, cut when it is long."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
