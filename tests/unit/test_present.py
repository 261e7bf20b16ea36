"""How root comes into a machine before kexec."""

import pytest

from enoslib_nxc import node, ssh, survey
from enoslib_nxc.boots import present
from enoslib_nxc.boots.present import UnreachableError
from enoslib_nxc.errors import CommandError
from enoslib_nxc.g5k import jumped
from enoslib_nxc.model import Entry, Reserved
from enoslib_nxc.shell import Result
from enoslib_nxc.state import Home
from tests.unit import factory
from tests.unit.test_survey import ACCOUNT

NODE = "chiclet-1.lille.grid5000.fr"


def reserved(tmp_path, *, deploy):
    home = Home(tmp_path)
    home.key.with_name("id_ed25519.pub").write_text("ssh-ed25519 OURS\n")
    made = factory.deployment("server")
    machine = made.machines["server"].model_copy(
        update={
            "reserved": Reserved(node=NODE, site="lille", job=1, deploy=deploy),
            "entry": Entry(user="root", first_contact=True),
        }
    )
    return made.model_copy(update={"machines": {"server": machine}, "login": "ada"}), home


@pytest.fixture
def closed(monkeypatch):
    """A node that lets no root in, until its user was asked to."""

    def closed(error=None):
        tried = []

        def ask(access, _host_key):
            tried.append((access.user, access.key.name if access.key else "", access.name))
            if ("ada", "", NODE) not in tried:
                raise CommandError("ssh failed", details="Permission denied (publickey).")
            return survey.parse(ACCOUNT)

        def script(access, text, **_more):
            assert text == "KEY='ssh-ed25519 OURS'\n" + node.text("root")
            tried.append((access.user, "", access.name))
            if error:
                raise error
            return Result((), 0, "", "", 0.0)

        monkeypatch.setattr(survey, "ask", ask)
        monkeypatch.setattr(ssh, "script", script)
        return tried

    return closed


def test_its_user_lets_us_in(closed, tmp_path):
    tried = closed()
    made, home = reserved(tmp_path, deploy=False)
    assert present.look(made, home, "server").access.key == home.key
    root = ("root", "id_ed25519", NODE)
    assert tried == [root, ("ada", "", NODE), root]


def test_one_without_sudo_g5k(closed, tmp_path):
    closed(CommandError("ssh failed", details="$ ssh ...\nsudo-g5k is not there: ..."))
    with pytest.raises(UnreachableError) as caught:
        present.look(*reserved(tmp_path, deploy=False), "server")
    assert caught.value.brief == ("server cannot be reached by ssh: sudo-g5k is not there: ...")


def test_nodes_of_deploy_jobs_are_not_asked(closed, tmp_path):
    tried = closed()
    with pytest.raises(UnreachableError):
        present.look(*reserved(tmp_path, deploy=True), "server")
    assert tried == [("root", "id_ed25519", NODE), ("root", "", NODE)]


def test_a_way_that_is_broken(monkeypatch, tmp_path):
    told = (
        "$ ssh ...\nada@access: Permission denied (publickey).\n"
        "Connection closed by UNKNOWN port 65535"
    )

    def ask(_access, _host_key):
        raise CommandError("ssh failed", details=told)

    monkeypatch.setattr(survey, "ask", ask)
    with pytest.raises(UnreachableError) as caught:
        present.look(*reserved(tmp_path, deploy=True), "server")
    assert caught.value.brief == (
        "server cannot be reached by ssh: ada@access: Permission denied (publickey)."
    )
    assert caught.value.details == told


def test_the_reason_of_a_failed_jump():
    closed = "Connection closed by UNKNOWN port 65535"
    assert jumped.reason(f"timed out\n{closed}\n\n") == "timed out"
    assert jumped.reason(f"$ ssh ...\n{closed}") == closed
    assert jumped.reason("") == ""
