"""An EnOSlib provider for NixOS.

Importing this package adds `NixOSCompose` and `NixOSComposeConf` to `enoslib`; it also has
every name of `enoslib` itself, for those who want one import::

    import enoslib as en, enoslib_nxc      # en.NixOSCompose
    import enoslib_nxc as en               # the same, and en.run_command, en.Netem ...
"""

from __future__ import annotations

from types import ModuleType

import enoslib

from enoslib_nxc import listed, presence, registry
from enoslib_nxc.builder import NixOSComposeConf
from enoslib_nxc.errors import NxcError
from enoslib_nxc.provider import NixOSCompose
from enoslib_nxc.version import __version__

__all__ = ["NixOSCompose", "NixOSComposeConf", "NxcError", "__version__"]

registry.mend()
enoslib.NixOSCompose = NixOSCompose
enoslib.NixOSComposeConf = NixOSComposeConf
# before any task runs, in whatever process: hosts may come from a pickled environment
presence.activate()
listed.enlist()


def __getattr__(name: str) -> object:
    """Give EnOSlib's names; its modules are left out, since ours share some of their names."""
    value = getattr(enoslib, name, None)
    if value is None or isinstance(value, ModuleType):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return value


def __dir__() -> list[str]:
    theirs = (name for name in vars(enoslib) if not name.startswith("_"))
    return sorted({*globals(), *(name for name in theirs if not _is_module(name))})


def _is_module(name: str) -> bool:
    return isinstance(getattr(enoslib, name), ModuleType)
