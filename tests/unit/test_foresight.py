"""What is refused before anything is reserved."""

import pytest

from enoslib_nxc.config import Settings
from enoslib_nxc.errors import PlatformError
from enoslib_nxc.g5k import foresight
from tests.unit import factory

KEY = "ssh-ed25519 " + 68 * "B"


def check(hosts, *, kind="kavlan-local", image="/nix/store/t/t.tar.xz", **more):
    made = factory.deployment(*hosts)
    wish = {
        "flavour": "g5k-image",
        "roles": {
            "server": {"nodes": 1},
            "agent": {"nodes": len(hosts) - 1, "primary_network": "net"},
        },
        "networks": [{"id": "net", "type": kind, "site": "lille", "roles": ["net"]}],
        **more,
    }
    artifacts = made.artifacts.model_copy(update={"image": image})
    foresight.check(Settings.model_validate(wish), artifacts, made.plan, [KEY])


FEW = ["server", *(f"agent{n}" for n in range(1, 3))]
MANY = ["server", *(f"agent{n}" for n in range(1, 41))]


def test_what_can_arrive():
    check(FEW)
    check(MANY, kind="kavlan")
    check(MANY, kind="kavlan-global")


def test_what_cannot_arrive():
    with pytest.raises(PlatformError) as caught:
        check(MANY)
    assert str(caught.value) == (
        "agent1, agent2, agent3, agent4 ... would be on a local kavlan, where nothing can be "
        "fetched, and the deployment JSON does not fit a kernel command line: it takes at "
        "least 3215 characters, the limit is 2047\n"
        "-> use a routed kavlan (type kavlan), or fewer nodes and parameters"
    )
    with pytest.raises(PlatformError, match="agent1, agent2 would be on a local kavlan"):
        check(FEW, parameters={"text": "x" * 2000})


def test_an_image_that_is_not_there():
    with pytest.raises(PlatformError) as caught:
        check(FEW, image="")
    assert str(caught.value) == (
        "the composition was built without the image (tarball) that Kadeploy installs\n"
        "-> build it for the flavour g5k-image"
    )
    check(FEW, image="", flavour="g5k-ramdisk")
