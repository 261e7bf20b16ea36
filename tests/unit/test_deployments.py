"""Deployments through an API that answers as it is told to: followed, looked for, canceled."""

from types import SimpleNamespace

import pytest
import yaml
from grid5000.exceptions import Grid5000CreateError, Grid5000GetError
from requests import exceptions

from enoslib_nxc.g5k import api, deployments, earlier, environment
from enoslib_nxc.g5k.deployments import Failure, Order
from enoslib_nxc.g5k.earlier import Standing
from enoslib_nxc.wait import Deadline

N = "chiclet-{}.lille.grid5000.fr".format
URL = "http://public.lille.grid5000.fr/~ada/enoslib-nxc/0/environment.yaml"
ORDER = Order("lille", (N(1), N(2)), URL, "ssh-ed25519 A")
LOST = exceptions.ReadTimeout("Read timed out.")
BROKEN = Grid5000GetError(b"Bad Gateway", 502)


def described(status="processing", **more):
    values = {"uid": "D-1", "status": status, "nodes": list(ORDER.nodes), "environment": URL}
    return {"created_at": 1, **values, **more}


def ended(**results):
    return described("terminated", result={N(int(n[1:])): r for n, r in results.items()})


OK = {"state": "OK", "macro": None, "micro": None}
KO = {"state": "KO", "macro": "BootNewEnv", "micro": "wait_reboot"}


class Manager:
    """The deployments of a site; each answer is given once, the last of each kind for ever."""

    def __init__(self, *looks, created=None, listed=((),)):
        self.looks, self.created, self.listed = list(looks), created, list(listed)
        self.calls = []

    def _next(self, answers):
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer()
        return answer

    def create(self, body):
        self.calls.append(("create", body))
        if self.created:
            raise self.created
        return SimpleNamespace(uid="D-1")

    def list(self, user):
        self.calls.append(("list", user))
        return [SimpleNamespace(_attrs=each) for each in self._next(self.listed)]

    def __getitem__(self, uid):
        self.calls.append(("look", uid))
        found = self._next(self.looks)
        return SimpleNamespace(_attrs=found, status=found["status"])

    def delete(self, uid):
        self.calls.append(("cancel", uid))

    @property
    def asked(self):
        return [name for name, _ in self.calls]


@pytest.fixture
def go(monkeypatch):
    monkeypatch.setattr(deployments, "POLL", 0)
    monkeypatch.setattr(api, "login", lambda: "ada")
    monkeypatch.setattr(api, "address", lambda: "http://127.0.0.1")

    def go(manager, order=ORDER, deadline=None):
        site = SimpleNamespace(deployments=manager)
        monkeypatch.setattr(api, "client", lambda: SimpleNamespace(sites={"lille": site}))
        go.said = []
        return deployments.deploy(order, deadline or Deadline(60), go.said.append)

    return go


def test_a_deployment_that_ends_well(go):
    manager = Manager(described("waiting"), described(), described(), ended(n1=OK, n2=OK))
    assert go(manager) == {}
    body = {"nodes": [N(1), N(2)], "environment": URL, "key": "ssh-ed25519 A"}
    assert manager.calls[0] == ("create", body)
    assert manager.asked[1:] == ["look"] * 4
    assert go.said == [
        "Kadeploy: waiting, 2 nodes of lille",
        "Kadeploy: processing, 2 nodes of lille",
        "Kadeploy: terminated, 2 nodes of lille",
    ]


def test_what_the_api_is_sent():
    named = Order("lille", (N(1),), "debian12-min", "ssh-ed25519 A", vlan="4", version=7)
    assert named.body == {
        "nodes": [N(1)],
        "environment": "debian12-min",
        "key": "ssh-ed25519 A",
        "vlan": "4",
        "version": 7,
    }


@pytest.mark.parametrize(
    ("last", "failed"),
    [
        (
            ended(n1=OK, n2=KO),
            {N(2): Failure("Kadeploy failed at BootNewEnv (wait_reboot)")},
        ),
        (
            ended(n1=OK, n2={"state": "KO", "macro": "SetDeploymentEnv", "micro": None}),
            {N(2): Failure("Kadeploy failed at SetDeploymentEnv")},
        ),
        (
            ended(n1=OK, n2={"state": "KO", "macro": None, "micro": None}),
            {N(2): Failure("Kadeploy left it out: another deployment has it")},
        ),
        (ended(n1=OK), {N(2): Failure("Kadeploy says nothing of it")}),
        (
            described("terminated"),
            dict.fromkeys(ORDER.nodes, Failure("Kadeploy says nothing of it")),
        ),
        (
            described("error", output="Invalid file\n"),
            dict.fromkeys(
                ORDER.nodes, Failure("the deployment ended in error", "Invalid file")
            ),
        ),
        (
            described("canceled"),
            dict.fromkeys(ORDER.nodes, Failure("the deployment was canceled by somebody else")),
        ),
        (
            described("unheard-of"),
            dict.fromkeys(ORDER.nodes, Failure("the deployment ended in unheard-of")),
        ),
    ],
)
def test_what_becomes_of_nodes(go, last, failed):
    manager = Manager(described(), last)
    assert go(manager) == failed
    assert "cancel" not in manager.asked


def test_an_api_that_fails_for_a_while(go):
    manager = Manager(described(), BROKEN, LOST, ended(n1=OK, n2=OK))
    assert go(manager) == {}
    assert go.said[1:3] == [
        "cannot look at deployment D-1 of lille: the Grid'5000 API failed (502); asking again",
        "cannot look at deployment D-1 of lille: the Grid'5000 API did not answer in time; "
        "asking again",
    ]


def test_a_deployment_that_the_api_forgot(go):
    manager = Manager(described(), Grid5000GetError(b"no such deployment", 404))
    with pytest.raises(api.ApiError, match="does not know it"):
        go(manager)
    assert manager.asked[-1] == "cancel"


def test_a_deadline_cancels(go):
    manager = Manager(described())
    deadline = Deadline(60)
    manager.looks = [lambda: (deadline.cancel(), described())[1]]
    told = "the deployment did not end in time, and was canceled"
    assert go(manager, deadline=deadline) == dict.fromkeys(ORDER.nodes, Failure(told))
    assert manager.calls[-1] == ("cancel", "D-1")


def test_a_cancellation_that_fails_is_told(go):
    manager = Manager(described())
    deadline = Deadline(60)
    manager.looks = [lambda: (deadline.cancel(), described())[1]]

    def delete(_uid):
        raise exceptions.ConnectTimeout("timed out")

    manager.delete = delete
    assert go(manager, deadline=deadline)[N(1)].told == (
        "the deployment did not end in time, and was not canceled: cannot cancel "
        "deployment D-1 of lille: the Grid'5000 API cannot be reached in time"
    )


def test_nothing_is_deployed_when_time_is_over(go):
    manager = Manager(described())
    failure = Failure("no time was left to deploy it")
    assert go(manager, deadline=Deadline(0)) == dict.fromkeys(ORDER.nodes, failure)
    assert manager.calls == []


def test_ctrl_c_cancels(go):
    def interrupt():
        raise KeyboardInterrupt

    manager = Manager(interrupt)
    with pytest.raises(KeyboardInterrupt):
        go(manager)
    assert manager.calls[-1] == ("cancel", "D-1")


def test_a_lost_answer_is_looked_for_not_asked_for_again(go):
    others = [
        described(uid="D-9", nodes=[N(1)]),
        described("terminated", uid="D-8"),
        described(uid="D-7", environment="debian12-min"),
        described(uid="D-6", nodes=None),
    ]
    manager = Manager(
        ended(n1=OK, n2=OK), created=LOST, listed=[others, [*others, described()]]
    )
    assert go(manager) == {}
    assert manager.asked == ["create", "list", "list", "look"]
    assert manager.calls[-1] == ("look", "D-1")


def test_a_lost_answer_to_what_was_not_accepted(go):
    manager = Manager(created=LOST)
    with pytest.raises(api.ApiError) as caught:
        go(manager)
    assert caught.value.brief == (
        "cannot deploy 2 nodes of lille: the Grid'5000 API did not answer in time"
    )
    assert manager.asked == ["create"] + ["list"] * deployments.LOOKS


def test_a_refusal_is_told_at_once(go):
    text = "Cannot launch deployment: Invalid file -- Unable to get the checksum"
    manager = Manager(created=Grid5000CreateError(text.encode(), 400))
    with pytest.raises(api.ApiError) as caught:
        go(manager)
    assert str(caught.value) == (
        f"cannot deploy 2 nodes of lille: the Grid'5000 API refused (400)\n  {text}"
    )
    assert manager.asked == ["create"]


def test_what_stands(go, monkeypatch):
    listed = [
        described(nodes=[N(1), N(2)]),
        described("terminated", nodes=[N(3), N(4)], result={N(3): OK, N(4): KO}),
        described("error", nodes=[N(5)]),
        described(nodes=[N(6)], environment="debian12-min"),
        described(nodes=None),
    ]
    go(Manager(ended(n1=OK, n2=OK), listed=[listed]))
    wanted = {N(i): URL for i in (1, 3, 4, 5, 6, 7)}
    ko = Failure("Kadeploy failed at BootNewEnv (wait_reboot)")
    error = Failure("the deployment ended in error")
    assert earlier.standing("lille", "ada", wanted) == {
        N(1): Standing(under_way=True),
        N(3): Standing(under_way=False),
        N(4): Standing(under_way=False, failure=ko),
        N(5): Standing(under_way=False, failure=error),
    }


def test_what_goes_on_is_awaited(go):
    over = ended(n1=OK, n2=KO)
    manager = Manager(over, listed=[[described()], BROKEN, [described()], [over]])
    go(manager)
    found = earlier.settled("lille", "ada", {N(1): URL}, Deadline(60))
    assert found == {N(1): Standing(under_way=False)}
    assert manager.asked.count("list") == 4
    manager.listed = [[described()]]
    found = earlier.settled("lille", "ada", {N(1): URL}, Deadline(0))
    assert found == {N(1): Standing(under_way=True)}
    asked = len(manager.calls)
    assert earlier.settled("lille", "ada", {}, Deadline(60)) == {}
    assert len(manager.calls) == asked


def test_the_description():
    line = "console=tty0 console=ttyS0,115200 quiet deploy=" + 300 * "x" + " nxc.id=0"
    text = environment.describe(
        image_url="http://public/~ada/enoslib-nxc/00", system="x86_64-linux", kernel_params=line
    )
    assert yaml.safe_load(text) == {
        "name": "enoslib-nxc",
        "version": 1,
        "description": "a NixOS Compose composition",
        "os": "linux",
        "arch": "x86_64",
        "image": {
            "file": "http://public/~ada/enoslib-nxc/00",
            "kind": "tar",
            "compression": "xz",
        },
        "boot": {
            "kernel": "/boot/bzImage",
            "initrd": "/boot/initrd",
            "kernel_params": line,
        },
        "filesystem": "ext4",
        "partition_type": 131,
        "multipart": False,
    }
    assert f"  kernel_params: {line}\n" in text
