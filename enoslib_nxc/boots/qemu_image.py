"""How guests of QEMU come by their system, and by the deployment JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from enoslib_nxc import context, shell
from enoslib_nxc.boots import Run
from enoslib_nxc.boots.qemu_argv import CONTEXT_ADDRESS, Share
from enoslib_nxc.errors import ArtifactError, CommandError, ToolMissingError

ASK_SECONDS = 20.0
"""For QEMU to tell what it can do: a tenth of a second where nothing else runs."""

CONTEXT_NAME = "deployment.json"
"""Name of the deployment JSON in the directory that is shared for it."""


@dataclass(frozen=True)
class Way:
    """A way of the deployment JSON to a guest.

    Args:
        parameter: kernel parameter that tells stage 1 of it.
        served: whether QEMU is to serve it.
    """

    parameter: str
    served: bool = False


class Image(Protocol):
    """How guests come by their system, and by the deployment JSON."""

    def require(self, qemu: str) -> None:
        """Refuse a QEMU that cannot do what guests need.

        Args:
            qemu: its path.

        Raises:
            ToolMissingError: it cannot.
        """

    def check(self, run: Run) -> None:
        """Refuse what cannot work, and have ready what guests read while they boot.

        Raises:
            ArtifactError: something of the system is not here.
            StateError: there is no room for what they read.
        """

    def ways(self, run: Run) -> tuple[Way, ...]:
        """Return the ways of the deployment JSON, the one to be preferred first."""

    def shares(self, run: Run) -> tuple[Share, ...]:
        """Return the directories that guests mount."""


class Ramdisk:
    """Flavour vm-ramdisk: the initrd holds everything."""

    def require(self, qemu: str) -> None:
        """Any QEMU will do."""

    def check(self, run: Run) -> None:
        """Nothing but kernel and initrd is needed, and they were seen."""

    def ways(self, run: Run) -> tuple[Way, ...]:
        """Return inline, and else by QEMU's own server."""
        url = f"http://{CONTEXT_ADDRESS}/deployment.json"
        return (
            Way(context.inline(run.context)),
            Way(context.by_url(url), served=True),
        )

    def shares(self, run: Run) -> tuple[Share, ...]:
        """Nothing is shared."""
        return ()


class SharedStore:
    """Flavour vm: a small initrd; the store of this computer is mounted by 9p.

    Stage 1 of NXC mounts it under the tag nix-store, read-only below an overlay, and copies
    the deployment JSON from nxc-composition; its systems mount shared as /tmp/shared
    (`vm-stage-1-cmds.nix`, `base-vm.nix` and `common.nix` of NXC 0.7.11).
    """

    def require(self, qemu: str) -> None:
        """Refuse a QEMU that was built without virtfs."""
        try:
            shell.run([qemu, "-device", "virtio-9p-pci,help"], timeout=ASK_SECONDS)
        except CommandError as error:
            raise ToolMissingError(
                f"{qemu} was built without virtfs, by which flavour vm shares the store",
                details=error.details,
                resolution="install a QEMU that has it (Debian's qemu-system-x86), "
                "or use flavour vm-ramdisk",
            ) from error

    def check(self, run: Run) -> None:
        """Refuse systems that are not in the store here; write the deployment JSON."""
        artifacts = run.deployment.artifacts
        roles = {node.role for node in run.deployment.plan.nodes}
        toplevels = sorted({artifacts.roles[role].toplevel for role in roles})
        for path in filter(None, [artifacts.compositions_info_path, *toplevels]):
            if not artifacts.store.real(path).exists():
                raise ArtifactError(
                    f"{path} is not in the store of this computer, "
                    f"{_store(run)}, which machines of flavour vm mount",
                    resolution="build the composition here, without build.on; "
                    "or use flavour vm-ramdisk",
                )
        run.home.share(CONTEXT_NAME, run.context.text)

    def ways(self, run: Run) -> tuple[Way, ...]:
        """Return the one way: a file in the directory that is shared for it."""
        return (Way(context.by_path(CONTEXT_NAME)),)

    def shares(self, run: Run) -> tuple[Share, ...]:
        """Return NXC's three: only what is there to be written to can be."""
        return (
            Share("nix-store", _store(run)),
            Share("nxc-composition", run.home.composition),
            Share("shared", run.home.shared, writable=True),
        )


def _store(run: Run) -> Path:
    return run.deployment.artifacts.store.real("/nix/store")
