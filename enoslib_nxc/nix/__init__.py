"""Building a composition with Nix: stores, progress, fingerprints, remote builds."""

from enoslib_nxc.nix.build import build, prebuilt
from enoslib_nxc.nix.remote import add_files, site
from enoslib_nxc.nix.reuse import fingerprint, reusable
from enoslib_nxc.nix.setup_toml import kernel_params
from enoslib_nxc.nix.site import Site
from enoslib_nxc.nix.store import NixStore, choose

__all__ = [
    "NixStore",
    "Site",
    "add_files",
    "build",
    "choose",
    "fingerprint",
    "kernel_params",
    "prebuilt",
    "reusable",
    "site",
]
