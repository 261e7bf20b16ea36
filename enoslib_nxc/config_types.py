"""The types of configuration values, each refusing what is not its own in plain words."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from enoslib_nxc.mistakes import Mistake, show
from enoslib_nxc.names import host_name_fault

MAX_NODES = 10_000
"""Machines of one role: more is a slip of the keyboard, and would make that many names."""

# What stage 1 reads (nix/flavours/shared/stage-1-cmds.nix of NXC 0.7.11), and `init`,
# which the kernel passes on to it. It takes the last one given: ours would be overridden.
RESERVED = {
    "deploy": "it tells each machine where its deployment is",
    "flavour": "the flavour sets it",
    "hosts": "the deployment gives the hosts",
    "init": "the role's system gives it",
    "ip": "it gives each machine its address",
    "nfs_store": "the flavour sets it",
    "role": "the deployment gives each machine its role",
    "server": "the deployment gives the hosts",
    "ssh_key.pub": "the deployment gives the keys; see ssh.key",
}


def refusal(*mistakes: Mistake) -> PydanticCustomError:
    """Return what a validator raises; paths are relative to where it stands."""
    text = "; ".join(str(mistake) for mistake in mistakes)
    return PydanticCustomError("mistakes", "{text}", {"text": text, "mistakes": mistakes})


def _host_name(name: str) -> str:
    if fault := host_name_fault(name):
        raise refusal(Mistake("", fault))
    return name


def _scalar(value: object) -> object:
    fits = isinstance(value, str | int | float | bool)
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        raise refusal(Mistake("", f"{show(value)} is not text, a number, true or false"))
    return value


def _kernel_params(words: str) -> str:
    if not words.isprintable():
        raise refusal(Mistake("", f"{show(words)} holds control characters"))
    # A name ends at "=", or at ":" for NXC's ssh_key.pub. Quotes do not bind: stage 1 splits
    # the command line at every blank.
    names = [re.split("[=:]", word, maxsplit=1)[0] for word in words.split()]
    if clashes := [name for name in names if name in RESERVED]:
        raise refusal(*(Mistake("", f"{name} is reserved", RESERVED[name]) for name in clashes))
    return words


def _expand(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # "~nobody-of-that-name"
        raise refusal(Mistake("", f"{show(path)} is in no user's home")) from None


# Strict: a boolean is no count, and text is no number.
Count = Annotated[int, Field(strict=True, ge=1)]
Nodes = Annotated[int, Field(strict=True, ge=1, le=MAX_NODES)]
Mebibytes = Annotated[int, Field(strict=True, ge=64)]
Seconds = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
UserPath = Annotated[Path, AfterValidator(_expand)]
KernelParams = Annotated[str, AfterValidator(_kernel_params)]
HostName = Annotated[str, AfterValidator(_host_name)]
Name = Annotated[str, Field(min_length=1)]
Scalar = Annotated[str | int | float | bool, BeforeValidator(_scalar)]
# Becomes a word of some command line: a leading hyphen would make an option of it.
Word = Annotated[str, Field(pattern=r"^[^-\s]\S*$")]


class Section(BaseModel):
    """A part of the configuration: unknown keys refused, nothing changes once checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
