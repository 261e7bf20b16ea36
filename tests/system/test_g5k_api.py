"""Our way to the Grid'5000 API against the rehearsal, and against APIs on a bad day."""

from __future__ import annotations

import os
import time

import pytest
from enoslib.infra.enos_g5k import g5k_api_utils

from enoslib_nxc.errors import ConfigError
from enoslib_nxc.g5k import api, credentials
from enoslib_nxc.rehearsal.server import Rehearsal
from enoslib_nxc.rehearsal.site import read_site
from tests.system import faulty

SITE = read_site({"site": "lille", "cluster": "chiclet", "nodes": 2})
LILLE = faulty.json('{"uid": "lille"}')
BROKEN = faulty.says(500, "Internal Server Error")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    api.forget()
    yield tmp_path
    api.forget()


@pytest.fixture
def use(home):
    """Let the user's file name an API."""

    def use(uri, **more):
        file = home / credentials.FILE
        words = {"uri": uri, "username": "ada", "password": "secret", "timeout": 5, **more}
        file.write_text("".join(f"{key}: {word}\n" for key, word in words.items()))
        file.chmod(0o600)

    return use


def lille():
    return api.call("read site lille", lambda: api.client().sites["lille"]).uid


def submit():
    def create():
        return api.client().sites["lille"].jobs.create({"command": "true"})

    return api.call("submit a job to lille", create, idempotent=False)


def fails(function):
    started = time.monotonic()
    with pytest.raises(api.ApiError) as caught:
        function()
    return caught.value, time.monotonic() - started


def test_the_rehearsal(home):
    with Rehearsal([SITE], home) as grid:
        assert lille() == "lille"
        assert (api.login(), api.address(), api.remarks()) == ("rehearsal", grid.uri, ())
        assert g5k_api_utils.get_all_clusters_sites() == {"chiclet": "lille"}
    with pytest.raises(ConfigError, match="no Grid'5000 credentials"):
        lille()
    other = read_site({"site": "nancy", "cluster": "grisou", "nodes": 2})
    with Rehearsal([other], home):
        # nothing of the first one is left, neither its port nor what EnOSlib keeps
        error, _ = fails(lille)
        assert error.status == 404
        assert g5k_api_utils.get_all_clusters_sites() == {"grisou": "nancy"}


def test_what_the_rehearsal_refuses(home):
    with Rehearsal([SITE], home, others=["bob"]) as grid:

        def of(what):
            return fails(lambda: api.call("do it", lambda: what(api.client().sites["lille"])))

        error, _ = of(lambda site: site.jobs[77])
        assert error.brief == "cannot do it: the Grid'5000 API does not know it (404)"
        error, _ = of(lambda site: site.deployments.create({"nodes": [], "environment": "x"}))
        assert error.status == 400
        assert "Nodes can't be blank" in error.details
        job = api.client().sites["lille"].jobs.create({"command": "x", "resources": "nodes=1"})
        file = home / credentials.FILE
        file.write_text(f"uri: {grid.uri}\nusername: bob\npassword: {grid.passwords['bob']}\n")
        error, _ = of(lambda site: site.jobs.delete(job.uid))
        assert error.status == 403
        file.write_text(f"uri: {grid.uri}\nusername: bob\npassword: wrong\n")
        error, _ = of(lambda site: site)
        assert str(error) == (
            "cannot do it: the Grid'5000 API does not accept the login or password (401)\n"
            "  Authorization Required\n"
            "-> check username and password in ~/.python-grid5000.yaml"
        )


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failure_that_passes_is_not_seen(use, status):
    with faulty.serving(faulty.says(status, "later"), LILLE) as server:
        use(server.url)
        assert lille() == "lille"
        assert server.asked == ["GET /sites/lille"] * 2


def test_a_failure_that_stays_is_told_with_its_text(use):
    with faulty.serving(BROKEN) as server:
        use(server.url)
        error, seconds = fails(lille)
        assert len(server.asked) == 4
    assert str(error) == (
        "cannot read site lille: the Grid'5000 API failed (500)\n"
        "  Internal Server Error\n"
        "-> try again in a while"
    )
    assert error.passing
    assert 2 < seconds < 8


def test_a_refusal_is_not_repeated(use):
    for status in (400, 401, 403, 404):
        with faulty.serving(faulty.says(status, "no")) as server:
            use(server.url)
            error, _ = fails(lille)
            assert (error.status, error.details, len(server.asked)) == (status, "no", 1)
            assert not error.passing


def test_what_may_have_been_accepted_is_not_repeated(use):
    for answer in (BROKEN, faulty.says(504, "late"), faulty.hang_up, faulty.after(60, LILLE)):
        with faulty.serving(LILLE, answer) as server:
            use(server.url, timeout=1)
            error, _ = fails(submit)
            assert server.asked == ["GET /sites/lille", "POST /sites/lille/jobs"]
            assert error.unsure is (answer is not BROKEN)


def test_an_answer_that_never_comes(use):
    with faulty.serving(faulty.after(60, LILLE)) as server:
        use(server.url, timeout=1)
        error, seconds = fails(lille)
        assert len(server.asked) == 2
    assert error.brief == "cannot read site lille: the Grid'5000 API did not answer in time"
    assert error.resolution == (
        "try again in a while, or give a longer timeout (s) in ~/.python-grid5000.yaml"
    )
    assert seconds < 5


def test_a_slow_answer_is_waited_for(use):
    with faulty.serving(faulty.after(1.5, LILLE)) as server:
        use(server.url)
        assert lille() == "lille"


def test_connections_that_break_off(use):
    with faulty.serving(faulty.hang_up, LILLE) as server:
        use(server.url)
        assert lille() == "lille"
    with faulty.serving(faulty.hang_up) as server:
        use(server.url)
        error, _ = fails(lille)
        assert len(server.asked) == 2
    assert error.brief == "cannot read site lille: the Grid'5000 API broke off the connection"


def test_nobody_there(use):
    with faulty.serving(LILLE) as server:
        pass
    use(server.url)
    error, seconds = fails(lille)
    assert error.brief == "cannot read site lille: the Grid'5000 API cannot be reached"
    assert error.resolution.endswith(f"({server.url})")
    assert error.passing
    assert seconds < 8
    error, _ = fails(lambda: api.call("x", lambda: api.client().sites["l"], idempotent=False))
    assert not error.unsure


def test_another_service(use):
    page = faulty.says(200, "<p>Welcome", "text/html")
    with faulty.serving(page) as server:
        use(server.url)
        error, _ = fails(lille)
    assert str(error).startswith(
        "cannot read site lille: the Grid'5000 API gave an answer that is not JSON\n"
        "  text/html: <p>Welcome\n"
    )
    with faulty.serving(faulty.json("{")) as server:
        use(server.url)
        error, _ = fails(lille)
        assert error.brief.endswith("gave an answer that is not JSON")
        error, _ = fails(lambda: api.call("list sites", lambda: api.client().sites.list()))
        assert error.brief.endswith("gave an answer that is not JSON")


def test_a_proxy_that_is_not_there(use, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    use("http://api.grid5000.invalid")
    error, _ = fails(lille)
    assert (
        error.brief
        == "cannot read site lille: the Grid'5000 API cannot be reached through the proxy"
    )


def test_an_unreadable_file(home, use):
    use("http://127.0.0.1:9")
    file = home / credentials.FILE
    file.chmod(0o000)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)  # root reads everything
    try:
        with pytest.raises(ConfigError) as caught:
            lille()
    finally:
        os.seteuid(before)
    assert str(caught.value) == (
        f"{file} cannot be read: permission denied\n"
        "-> write uri, username and password (YAML) into ~/.python-grid5000.yaml, mode 0600"
    )
