"""The page for users of EnOSlib shows what is true of the examples."""

import ast
import re
from difflib import unified_diff
from pathlib import Path

import enoslib as en
import pytest

from enoslib_nxc import NixOSComposeConf
from enoslib_nxc.debian import EMBEDDED_DIR, LOCK_NAME

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "examples" / "enoslib"
PAGE = (PROJECT / "docs" / "from-enoslib.md").read_text()
ORIGINAL = (EXAMPLES / "original" / "tasks.py").read_text()
TASKS = (EXAMPLES / "tasks.py").read_text()


def changes():
    """Return the lines that differ, as diff(1) has them."""
    lines = unified_diff(ORIGINAL.splitlines(), TASKS.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize("sign", ["-", "+"])
def test_five_lines_at_most_are_replaced(sign):
    assert 0 < len([line for line in changes() if line.startswith(sign)]) <= 5


def test_the_page_shows_these_lines():
    assert "```\n" + "\n".join(changes()) + "\n```\n" in PAGE


def provider_conf(text):
    (given,) = re.findall(r"^provider_conf = (\{.*?^\})", text, re.S | re.M)
    return ast.literal_eval(given)


def test_the_original_is_one_of_enoslib_s():
    en.G5kConf.validate(provider_conf(ORIGINAL))


def test_the_same_configuration_serves_elsewhere():
    given = provider_conf(TASKS)
    for flavour in ("vm-ramdisk", "docker", "g5k-ramdisk"):
        settings = NixOSComposeConf.from_dictionary({**given, "flavour": flavour}).settings
        assert set(settings.roles) == {"control", "compute"}


def test_the_page_lists_the_examples():
    listed = set(re.findall(r"^\| `(\w+\.py)`", PAGE, re.M))
    assert listed == {file.name for file in EXAMPLES.glob("*.py")}


def test_the_examples_ask_for_what_is_there_already():
    """Another lock would have other sources fetched, and a base of its own built."""
    lock = EXAMPLES / "composition" / LOCK_NAME
    assert lock.read_bytes() == (EMBEDDED_DIR / LOCK_NAME).read_bytes(), f"copy it to {lock}"
