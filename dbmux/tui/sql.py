"""SQL in colours: words, literals and comments of one line, told apart by a few rules.

A line that was cut and made visible comes in, pieces with styles go out: all of the line, in its order. A guess for the
eye, and no parser: what it takes for a keyword decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.segment import Segment

from dbmux.tui.look import Look

_PIECE = re.compile(
    r"(?P<comment>/\*.*?(?:\*/|$)|--\s.*$|#.*$)"
    r"|(?P<literal>'(?:[^'\\]|\\.|'')*(?:'|$)|\"(?:[^\"\\]|\\.)*(?:\"|$)|\b\d[\d.]*\b)"
    r"|(?P<word>\b[A-Za-z_]\w*\b)",
    re.DOTALL,
)
_KEYWORDS = frozenset(
    (
        *("ALL", "ALTER", "AND", "AS", "ASC", "BEGIN", "BETWEEN", "BY", "CALL", "CASE", "COMMIT", "COUNT"),
        *("CREATE", "CROSS", "DELETE", "DESC", "DISTINCT", "DROP", "ELSE", "END", "EXISTS", "EXPLAIN", "FOR"),
        *("FROM", "GROUP", "HAVING", "IF", "IN", "INDEX", "INNER", "INSERT", "INTO", "IS", "JOIN", "LEFT", "LIKE"),
        *("LIMIT", "LOCK", "NOT", "NULL", "OFFSET", "ON", "OR", "ORDER", "OUTER", "REPLACE", "RIGHT", "ROLLBACK"),
        *("SELECT", "SET", "SHARE", "SHOW", "START", "TABLE", "THEN", "TRANSACTION", "TRUNCATE", "UNION", "UNLOCK"),
        *("UPDATE", "USE", "USING", "VALUES", "WHEN", "WHERE", "WITH"),
    )
)


def coloured(line: str, look: Look) -> Iterator[Segment]:
    """The pieces of a line."""
    behind = 0
    for found in _PIECE.finditer(line):
        text = found.group()
        match found.lastgroup:
            case "comment":
                style = look.dim
            case "literal":
                style = look.literal
            case _ if text.upper() in _KEYWORDS:
                style = look.keyword
            case _:
                continue
        begin, end = found.span()
        if behind < begin:
            yield Segment(line[behind:begin], look.text)
        yield Segment(text, style)
        behind = end
    if behind < len(line):
        yield Segment(line[behind:], look.text)
