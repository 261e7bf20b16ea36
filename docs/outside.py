"""Links of pages that lead out of docs/: the same in the repository and on the site.

A hook of MkDocs (`mkdocs.yml`). Files of the repository that pages link to become part of the
site under their own path: texts as pages, which the navigation may name, others as files.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PROJECT = Path(__file__).resolve().parents[1]
DOCS = "docs"
MOVED = {"README.md": "project.md"}
"""Files of the repository whose own name MkDocs would take for the home page."""

LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
"""The address in `[text](address)`."""

CODE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]+`", re.S | re.M)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to outside docs/, and what those link to in turn."""
    wanted = list(MOVED)
    for file in files.documentation_pages():
        wanted += targets(file.content_string, repository_path(file.src_uri))
    while wanted:
        target = wanted.pop()
        place, path = site_path(target), PROJECT / target
        if files.get_file_from_path(place) or not path.is_file():
            continue  # what is not there is told by MkDocs, which finds no such page
        files.append(File.generated(config, place, abs_src_path=str(path)))
        if path.suffix == ".md":
            wanted += targets(path.read_text(), target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead where things are on the site."""
    here = repository_path(page.file.src_uri)

    def moved(match: re.Match[str]) -> str:
        target = _target(match[0], here)
        if target is None:
            return match[0]
        to = posixpath.relpath(site_path(target), posixpath.dirname(page.file.src_uri) or ".")
        fragment = urlsplit(match[0]).fragment
        return f"{to}#{fragment}" if fragment else to

    return "".join(
        part if is_code else LINK.sub(moved, part) for is_code, part in _parts(markdown)
    )


def targets(markdown: str, here: str) -> list[str]:
    """Return the files of the repository that a text links to, itself left out.

    Args:
        markdown: the text.
        here: its path in the repository.
    """
    prose = "".join(part for is_code, part in _parts(markdown) if not is_code)
    found = (_target(address, here) for address in LINK.findall(prose))
    return [target for target in found if target is not None]


def repository_path(src_uri: str) -> str:
    """Return where in the repository a page of the site comes from."""
    if (PROJECT / DOCS / src_uri).is_file():
        return f"{DOCS}/{src_uri}"
    return next((path for path, place in MOVED.items() if place == src_uri), src_uri)


def site_path(path: str) -> str:
    """Return where on the site a file of the repository is."""
    return MOVED.get(path, path.removeprefix(f"{DOCS}/"))


def _target(address: str, here: str) -> str | None:
    """Return the repository path that a link means, None for one that stays on its page."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not parts.path:
        return None
    path = posixpath.normpath(posixpath.join(posixpath.dirname(here), parts.path))
    # a repository page shows a directory with its README
    return f"{path}/README.md" if (PROJECT / path / "README.md").is_file() else path


def _parts(markdown: str) -> Iterator[tuple[bool, str]]:
    """Split a text into code, whose brackets are no links, and the rest."""
    end = 0
    for found in CODE.finditer(markdown):
        yield False, markdown[end : found.start()]
        yield True, found[0]
        end = found.end()
    yield False, markdown[end:]
