"""Several providers in one program, as EnOSlib's `Providers` have them: names of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from enoslib_nxc.errors import ConfigError

if TYPE_CHECKING:
    from enoslib_nxc.config import Settings


class Named(Protocol):
    """A provider, as far as it matters here.

    Attributes:
        identity: the same for copies of one.
    """

    identity: str

    @property
    def settings(self) -> Settings:
        """Its configuration."""


_live: WeakSet[Named] = WeakSet()


def join(provider: Named) -> None:
    """Remember a provider as long as the program keeps it."""
    _live.add(provider)


def require_own_name(provider: Named) -> None:
    """Refuse a job name that another provider of this program uses for something else.

    Copies of one provider have one identity. A second one made of the same configuration,
    grown or shrunk, is welcome.

    Args:
        provider: the one that is about to act.

    Raises:
        ConfigError: there is another.
    """
    settings = provider.settings
    for other in list(_live):
        if other.identity != provider.identity and _clash(other.settings, settings):
            raise ConfigError(
                f"job_name: two providers of this program are named {settings.job_name}",
                resolution="give each configuration its own job_name",
            )


def _clash(one: Settings, two: Settings) -> bool:
    return one.job_name == two.job_name and (
        one.flavours != two.flavours
        or one.composition != two.composition
        or not set(one.roles) & set(two.roles)
    )
