"""A rehearsed site with a clock that tests turn, and no sockets."""

from __future__ import annotations

import base64
import json
from datetime import datetime

from enoslib_nxc.rehearsal.admission import TIMEZONE, JobRequest
from enoslib_nxc.rehearsal.api import Api
from enoslib_nxc.rehearsal.environments import Catalog, Environment, Web
from enoslib_nxc.rehearsal.jobs import Pace
from enoslib_nxc.rehearsal.replies import RefusalError
from enoslib_nxc.rehearsal.service import Settings, SiteService
from enoslib_nxc.rehearsal.site import read_site
from enoslib_nxc.rehearsal.testbed import MemoryTestbed

START = datetime(2026, 3, 2, 12, 0, 0, tzinfo=TIMEZONE).timestamp()
N = "chiclet-{}.lille.grid5000.fr".format
URL = "http://site/env.yaml"
DESCRIPTION = """
name: nixos
version: 1
os: linux
image: {file: "http://site/image.tar.xz", kind: tar, compression: xz}
boot: {kernel: /boot/bzImage, initrd: /boot/initrd, kernel_params: "console=ttyS0"}
filesystem: ext4
partition_type: 131
multipart: false
"""
HEADERS = {
    "etag": '"1"',
    "last-modified": "Mon, 02 Mar 2026 11:00:00 GMT",
    "content-length": "9",
}
NAMED = Environment.model_validate(
    {
        "name": "debian12-min",
        "os": "linux",
        "version": 2026010101,
        "image": {"file": "server:///d12.tar.xz", "kind": "tar", "compression": "xz"},
        "boot": {"kernel": "/vmlinuz"},
        "filesystem": "ext4",
    }
)


class Clock:
    """A clock that stands still unless turned."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


class Lab:
    """One site, behind its API; `alice` calls unless said otherwise."""

    def __init__(
        self,
        *,
        pages=None,
        headers=HEADERS,
        faults=None,
        spawn=None,
        rules=None,
        machines=False,
        **site,
    ):
        self.clock = Clock()
        self.pages = {URL: DESCRIPTION} if pages is None else pages
        self.testbed = MemoryTestbed(faults or {})
        web = Web(self._get, lambda _url, _timeout: headers)
        spec = read_site({"site": "lille", "cluster": "chiclet", "nodes": 4, **site})
        more = {"rules": rules} if rules else {}
        settings = Settings(
            self.testbed,
            self.clock,
            Catalog({"debian12-min": NAMED}, web=web),
            pace=Pace(),
            spawn=spawn or (lambda work: work()),
            machines=machines,
            **more,
        )
        self.service = SiteService(spec, settings, first=1)
        self.scheduler = self.service.scheduler
        self.api = Api({"lille": self.service}, {"alice": "secret", "bob": "other"})

    def _get(self, url, timeout):
        assert timeout == 10
        if url not in self.pages:
            raise TimeoutError("timed out")
        return self.pages[url].encode()

    def wait(self, seconds):
        self.clock.now += seconds
        self.service.tick()

    def submit(self, resources="nodes=1", user="alice", **fields):
        fields = {"command": "sleep 1d", "resources": resources, **fields}
        return self.scheduler.submit(JobRequest(**fields), user)

    def job(self, uid):
        return self.scheduler.job(uid)

    def state(self, uid):
        return self.job(uid).state.value

    def nodes(self, uid):
        return [host.split(".")[0] for host in self.scheduler.hosts(self.job(uid))]

    def deploy_job(self, nodes=2, extra=""):
        job = self.submit(f"nodes={nodes}{extra}", types=["deploy"])
        self.wait(2)
        assert self.state(job.uid) == "Running"
        return job.uid

    def call(self, method, path, body=None, *, user="alice", kind="application/json"):
        """Return status and body, as a client sees them."""
        code = base64.b64encode(
            f"{user}:{ {'alice': 'secret', 'bob': 'other'}[user] }".encode()
        )
        headers = {"authorization": f"Basic {code.decode()}", "content-type": kind}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            reply = self.api.answer(
                method, f"/stable{path}", headers, content if body is not None else b""
            )
        except RefusalError as error:
            return error.status, error.text
        return reply.status, reply.raw or reply.body
