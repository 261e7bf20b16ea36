"""The record of a deployment in the user's hands: what a script asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enoslib_nxc import execo, state
from enoslib_nxc.errors import StateError
from enoslib_nxc.model import Deployment
from enoslib_nxc.state import Home

if TYPE_CHECKING:
    from execo import Host


class RunningDeployment(Deployment):
    """A deployment's record, and what its machines are to other tools.

    It is the record of the moment at which it was read; it asks no machine.
    """

    @classmethod
    def of(cls, record: Deployment) -> RunningDeployment:
        """Return a record with what scripts ask of it."""
        return cls.model_construct(record.model_fields_set, **dict(record))

    def __eq__(self, other: object) -> bool:
        return dict(self) == dict(other) if isinstance(other, Deployment) else NotImplemented

    __hash__ = Deployment.__hash__

    def to_execo(self) -> tuple[dict[str, Host], dict[str, list[Host]]]:
        """Return `(nodes, roles)` as NXC's `get_oar_job_nodes_nxc` does.

        Returns:
            Host name -> `execo.Host`, and role of the composition -> list of the same
            objects, of the machines that are up.

        Raises:
            StateError: the deployment is not there any more.
            ToolMissingError: execo is not installed.
            PlatformError: a machine is not reached by ssh.
        """
        return execo.nodes_and_roles(self, self._home())

    def execo_params(self) -> dict[str, tuple[str, ...]]:
        """Return `connection_params` for execo, by which host keys are checked.

        Without them execo takes any key that a host shows. The keys are those of the moment:
        call it again after `init()`.

        Raises:
            StateError: the deployment is not there any more.
            ToolMissingError: execo is not installed.
            PlatformError: machines are not reached by ssh, or not all in the same way.
        """
        return execo.connection_params(self, self._home())

    def _home(self) -> Home:
        home = state.find(self.job_name)
        if home is None:
            raise StateError(
                f"there is no deployment {self.job_name}", resolution="call init() first"
            )
        return home
