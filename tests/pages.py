"""The documentation as tests read it: pages, their code, links, tables and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]
DOCS = PROJECT / "docs"

_FENCE = re.compile(r"^( *)```(\w*)([^\n]*)\n(.*?)^\1```$", re.S | re.M)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.M)


@dataclass(frozen=True)
class Block:
    """A block of code.

    Args:
        page: its file.
        line: where it begins.
        language: as the page says, "" where it does not.
        title: name of the file that it is, "" where it is none.
        text: the code.
    """

    page: Path
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}"


def pages() -> list[Path]:
    """Return the files that are read in the repository and on the site."""
    texts = [
        PROJECT / "README.md",
        PROJECT / "CHANGELOG.md",
        PROJECT / "playbooks" / "README.md",
    ]
    return [*texts, *sorted(DOCS.rglob("*.md")), *sorted(PROJECT.glob("examples/*/README.md"))]


def blocks(page: Path, language: str = "") -> Iterator[Block]:
    """Return the blocks of code of a page, of one language or of all."""
    text = page.read_text()
    for found in _FENCE.finditer(text):
        indent, spoken, more, code = found.groups()
        if language in ("", spoken):
            line = text.count("\n", 0, found.start()) + 1
            title = re.search(r'title="([^"]+)"', more)
            lines = [each.removeprefix(indent) for each in code.splitlines(keepends=True)]
            yield Block(page, line, spoken, title[1] if title else "", "".join(lines))


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """Return the addresses that a page links to."""
    return _LINK.findall(re.sub(r"`[^`\n]+`", "", prose(page)))


def anchors(page: Path) -> set[str]:
    """Return the anchors that headings of a page have, by GitHub's and GitLab's rule."""
    heads = (
        re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", head) for head in _HEADING.findall(prose(page))
    )
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def rows(page: Path, first: str) -> list[list[str]]:
    """Return the rows of all tables whose first column has a certain head."""
    found: list[list[str]] = []
    inside = False
    for line in prose(page).splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells[0] == first:
            inside = True
        elif inside and set(cells[0]) - set("- :"):
            found.append(cells)
    return found
