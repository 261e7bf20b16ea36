import ast
import importlib.util
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from enoslib_nxc import NixOSComposeConf, cli
from tests import pages

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCS = Path(__file__).parents[2] / "docs"


def _script(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _script("generate")  # importing EnOSlib runs ldconfig, which no test may


def test_the_configuration_page_is_current():
    assert (DOCS / "configuration.md").read_text() == generate.page(), "run docs/generate.py"


transposition = _script("transposition")


def test_the_page_of_figures_is_current():
    known = transposition.known()
    told = transposition.PAGE.read_text()
    assert told == transposition.page(known), "run docs/transposition.py"
    assert any(figures.where for figures in known.values())


def test_links_lead_somewhere_in_the_repository():
    broken = []
    for page in pages.pages():
        for address in pages.links(page):
            parts = urlsplit(address)
            if parts.scheme:
                continue
            target = (page.parent / parts.path).resolve() if parts.path else page
            if target.is_dir():
                target /= "README.md"
            api = target.parent.name == "api"  # its anchors are made by the site
            if not target.is_file() or (
                parts.fragment and not api and parts.fragment not in pages.anchors(target)
            ):
                broken.append(f"{page.name}: {address}")
    assert broken == []


FILLED = r"(?:\.\.\.)?"
"""What pages have where the package fills something in, which may be nothing."""


def _templates() -> list[str]:
    """Return every text of the package as a pattern of what pages may say of it."""
    found = []
    for file in (pages.PROJECT / "enoslib_nxc").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [_part(part) for part in node.values]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                parts = re.split(r"(\{\w*\})", node.value)
                parts = [FILLED if n % 2 else re.escape(p) for n, p in enumerate(parts)]
            else:
                continue
            if len("".join(part for part in parts if part != FILLED)) >= 8:
                # it may go on in another text
                text = "".join([*parts, FILLED])
                found.append(text.replace(rf"{FILLED}\ {FILLED}", FILLED))
    return found


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return re.escape(str(part.value))
    assert isinstance(part, ast.FormattedValue)
    if isinstance(part.value, ast.IfExp):
        ways = (part.value.body, part.value.orelse)
        told = [re.escape(str(way.value)) for way in ways if isinstance(way, ast.Constant)]
        return "|".join(["(?:\\.\\.\\.", *told]) + ")?"
    return FILLED


def _said(message: str, texts: re.Pattern[str]) -> bool:
    """Tell whether the package says this, or says it of a key of the configuration."""
    assert len(re.findall("[a-z]", message)) >= 10, message
    of_a_key = re.fullmatch(r"[\w.]+: (.*)", message)
    return any(texts.fullmatch(each) for each in (message, of_a_key and of_a_key[1]) if each)


QUOTED = (("troubleshooting.md", "it says"), ("flavours.md", "what is told"))


def test_the_messages_that_pages_explain_are_said_by_the_package():
    texts = re.compile("|".join(f"(?:{text})" for text in _templates()), re.S)
    assert not _said("nix is not invited; it is needed to build the composition", texts)
    for name, head in QUOTED:
        rows = pages.rows(pages.DOCS / name, head)
        assert rows
        told = [message for row in rows for message in re.findall(r"`([^`]+)`", row[0])]
        assert [message for message in told if not _said(message, texts)] == []


def _calls() -> list[tuple[str, list[str]]]:
    """Return where pages call the command line, and with which words."""
    found = []
    for page in pages.pages():
        inline = re.findall(r"`(enoslib-nxc [^`\n]+)`", pages.prose(page))
        shells = [b.text for b in pages.blocks(page) if b.language in ("sh", "")]
        lines = [line.partition(" #")[0] for text in shells for line in text.splitlines()]
        called = [re.search(r"(?:^|\$ |; do |\| )(enoslib-nxc .*)", line) for line in lines]
        for call in [*inline, *(each[1] for each in called if each)]:
            words = re.split(r"[;|>]", call)[0].replace("[", " ").replace("]", " ").split()
            found.append((f"{page.name}: {call}", words[1:]))
    return found


@pytest.mark.parametrize(("where", "words"), _calls())
def test_commands_and_their_options_exist(where, words):
    name, rest = words[0], words[1:]
    if name.startswith("-"):
        return
    assert name in cli.main.commands, where
    known = {o for p in cli.main.commands[name].params for o in (*p.opts, *p.secondary_opts)}
    options = set(rest[: rest.index("--") if "--" in rest else None])
    assert {o for o in options if o.startswith("-")} <= {*known, "--help"}, where


PYTHON = [b for page in pages.pages() for b in pages.blocks(page, "python")]
TOML = [b for page in pages.pages() for b in pages.blocks(page, "toml")]
YAML = [b for page in pages.pages() for b in pages.blocks(page, "yaml")]


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_code_is_python(block):
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", YAML, ids=str)
def test_configurations_are_accepted(block):
    given = {"roles": {"server": 1}, **yaml.safe_load(block.text)}
    conf = NixOSComposeConf.from_dictionary(given)
    assert conf.settings.roles


@pytest.mark.parametrize("block", TOML, ids=str)
def test_toml_is_toml(block):
    assert tomllib.loads(block.text)


def test_every_block_of_code_is_of_a_kind_that_is_tested():
    kinds = {b.language: str(b) for page in pages.pages() for b in pages.blocks(page)}
    # without a language: directories, output, and the example that the site includes
    assert set(kinds) <= {"", "python", "yaml", "toml", "sh", "nix"}, kinds


command_line = _script("command_line")


def test_the_reference_of_the_command_line_is_current():
    now = command_line.PAGE.read_text()
    assert command_line.MARK in now
    assert now == command_line.page(now), "run docs/command_line.py"


def test_every_command_has_help_with_an_example():
    for command in command_line.main.commands.values():
        assert command.help
        assert command.examples
