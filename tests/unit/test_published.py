"""The record of what is in homes on sites."""

import pytest

from enoslib_nxc.config_g5k import G5k
from enoslib_nxc.errors import PlatformError
from enoslib_nxc.g5k import published, staging
from enoslib_nxc.g5k.published import Kept, Published
from enoslib_nxc.g5k.staging import Staged
from enoslib_nxc.state import Home


def kept(name, site="lille"):
    return Kept(site=site, path=f"/home/ada/public/{name}", url=f"http://public/{name}")


@pytest.fixture
def homes(monkeypatch):
    """Homes that remember what was taken back."""

    class Gone(list):
        reachable = False

    gone = Gone()

    class Stub:
        def __init__(self, site):
            self.site = site

        def discard(self, staged):
            if self.site == "nancy" and not gone.reachable:
                raise PlatformError("nancy cannot be reached")
            gone.append((self.site, staged))

    def at(settings, site, login):
        assert (settings.gateway, login) == ("no", "ada")
        return Stub(site)

    monkeypatch.setattr(staging, "at", at)
    return gone


def test_what_was_published_is_taken_back(tmp_path, homes):
    home = Home(tmp_path)
    files = (kept("a"), kept("b", "nancy"))
    record = Published(login="ada", g5k=G5k(gateway="no"), files=files)
    published.save(home, record)
    assert published.load(home) == record
    assert published.take_back(home) == (
        "/home/ada/public/b on nancy was not removed: nancy cannot be reached",
    )
    assert homes == [("lille", Staged("/home/ada/public/a", "http://public/a"))]
    # what is still there stays on record
    assert published.load(home) == record.model_copy(update={"files": files[1:]})
    homes.reachable = True
    assert published.take_back(home) == ()
    assert [site for site, _ in homes] == ["lille", "nancy"]
    assert list(tmp_path.iterdir()) == []
    assert published.take_back(home) == ()


def test_a_damaged_record_is_none(tmp_path):
    (tmp_path / published.FILE).write_text("{")
    assert published.load(Home(tmp_path)) == Published()
