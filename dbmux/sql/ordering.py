"""What a read says of the order and the number of its rows, outside of all parentheses.

A text of SQL comes in; whether it has an ORDER BY, and the text without its LIMIT, go out. Only words are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbmux.lexer import Token, tokens

_OF_A_LIMIT = frozenset((b",", b"OFFSET", b";"))


def is_ordered(sql: bytes, flags: int = 0) -> bool:
    """Whether a statement says in which order its rows are to come: an ORDER BY outside of all parentheses."""
    return any((last, word) == (b"ORDER", b"BY") for last, word, _ in _outermost(sql, flags))


def is_limited(sql: bytes, flags: int = 0) -> bool:
    """Whether it says how many of its rows come: a LIMIT outside of all parentheses."""
    return _limit(sql, flags) is not None


def without_limit(sql: bytes, flags: int = 0) -> tuple[bytes, int] | None:
    """The statement with all of its rows, and how many placeholders went; None where no LIMIT is at its end."""
    begin = _limit(sql, flags)
    if begin is None:
        return None
    rest = [(kind, sql[start:end].upper()) for kind, start, end in tokens(sql, begin, flags)][1:]
    placeholders = sum(kind == Token.PLACEHOLDER for kind, _ in rest)
    is_its_end = all(kind == Token.PLACEHOLDER or word.isdigit() or word in _OF_A_LIMIT for kind, word in rest)
    return (sql[:begin].rstrip(), placeholders) if is_its_end else None


def _limit(sql: bytes, flags: int) -> int | None:
    return next((begin for last, word, begin in _outermost(sql, flags) if word == b"LIMIT" and last != b"."), None)


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
