"""The conditions on OAR's properties: the part of SQL's WHERE that submissions use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from enoslib_nxc.rehearsal.oarsub import VERIFY, OarError

Value: TypeAlias = str | int | None
Row: TypeAlias = Mapping[str, Value]
Condition: TypeAlias = Callable[[Row], bool | None]
"""True, False, or None for SQL's "unknown"."""

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_]\w*|\"[^\"]+\")|(?P<number>\d{1,18})"
    r"|(?P<sign><>|!=|<=|>=|[=<>(),]))"
)
_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "!=": lambda a, b: a != b,
}
_ORDER: Mapping[str, Callable[[int, int], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def condition(text: str, columns: frozenset[str]) -> Condition:
    """Compile a condition.

    Args:
        text: `cluster='x' AND host in ('a', 'b')`; "" is always true.
        columns: names of the properties that exist.

    Raises:
        OarError: with the text of OAR, which passes on PostgreSQL's. A name in double
            quotes is a column, as in SQL.
    """
    if not text.strip():
        return lambda _row: True
    try:
        return _Parser(text, columns).parse()
    except RecursionError as error:
        raise bad_request("stack depth limit exceeded") from error


def bad_request(reason: str) -> OarError:
    """Return oarsub's refusal of a condition that PostgreSQL does not take."""
    return OarError(f"# Bad resource request (ERROR:  {reason})\n{VERIFY}")


class _Parser:
    """Recursive descent: or, and, not, comparison; one token ahead."""

    def __init__(self, text: str, columns: frozenset[str]) -> None:
        self._columns = columns
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if found is None:
                raise bad_request(f'syntax error at or near "{text[at:].strip()[:1]}"')
            self._tokens.append((str(found.lastgroup), found[found.lastgroup or 0]))
            at = found.end()

    def parse(self) -> Condition:
        result = self._any()
        if self._tokens:
            raise self._unexpected()
        return result

    def _any(self) -> Condition:
        parts = [self._every()]
        while self._take_word("or"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else lambda row: _or(part(row) for part in parts)

    def _every(self) -> Condition:
        parts = [self._one()]
        while self._take_word("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda row: _and(part(row) for part in parts)

    def _one(self) -> Condition:
        if self._take_word("not"):
            return _negated(self._one())
        if self._take("("):
            inner = self._any()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Condition:
        column = self._column()
        negated = self._take_word("not")
        if self._take_word("in"):
            test = self._in(column)
            return _negated(test) if negated else test
        if self._take_word("like"):
            test = _like(column, self._literal())
            return _negated(test) if negated else test
        if negated:
            raise self._unexpected()
        if self._take_word("is"):
            absent = not self._take_word("not")
            if not self._take_word("null"):
                raise self._unexpected()
            return lambda row: (row[column] is None) is absent
        sign = self._next("sign")
        if sign not in _COMPARE and sign not in _ORDER:
            raise bad_request(f'syntax error at or near "{sign}"')
        return _compared(column, sign, self._literal())

    def _in(self, column: str) -> Condition:
        self._expect("(")
        values = {self._literal()}
        while self._take(","):
            values.add(self._literal())
        self._expect(")")
        return lambda row: None if row[column] is None else str(row[column]) in values

    def _column(self) -> str:
        name = self._next("name")
        name = name[1:-1] if name.startswith('"') else name.lower()
        if name not in self._columns:
            raise bad_request(f'column "{name}" does not exist')
        return name

    def _literal(self) -> str:
        if self._tokens and self._tokens[0][0] == "name":
            self._column()
            raise bad_request("comparing two columns is not imitated")
        kind = "number" if self._tokens and self._tokens[0][0] == "number" else "text"
        value = self._next(kind)
        return value if kind == "number" else value[1:-1].replace("''", "'")

    def _next(self, kind: str) -> str:
        if not self._tokens or self._tokens[0][0] != kind:
            raise self._unexpected()
        return self._tokens.pop(0)[1]

    def _take(self, token: str) -> bool:
        taken = bool(self._tokens) and self._tokens[0] == ("sign", token)
        if taken:
            self._tokens.pop(0)
        return taken

    def _take_word(self, word: str) -> bool:
        token = self._tokens[0] if self._tokens else ("", "")
        taken = token[0] == "name" and token[1].lower() == word
        if taken:
            self._tokens.pop(0)
        return taken

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise self._unexpected()

    def _unexpected(self) -> OarError:
        if not self._tokens:
            # OAR puts conditions in parentheses
            return bad_request('syntax error at or near ")"')
        return bad_request(f'syntax error at or near "{self._tokens[0][1]}"')


def _compared(column: str, sign: str, literal: str) -> Condition:
    def test(row: Row) -> bool | None:
        value = row[column]
        if value is None:
            return None
        if sign in _COMPARE:
            return _COMPARE[sign](str(value), literal)
        if not (str(value).isdigit() and literal.isdigit()):
            raise bad_request(f"ordering {column} by text is not imitated")
        return _ORDER[sign](int(value), int(literal))

    return test


def _like(column: str, pattern: str) -> Condition:
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    wanted = re.compile("".join(parts), re.S)

    def test(row: Row) -> bool | None:
        value = row[column]
        return None if value is None else wanted.fullmatch(str(value)) is not None

    return test


def _negated(inner: Condition) -> Condition:
    def test(row: Row) -> bool | None:
        value = inner(row)
        return None if value is None else not value

    return test


def _and(values: Iterable[bool | None]) -> bool | None:
    seen = list(values)
    if False in seen:
        return False
    return None if None in seen else True


def _or(values: Iterable[bool | None]) -> bool | None:
    seen = list(values)
    if True in seen:
        return True
    return None if None in seen else False
