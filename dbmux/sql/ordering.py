"""What a read says of the order and the number of its rows, outside of all parentheses.

A text of SQL comes in; whether it has an ORDER BY, and the text without its LIMIT, go out. Only words are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbmux.lexer import Token, tokens


def is_ordered(sql: bytes, flags: int = 0) -> bool:
    """Whether a statement says in which order its rows are to come: an ORDER BY outside of all parentheses."""
    return any((last, word) == (b"ORDER", b"BY") for last, word, _ in _outermost(sql, flags))


def without_limit(sql: bytes, flags: int = 0) -> bytes | None:
    """The statement with all of its rows; None where it has no LIMIT at its end, or one that is an argument."""
    found = next((begin for last, word, begin in _outermost(sql, flags) if word == b"LIMIT" and last != b"."), None)
    if found is None:
        return None
    rest = [(kind, sql[begin:end].upper()) for kind, begin, end in tokens(sql, found, flags)][1:]
    is_plain = all(word.isdigit() or word in (b",", b"OFFSET", b";") for _, word in rest)
    return sql[:found].rstrip() if is_plain else None


def _outermost(sql: bytes, flags: int) -> Iterator[tuple[bytes, bytes, int]]:
    # The word before, the word, and where it begins.
    depth, last = 0, b""
    for kind, begin, end in tokens(sql, 0, flags):
        word = sql[begin:end].upper()
        if word == b"(":
            depth += 1
        elif word == b")":
            depth -= 1
        elif kind == Token.WORD and not depth:
            yield last, word, begin
        last = word
