"""The first error is what the user sees, whatever fails while leftovers are cleared away."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest
from enoslib.infra.provider import Provider

from enoslib_nxc.acquire import acquire, withdrawn_unused
from enoslib_nxc.boots import Boot
from enoslib_nxc.builder import NixOSComposeConf
from enoslib_nxc.errors import BootError, PlatformError, told_beside
from enoslib_nxc.events import silent
from enoslib_nxc.model import Deployment
from enoslib_nxc.platforms import Grant, NoCalendar, Platform, lent
from enoslib_nxc.prepare import Ready, Side
from enoslib_nxc.provider import NixOSCompose
from enoslib_nxc.state import Home
from tests.unit import factory


@dataclass(eq=False)
class Gives(NoCalendar):
    """A platform that may have no machines, or whose machines may not go."""

    fault: Exception | None = None
    lacks: Exception | None = None
    released: list[str] = field(default_factory=list)
    keeps: bool = False

    def acquire(self, *_words: object) -> Grant:
        if self.lacks:
            raise self.lacks
        return Grant({"server": factory.machine("server", 1)}, ())

    def release(self, deployment: Deployment, _home: Home, _timeout: float) -> tuple[str, ...]:
        self.released.append(deployment.job_name)
        if self.fault:
            raise self.fault
        return ()


def ready(tmp_path: Path, *platforms: Gives) -> Ready:
    made = factory.deployment("server")
    run = factory.run(tmp_path, made)
    run.home.save(made)
    named: dict[Platform, tuple[str, ...]] = {
        cast(Platform, platform): ("vm-ramdisk",) for platform in platforms
    }
    return Ready(run.settings, named, {}, (), made.plan, None)


def failing(given: Ready, tmp_path: Path) -> PlatformError:
    with pytest.raises(PlatformError) as caught, withdrawn_unused(given, Home(tmp_path)):
        raise PlatformError("h2 cannot join the machines' network", details="no route")
    return caught.value


def test_what_was_not_used_is_given_back(tmp_path: Path) -> None:
    gives = Gives()
    assert failing(ready(tmp_path, gives), tmp_path).details == "no route"
    assert gives.released == ["test"]
    assert not Home(tmp_path).record.exists()


def test_a_release_that_fails_does_not_hide_the_first_error(tmp_path: Path) -> None:
    """As where a host of virtual machines dies during the very first `init()`."""
    dead = Gives(PlatformError("could not be ended on h2", resolution="destroy() it again"))
    other = Gives()
    error = failing(ready(tmp_path, dead, other), tmp_path)
    assert str(error) == (
        "h2 cannot join the machines' network\n"
        "  no route\n"
        "  what was held could not be given back: could not be ended on h2\n"
        "  -> destroy() it again"
    )
    assert other.released == ["test"]
    assert Home(tmp_path).record.exists()


def test_what_one_platform_gave_is_given_back_where_another_has_none(tmp_path: Path) -> None:
    """It is not on record yet: no `destroy()` would know of hosts that were made for us."""
    gives, kept = Gives(), Gives(keeps=True)
    lacks = Gives(lacks=PlatformError("no room"))
    given = ready(tmp_path, gives, kept, lacks)
    side = Side(given.settings, cast(Boot, None), factory.artifacts("server"))
    given = replace(given, sides={"vm-ramdisk": side})
    Home(tmp_path).record.unlink()
    with pytest.raises(PlatformError, match="no room"):
        acquire(given, Home(tmp_path), silent, force=False)
    assert [len(each.released) for each in (gives, kept, lacks)] == [1, 0, 0]


class Lender(Provider):  # type: ignore[misc]
    """Another provider, which fails to destroy what it made."""

    def __init__(self) -> None:
        self.name = "lender"

    def init(self, *_words: object, **_more: object) -> None:
        raise PlatformError("no node is left")

    async_init = init

    def is_created(self) -> bool:
        return False

    def destroy(self, *_words: object, **_more: object) -> None:
        raise OSError("API: 500")

    def test_slot(self, *_words: object, **_more: object) -> bool:
        return True

    def set_reservation(self, timestamp: int) -> None: ...

    def offset_walltime(self, offset: int) -> None: ...


def test_hosts_that_cannot_be_given_back_do_not_hide_it_either() -> None:
    lender = Lender()
    with pytest.raises(PlatformError) as caught, lent.taken(lender, None):
        lender.init()
    assert str(caught.value) == (
        "no node is left\n  hosts of Lender could not be given back: API: 500"
    )


def test_with_raises_what_init_did(monkeypatch: pytest.MonkeyPatch) -> None:
    conf = NixOSComposeConf.from_settings(job_name="t").add_machine(roles=["server"], nodes=1)
    made = NixOSCompose(conf.finalize())

    def init() -> None:
        raise BootError("server did not come up")

    def destroy() -> None:
        raise PlatformError("could not be ended on h2")

    monkeypatch.setattr(made, "init", init)
    monkeypatch.setattr(made, "destroy", destroy)
    with pytest.raises(BootError) as caught, made:
        pass
    assert caught.value.details == "destroy() failed too: could not be ended on h2"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="errors have no notes")
def test_an_error_of_others_gets_a_note() -> None:
    error = KeyboardInterrupt()
    told_beside(error, OSError("API: 500"), "destroy() failed too")
    assert getattr(error, "__notes__", []) == ["destroy() failed too: API: 500"]
