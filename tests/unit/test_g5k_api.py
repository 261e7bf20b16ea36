"""What is said of each way in which python-grid5000 fails, without asking anything."""

import pickle

import pytest
from enoslib.infra.enos_g5k import g5k_api_utils
from grid5000.exceptions import (
    Grid5000AuthenticationError,
    Grid5000CreateError,
    Grid5000DeleteError,
    Grid5000GetError,
    Grid5000ParsingError,
)
from requests import exceptions
from urllib3.exceptions import MaxRetryError, NewConnectionError, ReadTimeoutError

from enoslib_nxc.errors import ConfigError
from enoslib_nxc.g5k import api, credentials

URI = "http://127.0.0.1:9/stable"


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The user's file; its HOME is that of this test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(credentials, "inside_g5k", lambda: False)
    api.forget()
    file = tmp_path / credentials.FILE
    file.write_text(f"uri: {URI}\nusername: ada\npassword: secret\n")
    file.chmod(0o600)
    yield file
    api.forget()


class Jobs:
    """A manager of python-grid5000 whose calls come to the same end."""

    def __init__(self, error):
        self.error = error
        self.asked = 0

    def create(self, _data):
        self.asked += 1
        raise self.error


def asked(error, *, idempotent=True):
    jobs = Jobs(error)
    with pytest.raises(api.ApiError) as caught:
        api.call("submit a job", lambda: jobs.create({}), idempotent=idempotent)
    assert jobs.asked == 1
    assert "secret" not in str(caught.value)
    return caught.value


def unanswered(reason):
    return exceptions.ConnectionError(MaxRetryError(None, "/stable", reason))


def test_what_was_done_is_handed_on():
    assert api.call("count", lambda: 3) == 3


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            Grid5000AuthenticationError(b"Authorization Required", 401),
            "cannot submit a job: the Grid'5000 API does not accept the login or password "
            "(401)\n"
            "  Authorization Required\n"
            "-> check username and password in ~/.python-grid5000.yaml",
        ),
        (
            Grid5000DeleteError(b"You are not authorized", 403),
            "cannot submit a job: the Grid'5000 API does not allow it (403)\n"
            "  You are not authorized\n"
            "-> check that the job and the nodes are yours, and that your account may do this",
        ),
        (
            Grid5000GetError(b"Cannot find resource /sites/paris", 404),
            "cannot submit a job: the Grid'5000 API does not know it (404)\n"
            "  Cannot find resource /sites/paris\n"
            "-> check the site, the name or the number; jobs and deployments do not stay for "
            "ever",
        ),
        (
            Grid5000CreateError("# Error: queue 'x' does not exist\n", 400),
            "cannot submit a job: the Grid'5000 API refused (400)\n"
            "  # Error: queue 'x' does not exist",
        ),
        (
            Grid5000CreateError(b"Internal Server Error", 500),
            "cannot submit a job: the Grid'5000 API failed (500)\n"
            "  Internal Server Error\n"
            "-> try again in a while",
        ),
        (
            Grid5000ParsingError("Failed to parse the server message"),
            "cannot submit a job: the Grid'5000 API gave an answer that is not JSON\n"
            "  Failed to parse the server message\n"
            "-> try again in a while",
        ),
        (
            unanswered(ReadTimeoutError(None, "/stable", "Read timed out.")),
            "cannot submit a job: the Grid'5000 API did not answer in time\n"
            "  None: Read timed out.\n"
            "-> try again in a while, or give a longer timeout (s) in ~/.python-grid5000.yaml",
        ),
        (
            unanswered(NewConnectionError(None, "refused")),
            "cannot submit a job: the Grid'5000 API cannot be reached\n"
            "  None: refused\n"
            "-> check the network, and uri in ~/.python-grid5000.yaml "
            "(http://127.0.0.1:9/stable)",
        ),
        (
            exceptions.SSLError("self-signed"),
            "cannot submit a job: the Grid'5000 API shows a certificate that is not trusted\n"
            "  self-signed\n"
            "-> check the network, and uri in ~/.python-grid5000.yaml "
            "(http://127.0.0.1:9/stable)",
        ),
    ],
)
def test_what_is_told(file, error, told):
    assert str(asked(error)) == told


LOST = exceptions.ReadTimeout("Read timed out.")
GATEWAY = Grid5000CreateError(b"Gateway Time-out", 504)
NOT_THERE = unanswered(NewConnectionError(None, "refused"))
BROKEN_OFF = exceptions.ConnectionError("Connection aborted.")


@pytest.mark.parametrize(
    ("error", "status", "passing", "unsure"),
    [
        (LOST, None, True, True),
        (GATEWAY, 504, True, True),
        (BROKEN_OFF, None, True, True),
        (NOT_THERE, None, True, False),
        (exceptions.ConnectTimeout("timed out"), None, True, False),
        (Grid5000CreateError(b"Internal Server Error", 500), 500, True, False),
        (Grid5000CreateError(b"Too Many Requests", 429), 429, True, False),
        (Grid5000CreateError(b"Bad Request", 400), 400, False, False),
        (exceptions.SSLError("self-signed"), None, False, False),
        (exceptions.InvalidJSONError("text/html: <p>"), None, False, True),
        (exceptions.InvalidURL("x"), None, False, False),
        (Grid5000ParsingError("Failed to parse the server message"), None, False, True),
    ],
)
def test_what_may_pass_and_what_may_have_been_done(file, error, status, passing, unsure):
    found = asked(error, idempotent=False)
    assert (found.status, found.passing, found.unsure) == (status, passing, unsure)
    assert not asked(error).unsure
    again = pickle.loads(pickle.dumps(found))
    assert (str(again), again.unsure) == (str(found), unsure)


def test_a_long_answer_is_cut(file):
    assert len(asked(Grid5000GetError(b"x" * 10_000, 400)).details) == api.TEXT_LIMIT + 4


def test_other_errors_are_not_ours():
    jobs = Jobs(KeyError("x"))
    with pytest.raises(KeyError):
        api.call("submit a job", lambda: jobs.create({}))


def test_enoslibs_client_gets_timeouts_and_our_retries(file):
    client = api.client()
    assert client is g5k_api_utils.get_api_client()
    assert client is api.client()
    assert client.timeout == api.TIMEOUT
    for url in (URI, "https://api.grid5000.fr"):
        assert client.session.get_adapter(url).max_retries is api.RETRY
    assert (api.login(), api.address(), api.remarks()) == ("ada", URI, ())
    # what EnOSlib keeps is copied and pickled with jobs
    assert pickle.loads(pickle.dumps(client)).timeout == api.TIMEOUT


def test_the_users_own_timeout_holds(file):
    file.write_text(f"uri: {URI}\ntimeout: 7\n")
    assert api.client().timeout == 7


def test_a_changed_file_makes_another_client(file):
    first = api.client()
    g5k_api_utils.get_all_clusters_sites.cache_clear()
    file.write_text(f"uri: {URI}x\nusername: bob\npassword: other\n")
    second = api.client()
    assert second is not first
    assert (api.login(), api.address()) == ("bob", f"{URI}x")


def test_without_uri_the_real_api_is_meant_and_that_is_told(file):
    file.write_text("username: ada\npassword: secret\n")
    assert api.address() == "https://api.grid5000.fr/stable"
    assert "(https://api.grid5000.fr/stable)" in str(asked(NOT_THERE))


def test_inside_no_file_is_needed(file, monkeypatch):
    file.unlink()
    monkeypatch.setattr(credentials, "inside_g5k", lambda: True)
    monkeypatch.setattr(api.getpass, "getuser", lambda: "grace")
    assert api.login() == "grace"
    file.write_text("")
    assert api.login() == "grace"
    assert api.address() == "https://api.grid5000.fr/stable"


def test_a_password_that_others_can_read_is_told(file):
    file.chmod(0o644)
    assert api.remarks() == (f"others can read your password: chmod 600 {file}",)
    file.write_text(f"uri: {URI}\n")
    assert api.remarks() == ()


HOW = "-> write uri, username and password (YAML) into ~/.python-grid5000.yaml, mode 0600"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a", "{} is not a mapping of keys to values\n" + HOW),
        ("", "{} has no username\n" + HOW),
        ("timeout: 3", "{} has no username\n" + HOW),
        ("username: ada", "{}: username without password\n" + HOW),
        ("username: 12\npassword: x", "{}: username is not text\n-> put it in quotes"),
        ("uri: [x]", "{}: uri is not text\n-> put it in quotes"),
        (
            "base_uri: http://127.0.0.1",
            "{}: base_uri is not read by python-grid5000, which would ask the real API\n"
            "-> call it uri",
        ),
        (b"\xff\xfe", "{} cannot be read: not text\n" + HOW),
    ],
)
def test_files_that_python_grid5000_would_pass_over(file, text, told):
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        api.client()
    assert str(caught.value) == told.format(file)


def test_a_file_that_is_not_yaml(file):
    file.write_text("a: [")
    with pytest.raises(ConfigError) as caught:
        api.client()
    assert caught.value.brief == f"{file} is not YAML"


def test_outside_a_file_is_needed(file, monkeypatch):
    file.unlink()
    with pytest.raises(ConfigError) as caught:
        api.client()
    assert str(caught.value) == f"no Grid'5000 credentials: {file} does not exist\n{HOW}"
    monkeypatch.delenv("HOME")
    with pytest.raises(ConfigError) as caught:
        api.client()
    assert str(caught.value) == "HOME is not set: ~/.python-grid5000.yaml cannot be found"


def test_a_file_that_cannot_be_read(file):
    file.unlink()
    file.mkdir()
    with pytest.raises(ConfigError) as caught:
        api.client()
    assert str(caught.value) == f"{file} cannot be read: is a directory\n{HOW}"
