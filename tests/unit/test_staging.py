"""Files in a home, without one: paths, URLs, and what is said when it fails."""

import pytest

from enoslib_nxc import shell
from enoslib_nxc.errors import CommandError, PlatformError
from enoslib_nxc.files import File
from enoslib_nxc.g5k.staging import FullError, Staging
from enoslib_nxc.shell import Result
from enoslib_nxc.ssh import Access

URL = "http://public.lille.grid5000.fr/~ada"
ACCESS = Access("lille.grid5000.fr", "lille.grid5000.fr", 22, "ada", None, None)


@pytest.fixture
def told(monkeypatch):
    """Answer scripts in turn; an error is raised."""

    def told(*answers):
        calls, left = [], list(answers)

        def run(_words, *, timeout, stdin, check=True):
            calls.append(stdin)
            answer = left.pop(0)
            if isinstance(answer, str):
                return Result((), 0, f"{answer}\n", "", 0.0)
            raise answer

        monkeypatch.setattr(shell, "run", run)
        return calls

    return told


def file(tmp_path):
    (tmp_path / "initrd").write_bytes(b"an image")
    return File(tmp_path / "initrd", "5" * 64, "")


def test_a_file_has_a_path_and_a_url(told, tmp_path):
    told("/home/ada", "complete")
    staged = Staging(ACCESS, URL).put(file(tmp_path), 60)
    assert staged.path == f"/home/ada/public/enoslib-nxc/{'5' * 64}"
    assert staged.url == f"{URL}/enoslib-nxc/{'5' * 64}"


def test_names_that_nobody_can_guess(told):
    calls = told("/home/ada", "", "", "")
    staging = Staging(None, URL)
    first, second = (staging.write("deployment.json", "{}") for _ in range(2))
    *_, random, name = first.path.split("/")
    assert (len(random), name) == (32, "deployment.json")
    assert first.url == f"{URL}/enoslib-nxc/{random}/deployment.json"
    assert first.path != second.path
    staging.discard(first)
    assert calls[-1].startswith(f"ACTION=discard\nFILE={first.path}\n")


@pytest.mark.parametrize("words", ["No space left on device", "Disk quota exceeded"])
def test_a_full_home(told, words):
    failed = CommandError("ssh failed with exit status 1", details=f"sh: write error: {words}")
    calls = told("/home/ada", failed, "")
    with pytest.raises(FullError) as caught:
        Staging(ACCESS, URL).write("env.yaml", "name: x")
    assert str(caught.value) == (
        "the home on lille.grid5000.fr is full: no room for env.yaml\n"
        f"  sh: write error: {words}\n"
        "-> make room there; ~/public/enoslib-nxc has images of earlier runs"
    )
    assert calls[-1].startswith("ACTION=discard\n")


def test_a_home_that_cannot_be_reached(told):
    told(CommandError("ssh failed with exit status 255", details="Connection refused"))
    with pytest.raises(PlatformError) as caught:
        _ = Staging(ACCESS, URL).home
    assert str(caught.value) == (
        "what is to be staged did not get to the home on lille.grid5000.fr: "
        "ssh failed with exit status 255\n"
        "  Connection refused\n"
        "-> reach it by ssh once by hand"
    )
