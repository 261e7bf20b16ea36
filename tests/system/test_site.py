"""The documentation as its readers have it: the site, what Get started runs, the code."""

from __future__ import annotations

import re
import shlex
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from enoslib_nxc import shell
from tests import pages
from tests.system import lab

INDEX = pages.DOCS / "index.md"


class Addresses(HTMLParser):
    """What a page loads, what it links to, and the places in it that can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places |= {str(given[key]) for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.linked.append(str(given["href"]))
            return
        keys = ("src", "href", "data", "poster", "srcset")
        # shapes inside an SVG name each other by #
        self.loaded += [str(given[k]) for k in keys if given.get(k) and tag != "use"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as in CI: a warning is an error."""
    built = tmp_path_factory.mktemp("site")
    config = pages.PROJECT / "mkdocs.yml"
    # --quiet would have it overlook its own warnings
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config)]
    shell.run([*words, "-d", str(built)], timeout=120)
    return built


def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    files = list(site.rglob("*.html"))
    assert len(files) > len(pages.pages())
    for file in files:
        read = Addresses(file.read_text())
        assert read.loaded
        assert [url for url in read.loaded if urlsplit(url).netloc] == [], file
        assert "mermaid" not in file.read_text(), "the theme fetches mermaid from elsewhere"
    for file in site.rglob("*.css"):
        urls = re.findall(r"(?:url\(|@import )\s*[\"']?([^\"')\s]+)", file.read_text())
        assert [url for url in urls if urlsplit(url).netloc] == [], file


def test_links_of_the_site_lead_somewhere(site: Path) -> None:
    read = {file: Addresses(file.read_text()) for file in site.rglob("*.html")}
    broken = []
    for file, page in read.items():
        for address in [*page.linked, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or file.name == "404.html":
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            places = read[target].places if target in read else None
            if not target.exists() or (
                parts.fragment and places is not None and parts.fragment not in places
            ):
                broken.append(f"{file.relative_to(site)}: {address}")
    assert broken == []


def test_data_classes_show_their_fields(site: Path) -> None:
    text = (site / "api" / "deployment.html").read_text()
    assert re.search(r"boot_id</span></code></b>\s*\(<code><span title=\"str\">", text)
    assert "hardware address on the shared network" in text


def _session() -> str:
    """Return the second and third step of Get started as one script, files included."""
    first, _, rest = INDEX.read_text().partition("### 2. ")
    assert re.findall(r"```sh\n(.*?)```", first, re.S) == ["./scripts/demo\n"]
    assert "./scripts/demo\n" in (pages.PROJECT / ".ci" / "run").read_text()
    begin = first.count("\n") + 1
    script = "set -euo pipefail\n"
    for block in pages.blocks(INDEX):
        if block.line < begin or rest == "":
            continue
        if block.title:
            script += f"cat > {shlex.quote(block.title)} <<'END'\n{block.text}END\n"
        else:
            assert block.language == "sh", block
            script += block.text
    return script


@pytest.mark.full
def test_get_started_does_what_it_says(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    session = f"cd {shlex.quote(str(tmp_path))}\nexec 2>&1\n{_session()}"
    told = shell.run(["bash", "-c", session], timeout=600).stdout
    assert "boot: new" in told
    assert re.search(r"^agent .*bits/sec", told, re.M)
    assert "all 2 machines run what they should" in told
    assert re.search(r"^my-experiment\tvm-ramdisk\tserver, agent$", told, re.M)
    assert "containers here, by Docker" in told or "docker (platform containers" in told
    assert lab.ours() == []


def test_code_of_pages_fits_the_package(tmp_path: Path) -> None:
    """Names, arguments and types, as far as EnOSlib has types."""
    # pages leave out what may be None; as an option it would need a cache of its own
    heads = """# mypy: disable-error-code="union-attr,untyped-decorator"
import enoslib as en
import enoslib_nxc
"""
    for number, page in enumerate(pages.pages()):
        known = "conf: enoslib_nxc.NixOSComposeConf\n"
        for block in pages.blocks(page, "python"):
            name = f"page{number}_{page.stem.replace('-', '_')}_{block.line}.py"
            own = re.sub(r"\ben\.(NixOSCompose(?:Conf)?)\b", r"enoslib_nxc.\1", block.text)
            made = re.search(r"^conf = ", own, re.M)
            (tmp_path / name).write_text(heads + ("" if made else known) + own)
    config = pages.PROJECT / "pyproject.toml"
    words = [sys.executable, "-m", "mypy", "--config-file", str(config)]
    files = sorted(map(str, tmp_path.glob("*.py")))
    assert len(files) > 8
    shell.run([*words, "--cache-dir", str(pages.PROJECT / ".mypy_cache"), *files], timeout=300)


NIX = [b for page in pages.pages() for b in pages.blocks(page, "nix")]


@pytest.mark.parametrize("block", NIX, ids=str)
def test_nix_of_pages_parses(block: pages.Block) -> None:
    text = block.text
    if re.match(r"\w+ = ", text):  # a part of a composition
        text = f"{{ {text} }}"
    shell.run(["nix-instantiate", "--parse", "-"], stdin=text, timeout=30)


SHELL = [b for page in pages.pages() for b in pages.blocks(page, "sh")]


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_of_pages_are_shell(block: pages.Block) -> None:
    shell.run(["bash", "-n"], stdin=block.text, timeout=30)
