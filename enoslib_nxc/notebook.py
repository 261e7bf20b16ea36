"""Pages for notebooks, in the frame and style of EnOSlib's; every value is escaped.

EnOSlib's own tables cut values at 50 characters, which is less than a store path has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from enoslib.html import html_from_sections, html_to_foldable_section

Row = Mapping[str, object]


def page(title: str, facts: Row, tables: Mapping[str, Sequence[Row]]) -> str:
    """Return a page: some facts, then foldable tables.

    Args:
        title: what it is of.
        facts: name -> value; empty values are left out.
        tables: title -> rows with the same keys; those without rows are left out.
    """
    shown = [{"": name, " ": value} for name, value in facts.items() if _text(value)]
    sections = [_table(shown)] if shown else []
    for name, rows in tables.items():
        if rows:
            sections.append(
                str(html_to_foldable_section(escape(name), _table(rows), extra=str(len(rows))))
            )
    return str(html_from_sections(title, sections))


def configuration(given: Mapping[str, object]) -> str:
    """Return the page of a configuration.

    Args:
        given: what was set, as `to_dict` of the configuration returns it.
    """
    facts: dict[str, object] = {}
    for key, value in given.items():
        if key != "roles":
            inner = value if isinstance(value, Mapping) else {"": value}
            facts |= {f"{key}.{name}".rstrip("."): each for name, each in inner.items()}
    roles = given.get("roles")
    rows = roles.items() if isinstance(roles, Mapping) else ()
    tables = {"Roles": [{"role": role, "machines": machines} for role, machines in rows]}
    return page("NixOSComposeConf", facts, tables)


def _table(rows: Sequence[Row]) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    lines = (
        "".join(f"<td>{escape(_text(value))}</td>" for value in row.values()) for row in rows
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: object) -> str:
    """Return a value in one cell: lists and mappings too."""
    if isinstance(value, Mapping):
        parts = (f"{key} {_text(each)}" for key, each in value.items() if _text(each))
        return ", ".join(parts)
    if isinstance(value, list | tuple):
        return "; ".join(_text(each) for each in value)
    return "" if value is None else str(value)
