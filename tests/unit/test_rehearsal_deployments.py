import threading
import time
import urllib.error

import pytest

from enoslib_nxc.rehearsal.environments import Catalog, Web, http_get, read_description
from enoslib_nxc.rehearsal.replies import RefusalError
from enoslib_nxc.rehearsal.service import thread
from enoslib_nxc.rehearsal.testbed import NOT_BACK, DeploymentError
from tests.unit.rehearsal_lab import DESCRIPTION, HEADERS, NAMED, URL, Lab, N

FETCH = "Cannot launch deployment: Error fetching the image description file: "
INVALID = "The deployment you are trying to submit is not valid: "
DESC = (
    "Cannot launch deployment: Invalid environment specification -- "
    "Error[environment description] "
)
FILE = "Cannot launch deployment: Invalid file -- "
OURS = "(Grid'5000 would let this pass; the rehearsal does not)"
PATH = "/sites/lille/deployments"


def test_a_deployment_runs_and_says_how_each_node_ended():
    lab = Lab(faults={N(2): [NOT_BACK]})
    lab.deploy_job(3)
    body = {"environment": URL, "nodes": [N(1), N(2)], "key": "ssh-ed25519 AAAA"}
    status, started = lab.call("POST", PATH, body)
    assert (status, started["status"], started["site_uid"]) == (201, "processing", "lille")
    assert "result" not in started
    status, seen = lab.call("GET", f"{PATH}/{started['uid']}")
    assert (status, seen["status"]) == (200, "terminated")
    assert seen["result"] == {
        N(1): {"macro": None, "micro": None, "state": "OK"},
        N(2): {"macro": "BootNewEnv", "micro": "wait_reboot", "state": "KO"},
    }
    assert seen["nodes"] == [N(1), N(2)]
    assert lab.call("POST", PATH, body)[0] == 201
    assert lab.testbed.deployed == [(N(1), "nixos"), (N(2), "nixos")] * 2
    status, both = lab.call("GET", PATH)
    assert (both["total"], both["items"][1]["uid"]) == (2, seen["uid"])
    assert lab.call("GET", f"{PATH}?status=error")[1]["items"] == []


def test_a_deployment_by_name():
    lab = Lab()
    lab.deploy_job(1)
    body = {"environment": "debian12-min", "version": 2026010101, "nodes": [N(1)]}
    assert lab.call("POST", PATH, body)[0] == 201
    assert lab.testbed.deployed == [(N(1), "debian12-min")]


def test_a_deployment_that_fails_as_a_whole():
    lab = Lab(faults={N(1): [DeploymentError("the cache is full")]})
    lab.deploy_job(2)
    uid = lab.call("POST", PATH, {"environment": URL, "nodes": [N(1), N(2)]})[1]["uid"]
    seen = lab.call("GET", f"{PATH}/{uid}")[1]
    assert (seen["status"], seen["output"]) == ("error", "the cache is full")
    assert "result" not in seen


def test_a_testbed_that_breaks_leaves_nobody_waiting():
    lab = Lab()
    lab.deploy_job(1)

    def broken(_node, _order):
        raise RuntimeError("the machine is gone")

    lab.testbed.deploy = broken
    with pytest.raises(RuntimeError):
        lab.call("POST", PATH, {"environment": URL, "nodes": [N(1)]})
    (seen,) = lab.call("GET", PATH)[1]["items"]
    assert (seen["status"], seen["output"]) == ("error", "RuntimeError('the machine is gone')")


def _until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_deployment_is_canceled_and_busy_nodes_are_discarded():
    before = threading.active_count()
    lab = Lab(spawn=thread)
    lab.deploy_job(2)
    lab.testbed.gate.clear()
    body = {"environment": URL, "nodes": [N(1)]}
    first = lab.call("POST", PATH, body)[1]["uid"]
    second = lab.call("POST", PATH, body)[1]["uid"]
    third = lab.call("POST", PATH, {**body, "ignore_nodes_deploying": True})[1]["uid"]
    assert lab.call("DELETE", f"{PATH}/{first}", user="bob") == (
        403,
        "You are not authorized to access this resource",
    )
    assert lab.call("DELETE", f"{PATH}/{first}") == (202, None)
    lab.testbed.gate.set()
    _until(lambda: lab.call("GET", f"{PATH}/{third}")[1]["status"] == "terminated")
    seen = {u: lab.call("GET", f"{PATH}/{u}")[1] for u in (first, second, third)}
    assert seen[first]["status"] == "canceled"
    assert seen[second]["result"][N(1)]["state"] == "KO"
    assert seen[third]["result"][N(1)]["state"] == "OK"
    assert threading.active_count() < before + 20


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (
            {},
            400,
            INVALID + "Environment can't be blank; Nodes can't be blank; "
            "Nodes must be a non-empty list of node FQDN",
        ),
        ({"nodes": [N(1)]}, 400, INVALID + "Environment can't be blank"),
        (
            {"environment": URL, "nodes": []},
            400,
            INVALID + "Nodes can't be blank; Nodes must be a non-empty list of node FQDN",
        ),
        (
            {"environment": URL, "nodes": N(1)},
            400,
            INVALID + "Nodes must be a non-empty list of node FQDN",
        ),
        (
            {"environment": URL, "nodes": [N(1)], "user": "x"},
            400,
            INVALID + f"unknown field `user` {OURS}",
        ),
        (
            {"environment": "http://site/gone", "nodes": [N(1)]},
            500,
            FETCH + "TimeoutError, timed out",
        ),
        (
            {"environment": "server:///e.yaml", "nodes": [N(1)]},
            500,
            FETCH + "server protocol not supported yet",
        ),
        (
            {"environment": "local:///e.yaml", "nodes": [N(1)]},
            500,
            FETCH + "local protocol not supported yet",
        ),
        (
            {"environment": "name: x\nos: linux", "nodes": [N(1)]},
            500,
            'Cannot launch deployment: bad URI (is not URI?): "name: x\nos: linux"',
        ),
        (
            {"environment": "debian99", "nodes": [N(1)]},
            400,
            "Cannot launch deployment: Invalid environment specification -- "
            "the environment debian99::: does not exist",
        ),
        (
            {"environment": "debian12-min", "version": 1, "nodes": [N(1)]},
            400,
            "Cannot launch deployment: Invalid environment specification -- "
            "the environment debian12-min:1:: does not exist",
        ),
        (
            {"environment": URL, "nodes": ["dahu-1.grenoble.grid5000.fr"]},
            400,
            "Cannot launch deployment: Invalid node list -- "
            "The node 'dahu-1.grenoble.grid5000.fr' does not exist",
        ),
        (
            {"environment": URL, "nodes": [N(3)]},
            400,
            "Cannot launch deployment: You do not have sufficient rights to perform the "
            "operation on all the nodes",
        ),
        (
            {"environment": URL, "nodes": [N(1)], "vlan": "4"},
            400,
            f"Cannot launch deployment: Invalid VLAN -- 4 is in no job of yours {OURS}",
        ),
    ],
)
def test_deployments_are_refused(body, status, text):
    lab = Lab()
    lab.deploy_job(2)
    assert lab.call("POST", PATH, body) == (status, text)
    assert lab.testbed.deployed == []


def test_only_running_deploy_jobs_of_ones_own_give_rights():
    lab = Lab()
    plain = lab.submit("nodes=1").uid
    lab.wait(2)
    rights = (
        400,
        "Cannot launch deployment: You do not have sufficient rights to perform the "
        "operation on all the nodes",
    )
    assert lab.call("POST", PATH, {"environment": URL, "nodes": [N(1)]}) == rights
    lab.scheduler.delete(lab.job(plain), "alice")
    lab.wait(2)
    mine = lab.deploy_job(1)
    assert lab.call("POST", PATH, {"environment": URL, "nodes": [N(1)]}, user="bob") == rights
    lab.scheduler.delete(lab.job(mine), "alice")
    lab.wait(2)
    assert lab.call("POST", PATH, {"environment": URL, "nodes": [N(1)]}) == rights


def _edited(**changes):
    text = DESCRIPTION
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("old", "new", "status", "text"),
    [
        ("name: nixos", "", 400, DESC + "The field is mandatory [field: name]"),
        ("os: linux", "", 400, DESC + "The field is mandatory [field: os]"),
        (
            "kernel: /boot/bzImage, ",
            "",
            400,
            DESC + "The field is mandatory [field: boot/kernel]",
        ),
        ("filesystem: ext4", "", 400, DESC + "The field is mandatory [field: filesystem]"),
        (
            ", compression: xz",
            "",
            400,
            DESC + "The field is mandatory [field: image/compression]",
        ),
        (
            "name: nixos",
            "name: 3",
            400,
            DESC + "The field should have the type String [field: name]",
        ),
        (
            "version: 1",
            "version: one",
            400,
            DESC + "The field should have the type Integer [field: version]",
        ),
        (
            "kind: tar",
            "kind: qcow2",
            400,
            DESC + "Invalid value 'qcow2': Input should be 'tar' [field: image/kind]",
        ),
        (
            "/boot/bzImage",
            "bzImage",
            400,
            DESC
            + "Invalid value 'bzImage': String should match pattern '^/' [field: boot/kernel]",
        ),
        (
            "multipart: false",
            "root: /dev/sda3",
            400,
            DESC + f"Unused field {OURS} [field: root]",
        ),
        (
            "multipart: false",
            "multipart: true",
            400,
            DESC + "Invalid value 'True': Input should be False [field: multipart]",
        ),
        (DESCRIPTION, "- nixos", 500, FETCH + "the description is not a mapping"),
        ("image: {", "image: ", 500, None),
    ],
)
def test_descriptions_are_refused(old, new, status, text):
    with pytest.raises(RefusalError) as refusal:
        read_description(_edited(x=(old, new)))
    assert refusal.value.status == status
    assert refusal.value.text == text or (text is None and refusal.value.text.startswith(FETCH))


def test_a_description_is_read():
    environment = read_description(
        DESCRIPTION + "postinstalls: [{archive: 'server:///p.tgz', compression: gzip}]"
    )
    assert (environment.version, environment.partition_type) == (1, 131)
    assert environment.boot.kernel_params == "console=ttyS0"
    assert environment.postinstalls[0].script == "none"


@pytest.mark.parametrize(
    ("missing", "what"),
    [("etag", "checksum"), ("last-modified", "mtime"), ("content-length", "size")],
)
def test_the_image_server_must_send_what_kadeploy_caches_by(missing, what):
    lab = Lab(headers={k: v for k, v in HEADERS.items() if k != missing})
    lab.deploy_job(1)
    assert lab.call("POST", PATH, {"environment": URL, "nodes": [N(1)]}) == (
        400,
        f"{FILE}Unable to get the {what} of http://site/image.tar.xz "
        "(undefined method `[]' for nil:NilClass)",
    )


def _find(image, tmp_path, head=None):
    text = DESCRIPTION.replace("http://site/image.tar.xz", image)
    web = Web(lambda _url, _timeout: text.encode(), head or (lambda _url, _timeout: HEADERS))
    return Catalog({"x": NAMED}, server_root=tmp_path, web=web).find(URL, None)


def test_image_files(tmp_path):
    (tmp_path / "image.tar.xz").touch()
    assert _find("server:///image.tar.xz", tmp_path).image.file == "server:///image.tar.xz"

    def gone(url, _timeout):
        raise urllib.error.HTTPError(url, 404, "Not Found", {}, None)

    def refused(_url, _timeout):
        raise ConnectionRefusedError("connection refused")

    for image, head, text in (
        ("server:///other.tar.xz", None, "Unable to grab the file /other.tar.xz"),
        (
            "/home/a/i.tar.xz",
            None,
            "Unable to grab the file '/home/a/i.tar.xz', unknown protocol local",
        ),
        ("ftp://a/i", None, "Unable to grab the file 'ftp://a/i', unknown protocol ftp"),
        ("http://a/i", gone, "Unable to get the checksum of http://a/i (http error #404)"),
        (
            "http://a/i",
            refused,
            "Unable to get the checksum of http://a/i (connection refused)",
        ),
    ):
        with pytest.raises(RefusalError) as refusal:
            _find(image, tmp_path, head)
        assert (refusal.value.status, refusal.value.text) == (400, FILE + text)


def test_only_http_is_fetched():
    with pytest.raises(ValueError, match="is not an http or https address"):
        http_get("file:///etc/passwd", 1)
