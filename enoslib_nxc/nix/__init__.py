"""Building a composition with Nix: stores, progress, fingerprints, remote builds."""

from enoslib_nxc.nix.store import NixStore, choose

__all__ = ["NixStore", "choose"]
