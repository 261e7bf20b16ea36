"""The program that `enoslib-nxc rehearse` runs: how it ends."""

import pytest
from enoslib.errors import EnosError

from enoslib_nxc import rehearse
from enoslib_nxc.errors import BootError, ConfigError
from enoslib_nxc.g5k.api import ApiError


@pytest.fixture
def ended(monkeypatch, tmp_path):
    """Run the program; `init()` raises something."""

    def ended(error):
        class Provider:
            def __init__(self, _conf):
                pass

            def __enter__(self):
                raise error

            def __exit__(self, *_words):
                pass

        conf = tmp_path / "conf.yaml"
        conf.write_text("roles: {server: 1}\n")
        monkeypatch.setattr(rehearse, "NixOSCompose", Provider)
        monkeypatch.setattr(rehearse.sys, "argv", ["rehearse", str(conf)])
        return rehearse.main()

    return ended


@pytest.mark.parametrize("kind", [BootError, ConfigError, ApiError, EnosError])
def test_an_error_is_a_message(ended, capsys, kind):
    assert ended(kind("server did not come up")) == 1
    assert capsys.readouterr() == ("", "error: server did not come up\n")


def test_ctrl_c(ended, capsys):
    assert ended(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_configuration_that_is_not_there(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(rehearse.sys, "argv", ["rehearse", str(tmp_path / "none.yaml")])
    assert rehearse.main() == 1
    assert capsys.readouterr().err.startswith("error: ")
