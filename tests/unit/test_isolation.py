from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    "effect",
    [
        lambda: subprocess.run(["true"], check=False),
        lambda: os.system("true"),
        lambda: socket.create_connection(("127.0.0.1", 9)),
        lambda: socket.create_server(("127.0.0.1", 0)),
    ],
)
def test_unit_tests_have_no_effects(effect: Callable[[], object]) -> None:
    with pytest.raises(pytest.fail.Exception, match="a unit test must not do"):
        effect()
